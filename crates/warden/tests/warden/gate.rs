//! Before the command runs, and how it is started.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use tenure_guard::Reason;
use tenure_store::life::{End, Exit, Outcome, TaskStatus};
use tenure_warden::gate::Word;
use tenure_warden::lifeline::{Message, Order};

use super::post::{Post, exited, signal, wait_for};
use super::records::Records;

#[test]
fn a_dispatcher_that_dies_at_the_gate_leaves_a_run_that_was_never_started() {
    for is_committed in [true, false] {
        let records = Records::new();
        let tenure = records.claim_report();
        let mut post = Post::prepare("echo ran > ran", |brief| {
            brief.tenure = tenure.clone();
            brief.store = records.url.expose();
        });
        let socket = post.brief.socket.clone();
        wait_for("the socket", || socket.exists().then_some(()));
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        if is_committed {
            records.start(&post);
        }
        post.hang_up();
        let run = records.closed(&tenure);
        assert_eq!(run.known_outcome(), Some(Outcome::NeverStarted));
        let reason = "the dispatcher died before the command was let go";
        assert_eq!(run.reason.as_deref(), Some(reason));
        assert_eq!(records.status(&tenure), TaskStatus::Ready);
        assert_eq!(post.exit_code(), Some(1));
        assert!(!post.path("ran").exists());
        assert!(!socket.exists());
        assert_eq!(post.log(), "");
    }
}

#[test]
fn half_a_word_is_none() {
    let records = Records::new();
    let tenure = records.claim_report();
    let mut post = Post::prepare("echo ran > ran", |brief| {
        brief.tenure = tenure.clone();
        brief.store = records.url.expose();
    });
    records.start(&post);
    post.write_part(r#"{"word":"go","lease_"#);
    post.hang_up();
    let run = records.closed(&tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::NeverStarted));
    assert!(!post.path("ran").exists());
}

#[test]
fn a_whole_word_of_a_dispatcher_that_died_right_after_it_lets_the_command_go() {
    let records = Records::new();
    let mut post = super::alone::prepared(&records, "echo ran > ran; exit 3", |_| {});
    post.say(&Word::Go {
        lease_end: tenure_warden::clock::BootInstant::now() + post.brief.lease,
        deadline: None,
    });
    post.hang_up();
    let run = records.closed(&post.brief.tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Failed));
    assert!(post.path("ran").exists());
}

#[test]
fn before_the_brief_a_warden_leaves_in_silence() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut warden = std::process::Command::new(super::post::PROGRAM)
        .stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(
            theirs,
        )))
        .spawn()
        .unwrap();
    drop(ours);
    assert_eq!(warden.wait().unwrap().code(), Some(0));
}

#[test]
fn told_to_end_at_the_gate_it_says_so_and_the_command_never_runs() {
    for number in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut post = Post::prepare("echo ran > ran", |_| {});
        let socket = post.brief.socket.clone();
        wait_for("the socket", || socket.exists().then_some(()));
        signal(post.warden_pid(), number);
        // It has its word already: it is too late for another one.
        let message = post.next();
        post.say(&Word::Go {
            lease_end: tenure_warden::clock::BootInstant::now() + post.brief.lease,
            deadline: None,
        });
        let end = End::NeverStarted {
            reason: "told to end at the gate".into(),
        };
        assert_eq!(message, Message::Ended { end });
        post.order(&Order::Acknowledged);
        assert_eq!(post.exit_code(), Some(1));
        assert!(!post.path("ran").exists());
    }
}

#[test]
fn told_to_go_it_runs_the_command_and_hands_its_exit_over() {
    let mut post = Post::start("echo hello; exit 3", |_| {});
    let pid = post.started();
    assert!(pid > 0);
    assert_eq!(post.ended(), exited(Exit::Code(3)));
    assert_eq!(post.exit_code(), Some(3));
    assert_eq!(post.log(), "hello\n");
    assert!(!post.brief.socket.exists());
}

#[test]
fn told_to_stand_down_it_says_so_exits_79_and_the_command_never_runs() {
    let mut post = Post::prepare("echo ran > ran", |_| {});
    post.say(&Word::StandDown {
        reason: Reason::RunMismatch,
    });
    let end = End::StoodDown {
        reason: Reason::RunMismatch,
    };
    assert_eq!(post.ended(), end);
    assert_eq!(post.exit_code(), Some(79));
    assert!(!post.path("ran").exists());
}

#[test]
fn the_worker_gets_the_environment_and_the_folder_of_the_brief_and_nothing_else() {
    let script = "env | sort; pwd; readlink /proc/$$/fd/0; ls /proc/$$/fd | wc -l; \
                  ps -o pgid= -o pid= -p $$; exec grep -E 'Sig(Blk|Ign)' /proc/self/status";
    let mut post = Post::start(script, |brief| {
        brief.env = [("PATH", "/usr/bin:/bin"), ("ONLY", "this")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    });
    post.ended();
    let log = post.log();
    let lines: Vec<&str> = log.lines().collect();
    let folder = post.folder.path().to_str().unwrap();
    // The shell adds PWD by itself.
    assert_eq!(lines[0], "ONLY=this", "{log}");
    assert_eq!(lines[1], "PATH=/usr/bin:/bin", "{log}");
    assert_eq!(lines[2], format!("PWD={folder}"), "{log}");
    assert_eq!(lines[3], folder, "{log}");
    assert_eq!(lines[4], "/dev/null", "{log}");
    assert_eq!(lines[5], "3", "{log}");
    assert_eq!(lines[7], "SigBlk:\t0000000000000000", "{log}");
    let ignored = u64::from_str_radix(lines[8].trim_start_matches("SigIgn:\t"), 16).unwrap();
    // 32 and 33 belong to the C library, which lets nobody set them back.
    assert_eq!(ignored & !(0b11 << 31), 0, "{log}");
    let mut ids = lines[6].split_whitespace();
    assert_eq!(ids.next(), ids.next(), "{log}");
}

#[test]
fn a_command_that_cannot_be_executed_says_which_path_and_which_errno() {
    let refused = |change: &dyn Fn(&mut tenure_warden::gate::Brief)| {
        let mut post = Post::start("", |brief| change(brief));
        let end = post.ended();
        (end, post.exit_code())
    };
    let failed = |path: &str, errno, message: &str| End::SpawnFailed {
        path: path.into(),
        errno,
        message: message.into(),
    };
    let (end, code) = refused(&|brief| brief.argv = vec!["no-such-command".into()]);
    assert_eq!(
        end,
        failed("no-such-command", 2, "No such file or directory")
    );
    assert_eq!(code, Some(127));
    let (end, code) = refused(&|brief| brief.argv = vec!["/etc/passwd".into()]);
    assert_eq!(end, failed("/etc/passwd", 13, "Permission denied"));
    assert_eq!(code, Some(126));
    let (end, _) = refused(&|brief| brief.cwd = "/no/such/folder".into());
    assert_eq!(
        end,
        failed("in /no/such/folder", 2, "No such file or directory")
    );
    let (end, _) = refused(&|brief| brief.cwd = "/etc/passwd".into());
    assert_eq!(end, failed("in /etc/passwd", 20, "Not a directory"));
}

#[test]
fn the_program_is_looked_up_in_the_path_of_the_brief() {
    let mut post = Post::prepare("", |brief| {
        brief.argv = vec!["only-here".into()];
        let here = brief.env["HERE"].clone();
        brief.env.insert("PATH".into(), here);
    });
    let program = post.path("only-here");
    std::fs::write(&program, "#!/bin/sh\necho found\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    post.say(&Word::Go {
        lease_end: tenure_warden::clock::BootInstant::now() + post.brief.lease,
        deadline: None,
    });
    assert_eq!(post.ended(), exited(Exit::Code(0)));
    assert_eq!(post.log(), "found\n");
}

#[test]
fn a_gate_of_another_version_and_a_socket_that_cannot_be_made_are_our_own_fault_and_said() {
    let mut post = Post::prepare("echo ran > ran", |brief| brief.v = 99);
    let End::NeverStarted { reason } = post.ended() else {
        panic!("a brief of version 99 was taken");
    };
    assert!(reason.contains("version 99"), "{reason}");
    let mut post = Post::prepare("echo ran > ran", |brief| {
        brief.socket = "/no/such/folder/warden.sock".into();
    });
    let End::NeverStarted { reason } = post.ended() else {
        panic!("a socket was made where there is no folder");
    };
    assert!(
        reason.starts_with("/no/such/folder/warden.sock: "),
        "{reason}"
    );
    assert!(!post.path("ran").exists());
}

#[test]
fn the_end_is_said_once_and_the_warden_stays_until_it_is_acknowledged() {
    let mut post = Post::start("true", |_| {});
    post.started();
    assert!(matches!(post.next(), Message::Ended { .. }));
    // An order that is none must not be taken for the acknowledgement.
    post.write(r#"{"order":"something new"}"#);
    post.order(&Order::Lease {
        end: tenure_warden::clock::BootInstant::now() + post.brief.lease,
    });
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(post.warden.try_wait().unwrap().is_none());
    post.order(&Order::Acknowledged);
    assert_eq!(post.exit_code(), Some(0));
}

#[test]
fn a_warden_says_its_build_and_refuses_to_run_without_a_gate() {
    let program = || std::process::Command::new(super::post::PROGRAM);
    let build = program().arg("--build").output().unwrap();
    let build = String::from_utf8(build.stdout).unwrap();
    assert_eq!(build.trim_end(), tenure_warden::build_id());
    let output = program()
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("standard input is not a gate"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
