//! A warden whose dispatcher died or fell silent, on a real store.

use std::time::{Duration, Instant};

use tenure_guard::wire::Op;
use tenure_guard::{Acceptance, Reason, Verdict};
use tenure_store::life::{Ask, Outcome, TaskStatus};
use tenure_store::person::Wish;
use tenure_warden::clock::BootInstant;
use tenure_warden::gate::{Brief, Word};
use tenure_warden::lifeline::{Message, Order};

use super::post::{FOR_EVER, Post, is_alive, wait_for};
use super::records::Records;

/// The shortest lease that a configuration may have; renewals are each second then.
const LEASE: Duration = Duration::from_secs(6);

/// A warden at its gate for a run that is claimed and started in the store.
pub fn prepared(records: &Records, script: &str, change: impl FnOnce(&mut Brief)) -> Post {
    let tenure = records.claim_report();
    let post = Post::prepare(script, |brief| {
        let lock = tenure.lock.expose().to_owned();
        for (name, value) in [
            ("TENURE_TASK_ID", tenure.task.to_string()),
            ("TENURE_RUN_ID", tenure.run.to_string()),
            ("TENURE_CLAIM_LOCK", lock),
        ] {
            brief.env.insert(name.into(), value);
        }
        brief.tenure = tenure;
        brief.store = records.url.expose();
        change(brief);
    });
    records.start(&post);
    post
}

/// The same, over its script.
pub fn started(records: &Records, script: &str, change: impl FnOnce(&mut Brief)) -> Post {
    let mut post = prepared(records, script, change);
    post.say(&Word::Go {
        lease_end: BootInstant::now() + post.brief.lease,
        deadline: None,
    });
    post.started();
    post
}

#[test]
fn a_worker_whose_dispatcher_died_reports_and_its_warden_closes_the_run() {
    let records = Records::new();
    let script = "while ! [ -e go ]; do sleep 0.01; done; \"$SAY\" worker complete";
    let mut post = started(&records, script, |_| {});
    post.hang_up();
    std::fs::write(post.path("go"), "").unwrap();
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Completed));
    assert_eq!(run.reason.as_deref(), Some("all of it"));
    assert!(run.pid.is_some(), "the worker's pid was not noted");
    assert_eq!(post.exit_code(), Some(0));
    assert_eq!(records.status(&post.brief.tenure), TaskStatus::Done);
}

#[test]
fn a_report_that_was_under_way_when_the_dispatcher_died_is_repeated_on_the_store() {
    let records = Records::new();
    let mut post = started(&records, "\"$SAY\" worker complete", |_| {});
    let (_, op) = post.request();
    assert!(matches!(op, Op::Report { .. }), "{op:?}");
    post.hang_up();
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Completed));
    assert_eq!(post.log(), "");
}

#[test]
fn an_end_that_the_dispatcher_did_not_acknowledge_is_written_by_the_warden() {
    let records = Records::new();
    let mut post = started(&records, "exit 3", |_| {});
    assert!(matches!(post.next(), Message::Ended { .. }));
    post.hang_up();
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Failed));
    assert_eq!(post.exit_code(), Some(3));
}

#[test]
fn what_a_person_asks_is_carried_out_without_a_dispatcher() {
    let records = Records::new();
    let mut post = started(&records, "exec sleep 600", |brief| brief.lease = LEASE);
    post.hang_up();
    records.wish(&post.brief.tenure, Wish::Cancel);
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Cancelled));
}

#[test]
fn a_time_limit_holds_without_a_dispatcher_and_where_it_died_just_after_it_was_told() {
    let records = Records::new();
    let limit = |brief: &mut Brief| brief.max_runtime = Some(Duration::from_millis(500));
    let mut post = started(&records, "exec sleep 600", limit);
    post.hang_up();
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::TimedOut));
    let script = "trap 'while ! [ -e go ]; do sleep 0.01; done; exit 1' TERM; sleep 600 & wait";
    let mut post = started(&records, script, limit);
    assert_eq!(post.next(), Message::Ask { ask: Ask::Timeout });
    post.hang_up();
    std::fs::write(post.path("go"), "").unwrap();
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::TimedOut));
}

#[test]
fn a_dispatcher_that_says_nothing_for_a_third_of_the_lease_counts_as_gone() {
    let records = Records::new();
    let begun = Instant::now();
    let mut post = started(&records, "exec sleep 600", |brief| brief.lease = LEASE);
    let tenure = post.brief.tenure.clone();
    let before = records.run(&tenure).lease_until;
    wait_for("a renewal", || {
        (records.run(&tenure).lease_until > before).then_some(())
    });
    assert!(begun.elapsed() >= LEASE / 3);
    // It speaks again: its orders are obeyed.
    post.order(&Order::End { ask: Ask::Shutdown });
    assert!(matches!(
        post.ended(),
        tenure_store::life::End::Exited { .. }
    ));
    assert_eq!(post.exit_code(), Some(128 + 15));
    assert!(records.run(&tenure).outcome.is_none(), "both closed it");
}

#[test]
fn a_report_for_a_store_that_is_away_is_kept_and_written_when_it_is_back() {
    let records = Records::new();
    let link = records.path().with_file_name("elsewhere.db");
    let script = "while ! [ -e go ]; do sleep 0.01; done; \"$SAY\" worker complete; echo $? > said";
    let mut post = started(&records, script, |brief| {
        brief.store = format!("sqlite://{}", link.display());
    });
    post.hang_up();
    std::fs::write(post.path("go"), "").unwrap();
    assert_eq!(post.line_in("said"), "0");
    // Without the store nothing can be closed: the warden waits.
    assert!(records.run(&post.brief.tenure).outcome.is_none());
    assert!(post.warden.try_wait().unwrap().is_none());
    std::os::unix::fs::symlink(records.path(), &link).unwrap();
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Completed));
    assert_eq!(post.exit_code(), Some(0));
}

#[test]
fn while_one_report_is_kept_the_same_is_fine_and_another_is_refused() {
    let mut post = Post::start("exec sleep 600", |_| {});
    post.started();
    post.hang_up();
    let guard = post.guard();
    let report = tenure_guard::Report::Fail {
        reason: "no".into(),
    };
    let id = tenure_guard::ReportId::random();
    assert_eq!(guard.report_as(&id, &report).unwrap(), Acceptance::Kept);
    assert_eq!(guard.report_as(&id, &report).unwrap(), Acceptance::Kept);
    let error = guard.complete(None, None).unwrap_err().to_string();
    assert_eq!(
        error,
        "refused: reported fail already; the first report stands"
    );
    guard.heartbeat(None).unwrap();
    guard.comment("still here").unwrap();
    assert_eq!(guard.check().unwrap(), Verdict::Owned);
}

#[test]
fn a_worker_whose_run_was_closed_by_somebody_else_is_ended() {
    let records = Records::new();
    let mut post = started(&records, "exec sleep 600", |brief| brief.lease = LEASE);
    let guard = post.guard();
    let mut lost = guard.watch().unwrap();
    let tenure = post.brief.tenure.clone();
    records.close(&tenure);
    post.hang_up();
    let reason = lost.wait(Some(super::post::PATIENCE)).unwrap();
    assert_eq!(reason, Some(Reason::TaskNotRunning("ready".into())));
    assert_eq!(post.exit_code(), Some(128 + 15));
}

#[test]
fn where_others_may_take_the_task_a_cut_off_worker_is_dead_before_its_lease_is_over() {
    let mut post = Post::prepare(
        "trap '' TERM; echo up > up; while :; do sleep 600; done",
        |brief| {
            brief.lease = LEASE;
            brief.kill_grace = FOR_EVER;
            // Nobody listens there.
            brief.store = "postgres://nobody@127.0.0.1:1/none".into();
        },
    );
    let lease_end = BootInstant::now() + LEASE;
    post.say(&Word::Go {
        lease_end,
        deadline: None,
    });
    let pid = post.started();
    post.line_in("up");
    let mut lost = post.guard().watch().unwrap();
    post.hang_up();
    let reason = lost.wait(Some(super::post::PATIENCE)).unwrap();
    assert_eq!(reason, Some(Reason::LeaseExpired));
    assert!(is_alive(pid), "the grace was not given");
    let verdict = Verdict::StandDown {
        reason: Reason::LeaseExpired,
    };
    assert_eq!(post.guard().check().unwrap(), verdict);
    wait_for("the worker's death", || (!is_alive(pid)).then_some(()));
    assert!(
        lease_end.remaining() > Duration::ZERO,
        "it outlived its lease"
    );
    assert!(
        post.warden.try_wait().unwrap().is_none(),
        "the end is written nowhere"
    );
}

#[test]
fn a_word_that_is_too_old_vouches_for_nothing_and_the_store_is_asked() {
    let mut post = Post::prepare("echo ran > ran", |brief| {
        brief.store = "postgres://nobody@127.0.0.1:1/none".into();
    });
    post.say(&Word::Go {
        lease_end: BootInstant::now(),
        deadline: None,
    });
    let end = tenure_store::life::End::StoodDown {
        reason: Reason::StoreUnreachable,
    };
    assert_eq!(post.ended(), end);
    assert!(!post.path("ran").exists());
}
