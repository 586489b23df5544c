//! What the worker is answered.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use tenure_guard::wire::Answer;
use tenure_guard::{Error, Reason, RunId, TaskId, Tenure, Verdict};
use tenure_store::life::{Ask, Exit};
use tenure_warden::lifeline::Order;

use super::post::{PATIENCE, Post, exited, exited_as, tenure};

const OTHER_LOCK: &str = "0191e6a0-0000-7000-8000-000000000001:ffeeddccbbaa99887766554433221100";

fn sleeper() -> Post {
    let mut post = Post::start("exec sleep 600", |_| {});
    post.started();
    post
}

#[test]
fn a_check_is_answered_from_the_lease_without_the_dispatcher() {
    let post = sleeper();
    assert_eq!(post.guard().check().unwrap(), Verdict::Owned);
}

#[test]
fn who_shows_another_task_run_or_lock_is_told_so_and_nothing_of_it_goes_up() {
    let mut post = sleeper();
    let strangers = [
        (
            Tenure {
                task: TaskId(8),
                ..tenure()
            },
            Reason::TaskMissing,
        ),
        (
            Tenure {
                run: RunId(8),
                ..tenure()
            },
            Reason::RunMismatch,
        ),
        (
            Tenure {
                lock: OTHER_LOCK.parse().unwrap(),
                ..tenure()
            },
            Reason::ClaimMismatch,
        ),
    ];
    for (shown, expected) in strangers {
        let guard = post.guard_as(shown);
        let verdict = Verdict::StandDown {
            reason: expected.clone(),
        };
        assert_eq!(guard.check().unwrap(), verdict);
        let refusals = [
            guard.heartbeat(None),
            guard.comment("hello"),
            guard.complete(None, None).map(|_| ()),
            guard.fail("no").map(|_| ()),
            guard.watch().map(|_| ()),
        ];
        for refused in refusals {
            match refused {
                Err(Error::NotOwner { reason }) => assert_eq!(reason, expected),
                other => panic!("{other:?} instead of {expected}"),
            }
        }
    }
    // A stranger outside the tree explains nothing, and nothing was passed on.
    post.end(Ask::Shutdown);
    assert_eq!(
        post.next(),
        tenure_warden::lifeline::Message::Ended {
            end: exited(Exit::Signal(15))
        }
    );
}

#[test]
fn a_line_that_makes_no_sense_is_refused_with_what_is_expected() {
    let post = sleeper();
    let lock = tenure();
    let lock = lock.lock.expose();
    let lines = [
        String::new(),
        "hello".to_owned(),
        "{}".to_owned(),
        r#"{"v":1,"task_id":7,"run_id":9,"op":"check"}"#.to_owned(),
        format!(r#"{{"v":1,"task_id":7,"run_id":9,"claim_lock":"{lock}","op":"dance"}}"#),
        format!(r#"{{"v":2,"task_id":7,"run_id":9,"claim_lock":"{lock}","op":"check"}}"#),
        format!(
            r#"{{"v":1,"task_id":7,"run_id":9,"claim_lock":"{lock}","op":"comment","text":"{}"}}"#,
            "x".repeat(65537)
        ),
        "x".repeat(2 * 1024 * 1024),
    ];
    for line in lines {
        let answer = post.wire(&line);
        let shown: String = line.chars().take(60).collect();
        assert!(
            answer.starts_with(r#"{"v":1,"answer":"refused","message":""#),
            "{shown}: {answer}"
        );
        assert!(!answer.contains(lock), "{answer}");
    }
    assert_eq!(post.guard().check().unwrap(), Verdict::Owned);
}

#[test]
fn several_requests_on_one_connection_are_answered_in_their_order() {
    let mut post = sleeper();
    let lock = tenure();
    let head = format!(
        r#"{{"v":1,"task_id":7,"run_id":9,"claim_lock":"{}""#,
        lock.lock.expose()
    );
    let lines = format!(
        "{head},\"op\":\"heartbeat\"}}\n{head},\"op\":\"check\"}}\n{head},\"op\":\"comment\",\"text\":\"a\"}}"
    );
    let guard = post.guard();
    let path = guard.identity().socket.clone().unwrap();
    let asker = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(lines.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers
    });
    let (first, _) = post.request();
    post.answer(first, Answer::Ok);
    let (second, _) = post.request();
    post.answer(
        second,
        Answer::Refused {
            message: "no".into(),
        },
    );
    let answers = asker.join().unwrap();
    let expected = [
        r#"{"v":1,"answer":"ok"}"#,
        r#"{"v":1,"answer":"owned"}"#,
        r#"{"v":1,"answer":"refused","message":"no"}"#,
    ];
    assert_eq!(answers.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_task_that_is_taken_away_is_refused_every_report_and_its_watchers_are_told() {
    let mut post = Post::start("trap '' TERM; echo up > up; sleep 600; sleep 600", |_| {});
    post.started();
    post.line_in("up");
    let mut lost = post.guard().watch().unwrap();
    assert_eq!(lost.wait(Some(Duration::from_millis(50))).unwrap(), None);
    post.end(Ask::Cancel);
    let ending = Reason::Ending("cancel".into());
    assert_eq!(lost.wait(Some(PATIENCE)).unwrap(), Some(ending.clone()));
    let verdict = Verdict::StandDown {
        reason: ending.clone(),
    };
    assert_eq!(post.guard().check().unwrap(), verdict);
    match post.guard().complete(None, None) {
        Err(Error::NotOwner { reason }) => assert_eq!(reason, ending),
        other => panic!("{other:?}"),
    }
    post.end(Ask::Cancel);
    post.ended();
}

#[test]
fn a_guard_in_the_tree_that_stands_down_explains_its_exit_79_even_if_it_exits_at_once() {
    for _ in 0..20 {
        let mut post = Post::start("\"$SAY\" worker stand-down; exit $?", |_| {});
        post.started();
        let reason = Some(Reason::MissingRunId);
        assert_eq!(post.ended(), exited_as(Exit::Code(79), false, reason));
    }
}

#[test]
fn a_worker_that_was_told_it_is_not_the_owner_explains_its_exit_79() {
    let script = "TENURE_RUN_ID=8 \"$SAY\" worker check; exit $?";
    let mut post = Post::start(script, |_| {});
    post.started();
    let reason = Some(Reason::RunMismatch);
    assert_eq!(post.ended(), exited_as(Exit::Code(79), false, reason));
}

#[test]
fn a_stranger_cannot_stand_down_for_the_worker() {
    let mut post = Post::start("while ! [ -e go ]; do sleep 0.01; done; exit 79", |_| {});
    post.started();
    // We are alive and outside the tree. The check after it proves that the notice was read.
    let stream = UnixStream::connect(&post.brief.socket).unwrap();
    {
        use std::io::{BufRead, BufReader, Write};
        let request = format!(
            r#"{{"v":1,"task_id":7,"run_id":9,"claim_lock":"{}","op":"check"}}"#,
            tenure().lock.expose()
        );
        writeln!(&stream, r#"{{"v":1,"stood_down":"run_mismatch"}}"#).unwrap();
        writeln!(&stream, "{request}").unwrap();
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), r#"{"v":1,"answer":"owned"}"#);
    }
    std::fs::write(post.path("go"), "").unwrap();
    assert_eq!(post.ended(), exited(Exit::Code(79)));
}

#[test]
fn a_hundred_silent_clients_do_not_keep_a_worker_from_its_answer() {
    let post = sleeper();
    let silent: Vec<UnixStream> = (0..100)
        .map(|_| UnixStream::connect(&post.brief.socket).unwrap())
        .collect();
    assert_eq!(post.guard().check().unwrap(), Verdict::Owned);
    drop(silent);
}

#[test]
fn a_client_that_goes_away_before_its_answer_leaves_the_warden_asleep() {
    let mut post = sleeper();
    {
        use std::io::Write;
        let mut stream = UnixStream::connect(&post.brief.socket).unwrap();
        let lock = tenure();
        writeln!(
            stream,
            r#"{{"v":1,"task_id":7,"run_id":9,"claim_lock":"{}","op":"heartbeat"}}"#,
            lock.lock.expose()
        )
        .unwrap();
    }
    let (id, _) = post.request();
    let before = switches(post.warden_pid());
    std::thread::sleep(Duration::from_millis(300));
    let woken = switches(post.warden_pid()) - before;
    assert!(woken < 20, "woken {woken} times");
    post.answer(id, Answer::Ok);
    post.order(&Order::End { ask: Ask::Cancel });
    post.ended();
}

/// How often a process went to sleep so far.
fn switches(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("voluntary_ctxt_switches"))
        .unwrap();
    line.split_whitespace().last().unwrap().parse().unwrap()
}
