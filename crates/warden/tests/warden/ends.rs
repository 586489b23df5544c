//! What ends a run, besides the worker itself and orders: limits and reports.

use std::time::{Duration, Instant};

use tenure_guard::Reason;
use tenure_guard::wire::{Answer, Op};
use tenure_store::life::{Ask, Exit};
use tenure_warden::lifeline::Message;

use super::post::{Post, exited, exited_as};

#[test]
fn a_run_over_its_time_is_ended_and_the_dispatcher_is_told() {
    let mut post = Post::start("exec sleep 600", |brief| {
        brief.max_runtime = Some(Duration::from_millis(200));
    });
    post.started();
    assert_eq!(post.next(), Message::Ask { ask: Ask::Timeout });
    // The dispatcher's order that answers the announcement is no second one: grace stays.
    post.end(Ask::Timeout);
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
}

#[test]
fn the_order_that_answers_our_own_limit_does_not_take_the_grace_away() {
    let script = "trap 'sleep 0.5; exit 4' TERM; echo up > up; sleep 600 & wait";
    let mut post = Post::start(script, |brief| {
        brief.max_runtime = Some(Duration::from_millis(500));
    });
    post.started();
    assert_eq!(post.next(), Message::Ask { ask: Ask::Timeout });
    post.end(Ask::Timeout);
    assert_eq!(post.ended(), exited(Exit::Code(4)));
}

#[test]
fn a_silent_worker_is_ended_and_heartbeats_keep_one_alive() {
    let timeout = Duration::from_secs(2);
    let begun = Instant::now();
    let script = "for i in 1 2 3; do sleep 0.8; \"$SAY\" worker heartbeat; done; exec sleep 600";
    let mut post = Post::start(script, |brief| brief.heartbeat_timeout = Some(timeout));
    post.started();
    for _ in 0..3 {
        let (id, op) = post.request();
        assert_eq!(op, Op::Heartbeat { note: None });
        post.answer(id, Answer::Ok);
    }
    assert_eq!(post.next(), Message::Ask { ask: Ask::Silence });
    assert!(begun.elapsed() > timeout + Duration::from_millis(2400));
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
}

#[test]
fn a_worker_that_reported_and_hangs_is_ended_after_the_finish_grace() {
    let mut post = Post::start(
        "\"$SAY\" worker complete; echo said > said; exec sleep 600",
        |brief| {
            brief.finish_grace = Duration::from_millis(200);
        },
    );
    post.started();
    let (id, op) = post.request();
    assert!(matches!(op, Op::Report { .. }), "{op:?}");
    post.answer(id, Answer::Ok);
    post.line_in("said");
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
}

#[test]
fn a_refused_report_ends_nothing() {
    let mut post = Post::start("exec sleep 600", |brief| {
        brief.finish_grace = Duration::ZERO;
    });
    let pid = post.started();
    let guard = post.guard();
    let asker = std::thread::spawn(move || guard.complete(None, None));
    let (id, _) = post.request();
    post.answer(
        id,
        Answer::Refused {
            message: "reported fail already".into(),
        },
    );
    let error = asker.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "refused: reported fail already");
    assert!(super::post::is_alive(pid));
    post.end(Ask::Cancel);
    post.ended();
}

#[test]
fn every_request_is_answered_before_the_end_is_said() {
    let mut post = Post::start("\"$SAY\" worker complete & sleep 0.5; exit 0", |brief| {
        brief.kill_grace = Duration::ZERO;
    });
    post.started();
    let (id, _) = post.request();
    // The worker has exited by then.
    post.says_nothing_for(Duration::from_secs(2));
    post.answer(id, Answer::Ok);
    assert_eq!(
        post.next(),
        Message::Ended {
            end: exited(Exit::Code(0))
        }
    );
}

#[test]
fn a_report_that_the_dispatcher_refuses_as_not_owner_explains_an_exit_79() {
    let mut post = Post::start("\"$SAY\" worker complete; exit $?", |_| {});
    post.started();
    let (id, _) = post.request();
    let reason = Reason::RunMismatch;
    post.answer(
        id,
        Answer::NotOwner {
            reason: reason.clone(),
        },
    );
    assert_eq!(post.ended(), exited_as(Exit::Code(79), false, Some(reason)));
}

#[test]
fn a_report_after_a_time_limit_is_still_taken() {
    let script = "trap '\"$SAY\" worker complete; exit 0' TERM; echo up > up; sleep 600 & wait";
    let mut post = Post::start(script, |_| {});
    post.started();
    post.line_in("up");
    post.end(Ask::Timeout);
    let (id, _) = post.request();
    post.answer(id, Answer::Ok);
    assert_eq!(post.ended(), exited(Exit::Code(0)));
}
