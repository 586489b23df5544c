//! What lies in the run's folder while nobody takes it.

use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::process::Signal;
use tenure_guard::wire::{Answer, Op};
use tenure_guard::{Report, ReportId, RunId};
use tenure_store::life::{End, Exit, Outcome};
use tenure_warden::evidence::{self, Evidence};
use tenure_warden::lifeline::{Message, Order};

use super::alone::started;
use super::post::{Post, exited, signal, wait_for};
use super::records::Records;

fn lying(post: &Post) -> Option<Evidence> {
    evidence::read(post.folder.path(), post.brief.tenure.run).unwrap()
}

/// A worker whose report was kept and whose end nobody took.
fn stranded() -> Post {
    let mut post = Post::start("\"$SAY\" worker complete; exit 4", |_| {});
    post.started();
    post.request();
    post.hang_up();
    wait_for("the evidence of the end", || lying(&post)?.end);
    post
}

#[test]
fn what_nobody_takes_lies_in_the_folder_without_the_secret_and_goes_when_it_is_taken() {
    let mut post = stranded();
    let evidence = lying(&post).unwrap();
    assert_eq!(evidence.end, Some(exited(Exit::Code(4))));
    let (_, report) = evidence.report.unwrap();
    assert_eq!(report.name(), "complete");
    let path = post.path("evidence.json");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(post.brief.tenure.lock.expose()), "{text}");
    post.take_over(2);
    let (id, op) = loop {
        if let Message::Request { id, op } = post.next() {
            break (id, op);
        }
    };
    assert!(matches!(op, Op::Report { .. }));
    post.answer(id, Answer::Ok);
    // Answered is not acknowledged: of the end there is evidence for as long as it may be needed.
    let message = post.next();
    assert!(matches!(message, Message::Ended { .. }));
    let rest = wait_for("the evidence without the report", || {
        lying(&post).filter(|rest| rest.report.is_none())
    });
    assert_eq!(rest.end, Some(exited(Exit::Code(4))));
    post.order(&Order::Acknowledged);
    assert_eq!(post.exit_code(), Some(4));
    assert!(!path.exists(), "it stayed behind");
}

#[test]
fn told_to_go_while_it_only_waits_a_warden_goes_and_the_evidence_stays() {
    for number in [Signal::TERM, Signal::HUP] {
        let mut post = stranded();
        signal(post.warden_pid(), number);
        assert_eq!(post.exit_code(), Some(4));
        let evidence = lying(&post).unwrap();
        assert_eq!(evidence.end, Some(exited(Exit::Code(4))));
        assert!(evidence.report.is_some());
    }
}

#[test]
fn a_killed_warden_leaves_its_evidence() {
    let mut post = stranded();
    post.warden.kill().unwrap();
    post.warden.wait().unwrap();
    assert!(lying(&post).unwrap().report.is_some());
}

#[test]
fn a_report_that_was_written_later_is_evidence_no_more() {
    let records = Records::new();
    let link = records.path().with_file_name("elsewhere.db");
    let script = "\"$SAY\" worker complete; while ! [ -e go ]; do sleep 0.01; done";
    let mut post = started(&records, script, |brief| {
        brief.store = format!("sqlite://{}", link.display());
    });
    post.request();
    post.hang_up();
    let kept = wait_for("the evidence of the report", || lying(&post));
    assert_eq!((kept.report.is_some(), kept.end), (true, None));
    symlink(records.path(), &link).unwrap();
    wait_for("the end of the evidence", || {
        lying(&post).is_none().then_some(())
    });
    std::fs::write(post.path("go"), "").unwrap();
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Completed));
    assert_eq!(post.exit_code(), Some(0));
    assert!(lying(&post).is_none());
}

#[test]
fn where_the_warden_could_not_even_stand_its_reason_lies_in_the_folder() {
    let mut post = Post::prepare("", |brief| {
        brief.socket = "/no/such/folder/warden.sock".into();
    });
    let message = post.next();
    post.hang_up();
    assert_eq!(post.exit_code(), Some(1));
    let end = lying(&post).unwrap().end.unwrap();
    assert_eq!(message, Message::Ended { end });
}

#[test]
fn what_a_warden_cannot_have_written_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.json");
    let own = Evidence {
        v: evidence::VERSION,
        run: RunId(9),
        report: Some((
            ReportId::random(),
            Report::Fail {
                reason: "no".into(),
            },
        )),
        end: Some(End::NeverStarted {
            reason: "no".into(),
        }),
    };
    let read = |run| evidence::read(folder.path(), RunId(run)).map_err(|error| error.to_string());
    assert_eq!(read(9), Ok(None));
    own.write(folder.path()).unwrap();
    assert_eq!(read(9), Ok(Some(own.clone())));
    let refused = |expected: &str| {
        let error = read(9).unwrap_err();
        assert!(error.contains("evidence.json: "), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    assert!(read(8).unwrap_err().contains("of run 9, not of run 8"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
    refused("others than its owner");
    if nix::unistd::geteuid().is_root() {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        refused("belongs to user 65534");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::write(folder.path().join("other"), "").unwrap();
    symlink("other", &path).unwrap();
    refused("a link");
    std::fs::remove_file(&path).unwrap();
    std::fs::hard_link(folder.path().join("other"), &path).unwrap();
    refused("second name");
    let later = Evidence { v: 99, ..own };
    later.write(folder.path()).unwrap();
    refused("version 99");
    std::fs::write(&path, "{\"v\":1,").unwrap();
    refused("EOF");
    evidence::remove(folder.path()).unwrap();
    evidence::remove(folder.path()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
