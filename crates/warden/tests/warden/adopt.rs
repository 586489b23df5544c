//! Another dispatcher takes the lifeline up.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tenure_guard::wire::{Answer, Op};
use tenure_guard::{Reason, RunId, Tenure};
use tenure_store::life::{Ask, End, Exit, Outcome};
use tenure_warden::clock::BootInstant;
use tenure_warden::lifeline::{Adopt, Message, Order};

use super::alone::started;
use super::post::{Post, exited, skip, wait_for};
use super::records::Records;

/// Waits for a file `go`, then does the rest.
fn once_told(rest: &str) -> String {
    format!("while ! [ -e go ]; do sleep 0.01; done; {rest}")
}

fn go(post: &Post) {
    std::fs::write(post.path("go"), "").unwrap();
}

/// What was written to a line and not read by then makes its end a reset.
fn assert_hung_up(line: &mut BufReader<UnixStream>) {
    match line.read_to_end(&mut Vec::new()) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn the_next_dispatcher_is_told_what_the_last_one_was_and_receives_the_exit() {
    for has_died in [true, false] {
        let mut post = Post::start(&once_told("exit 3"), |_| {});
        let pid = post.started();
        if has_died {
            post.hang_up();
        }
        let (worker, asked, former) = post.take_over(2);
        assert_eq!((worker, asked), (Some(pid), None));
        assert_eq!(post.started(), pid);
        if let Some(mut former) = former {
            // What the former one still says reaches nobody, and it is told no more.
            let order = serde_json::to_string(&Order::End { ask: Ask::Cancel }).unwrap();
            let _ = writeln!(former.get_ref(), "{order}");
            assert_hung_up(&mut former);
        }
        go(&post);
        assert_eq!(post.ended(), exited(Exit::Code(3)));
        assert_eq!(post.exit_code(), Some(3));
    }
}

#[test]
fn of_two_that_ask_the_one_with_the_higher_epoch_has_the_lifeline() {
    let mut post = Post::start("exec sleep 600", |_| {});
    post.started();
    post.take_over(3);
    post.started();
    for late in [1, 2, 3] {
        let (said, mut line) = post.knock(&post.right(late));
        let Message::NotAdopted { reason } = said else {
            panic!("epoch {late} was taken: {said:?}");
        };
        assert_eq!(
            reason,
            format!("epoch {late} is over: epoch 3 was shown already")
        );
        assert_eq!(line.read_line(&mut String::new()).unwrap(), 0);
    }
    let (_, _, former) = post.take_over(4);
    assert_hung_up(&mut former.unwrap());
    post.started();
    post.end(Ask::Shutdown);
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
}

/// The same with something that a later build adds to it.
fn added_to(what: impl serde::Serialize) -> Value {
    let mut whole = serde_json::to_value(what).unwrap();
    whole["later"] = json!({ "zone": "b" });
    whole
}

#[test]
fn a_dispatcher_of_a_later_build_that_speaks_this_version_adopts_and_says_more_than_is_known_here()
{
    let mut post = Post::start("exec sleep 600", |_| {});
    let pid = post.started();
    let (said, mut line) = post.knock(&added_to(post.right(2)));
    let Message::Adopted { pid: told, .. } = said else {
        panic!("{said:?}");
    };
    assert_eq!(told, Some(pid));
    let end = BootInstant::now() + Duration::from_secs(60);
    for order in [
        added_to(Order::Lease { end }),
        json!({ "order": "reprioritize", "to": 9 }),
        added_to(Order::End { ask: Ask::Shutdown }),
    ] {
        writeln!(line.get_ref(), "{order}").unwrap();
    }
    loop {
        let mut said = String::new();
        assert_ne!(line.read_line(&mut said).unwrap(), 0, "{}", post.log());
        // And what a warden of a later build adds is passed over by a dispatcher of this one.
        let said = added_to(serde_json::from_str::<Value>(&said).unwrap());
        if let Message::Ended { end } = serde_json::from_value(said).unwrap() {
            assert_eq!(end, exited(Exit::Signal(15)));
            break;
        }
    }
    writeln!(line.get_ref(), "{}", added_to(Order::Acknowledged)).unwrap();
    post.exit_code();
}

#[test]
fn who_does_not_show_the_run_and_its_lock_gets_no_lifeline() {
    let mut post = Post::start("exec sleep 600", |_| {});
    post.started();
    let own = post.brief.tenure.clone();
    let lock = "0191e6a0-0000-7000-8000-000000000001:ffeeddccbbaa99887766554433221100";
    let wrong = [
        Tenure {
            run: RunId(8),
            ..own.clone()
        },
        Tenure {
            lock: lock.parse().unwrap(),
            ..own.clone()
        },
    ];
    for tenure in wrong {
        let shown = Adopt {
            tenure,
            ..post.right(2)
        };
        let (said, _) = post.knock(&shown);
        let Message::NotAdopted { reason } = said else {
            panic!("{said:?}");
        };
        assert!(!reason.contains(own.lock.expose()), "{reason}");
    }
    let (said, _) = post.knock(&Adopt {
        v: 99,
        ..post.right(2)
    });
    assert!(matches!(said, Message::NotAdopted { .. }), "{said:?}");
    // The dispatcher is there as before.
    post.end(Ask::Shutdown);
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
}

#[test]
fn a_worker_cannot_adopt_its_own_warden() {
    let mut post = Post::start(
        "\"$SAY\" worker adopt; setsid \"$SAY\" worker adopt",
        |_| {},
    );
    post.started();
    assert_eq!(post.ended(), exited(Exit::Code(0)));
    let refused = r#""reason":"a worker cannot adopt its own warden""#;
    assert_eq!(post.log().matches(refused).count(), 2, "{}", post.log());
}

#[test]
fn a_worker_that_holds_every_connection_it_can_get_keeps_no_dispatcher_out() {
    let mut post = Post::start("exec \"$SAY\" worker watch-all-day", |_| {});
    post.started();
    let watches: u32 = post.line_in("watches").parse().unwrap();
    assert!((60..200).contains(&watches), "{watches}");
    for epoch in 2..20 {
        post.take_over(epoch);
        post.started();
    }
    post.end(Ask::Shutdown);
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
}

#[test]
fn a_request_that_is_open_when_the_lifeline_changes_hands_is_answered_once() {
    let script = "\"$SAY\" worker heartbeat; echo $? >> said; echo over >> said; sleep 600";
    let mut post = Post::start(script, |_| {});
    let pid = post.started();
    let (id, op) = post.request();
    assert!(matches!(op, Op::Heartbeat { .. }));
    let (worker, _, _former) = post.take_over(2);
    assert_eq!(worker, Some(pid));
    assert_eq!(post.started(), pid);
    assert_eq!(post.request(), (id, op));
    let reason = Reason::RunMismatch;
    post.answer(id, Answer::NotOwner { reason });
    // The second answer finds nobody who waits.
    post.answer(id, Answer::Ok);
    assert_eq!(post.line_in("said"), "79");
    post.end(Ask::Shutdown);
    post.ended();
    let said = std::fs::read_to_string(post.path("said")).unwrap();
    assert_eq!(said, "79\nover\n");
}

#[test]
fn a_report_that_was_kept_reaches_the_next_dispatcher_before_the_exit_does() {
    let mut post = Post::start(&once_told("\"$SAY\" worker complete; exit 4"), |_| {});
    let pid = post.started();
    post.hang_up();
    go(&post);
    wait_for("the evidence", || {
        let text = std::fs::read_to_string(post.path("evidence.json")).ok()?;
        text.contains("exited").then_some(())
    });
    let (worker, _, _) = post.take_over(2);
    assert_eq!(worker, Some(pid));
    assert_eq!(post.started(), pid);
    let (id, op) = post.request();
    assert!(matches!(op, Op::Report { .. }), "{op:?}");
    post.says_nothing_for(Duration::from_millis(200));
    post.answer(id, Answer::Ok);
    assert_eq!(post.ended(), exited(Exit::Code(4)));
    assert_eq!(post.exit_code(), Some(4));
}

#[test]
fn an_end_that_was_under_way_goes_on_in_other_hands_and_is_not_hastened() {
    let script = "trap 'while ! [ -e go ]; do sleep 0.01; done; exit 5' TERM; \
                  echo up > up; sleep 600 & wait";
    let mut post = Post::start(script, |_| {});
    post.started();
    post.line_in("up");
    post.end(Ask::Cancel);
    post.says_nothing_for(Duration::from_millis(100));
    post.hang_up();
    let (_, asked, _) = post.take_over(2);
    assert_eq!(asked, Some(Ask::Cancel));
    post.started();
    go(&post);
    assert_eq!(post.ended(), exited(Exit::Code(5)));
}

#[test]
fn a_limit_that_nobody_answered_is_announced_again_and_its_answer_does_not_hasten() {
    let script = "trap 'while ! [ -e go ]; do sleep 0.01; done; exit 5' TERM; sleep 600 & wait";
    let mut post = Post::start(script, |brief| {
        brief.max_runtime = Some(Duration::from_millis(300));
    });
    let pid = post.started();
    let ask = Message::Ask { ask: Ask::Timeout };
    assert_eq!(post.next(), ask);
    let (_, asked, _) = post.take_over(2);
    assert_eq!(asked, Some(Ask::Timeout));
    assert_eq!(post.started(), pid);
    assert_eq!(post.next(), ask);
    post.end(Ask::Timeout);
    // Answered, it is not said a third time.
    post.says_nothing_for(Duration::from_millis(100));
    post.take_over(3);
    assert_eq!(post.started(), pid);
    post.says_nothing_for(Duration::from_millis(100));
    go(&post);
    assert_eq!(post.ended(), exited(Exit::Code(5)));
}

#[test]
fn an_end_that_waits_for_its_acknowledgement_is_said_again() {
    let mut post = Post::start("exit 6", |_| {});
    let pid = post.started();
    let ended = Message::Ended {
        end: exited(Exit::Code(6)),
    };
    assert_eq!(post.next(), ended);
    for (epoch, has_died) in [(2, false), (7, true)] {
        if has_died {
            post.hang_up();
        }
        let (worker, _, _) = post.take_over(epoch);
        assert_eq!(worker, Some(pid));
        assert_eq!(post.started(), pid);
        assert_eq!(post.next(), ended);
    }
    post.order(&Order::Acknowledged);
    assert_eq!(post.exit_code(), Some(6));
}

#[test]
fn a_warden_without_a_worker_can_be_adopted_too() {
    let mut post = Post::prepare("echo ran > ran", |_| {});
    post.hang_up();
    let (worker, _, _) = post.take_over(2);
    assert_eq!(worker, None);
    let end = End::NeverStarted {
        reason: "the dispatcher died before the command was let go".into(),
    };
    assert_eq!(post.ended(), end);
    assert_eq!(post.exit_code(), Some(1));
    assert!(!post.path("ran").exists());
    assert!(!post.path("evidence.json").exists());
}

#[test]
fn a_dispatcher_outside_of_the_wardens_pid_namespace_can_take_it_up() {
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let allowed = Command::new("unshare").args(namespace).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        return skip("no pid namespace can be made here");
    }
    let born = format!("exec unshare {}", namespace.join(" "));
    let mut post = Post::under(&born, &once_told("exit 3"), |_| {});
    let pid = post.started();
    post.hang_up();
    // The warden's kernel knows no number of ours.
    let (worker, _, _) = post.take_over(2);
    assert_eq!(worker, Some(pid));
    assert_eq!(post.started(), pid);
    go(&post);
    assert_eq!(post.ended(), exited(Exit::Code(3)));
}

#[test]
fn an_adopted_warden_renews_only_when_the_next_dispatcher_is_gone_too() {
    let records = Records::new();
    let lease = Duration::from_secs(6);
    let mut post = started(&records, &once_told("\"$SAY\" worker complete"), |brief| {
        brief.lease = lease;
    });
    let tenure = post.brief.tenure.clone();
    let claimed = records.run(&tenure).lease_until;
    post.take_over(2);
    // For two renewals' time it is the dispatcher that keeps the lease.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(500));
        post.order(&Order::Lease {
            end: BootInstant::now() + lease,
        });
    }
    assert_eq!(records.run(&tenure).lease_until, claimed);
    post.hang_up();
    wait_for("a renewal", || {
        (records.run(&tenure).lease_until > claimed).then_some(())
    });
    go(&post);
    let run = records.closed(&tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Completed));
    assert_eq!(post.exit_code(), Some(0));
}
