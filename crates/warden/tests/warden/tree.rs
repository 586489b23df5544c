//! The end of a whole tree.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tenure_store::life::{Ask, Exit};

use super::post::{Post, exited, exited_as, is_alive, signal, wait_for};

#[test]
fn what_a_worker_left_behind_in_sessions_of_its_own_is_dead_before_the_end_is_said() {
    let script = "setsid sh -c 'sh -c \"echo \\$\\$ > pid.new; mv pid.new pid; exec sleep 600\" &' & \
                  while ! [ -e pid ]; do sleep 0.01; done; exit 0";
    let mut post = Post::start(script, |_| {});
    post.started();
    let end = post.ended();
    let runaway: i32 = post.line_in("pid").parse().unwrap();
    assert_eq!(end, exited(Exit::Code(0)));
    assert!(!is_alive(runaway));
}

#[test]
fn who_ignores_sigterm_gets_sigkill_after_the_grace() {
    let grace = Duration::from_millis(300);
    let mut post = Post::start(
        "trap '' TERM; echo up > up; sleep 600 & wait; wait",
        |brief| {
            brief.kill_grace = grace;
        },
    );
    let pid = post.started();
    post.line_in("up");
    let told = Instant::now();
    post.end(Ask::Shutdown);
    assert_eq!(post.ended(), exited(Exit::Signal(9)));
    assert!(told.elapsed() >= grace, "killed after {:?}", told.elapsed());
    assert!(!is_alive(pid));
    assert_eq!(post.exit_code(), Some(128 + 9));
}

#[test]
fn who_obeys_sigterm_is_not_killed() {
    let mut post = Post::start("trap 'exit 5' TERM; echo up > up; sleep 600 & wait", |_| {});
    post.started();
    post.line_in("up");
    post.end(Ask::Cancel);
    assert_eq!(post.ended(), exited(Exit::Code(5)));
}

#[test]
fn a_stopped_worker_is_told_to_end_too() {
    let mut post = Post::start("echo up > up; exec sleep 600", |_| {});
    let pid = post.started();
    post.line_in("up");
    signal(pid, Signal::STOP);
    post.end(Ask::Stop);
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
}

#[test]
fn a_second_order_to_end_does_not_wait_for_the_grace() {
    let mut post = Post::start(
        "trap '' TERM; echo up > up; sleep 600; sleep 600; sleep 600",
        |_| {},
    );
    post.started();
    post.line_in("up");
    post.end(Ask::Shutdown);
    post.end(Ask::Shutdown);
    assert_eq!(post.ended(), exited(Exit::Signal(9)));
}

#[test]
fn a_warden_that_is_killed_takes_its_worker_with_it() {
    let mut post = Post::start("echo up > up; exec sleep 600", |_| {});
    let pid = post.started();
    post.line_in("up");
    post.warden.kill().unwrap();
    wait_for("the worker's death", || (!is_alive(pid)).then_some(()));
}

#[test]
fn a_sigterm_to_the_warden_ends_the_tree_and_is_an_interruption() {
    for number in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut post = Post::start("echo up > up; exec sleep 600", |_| {});
        post.started();
        post.line_in("up");
        signal(post.warden_pid(), number);
        assert_eq!(post.ended(), exited_as(Exit::Signal(15), true, None));
    }
}

#[test]
fn a_worker_that_got_its_sigterm_a_moment_before_its_warden_was_interrupted() {
    let mut post = Post::start("echo up > up; exec sleep 600", |_| {});
    let pid = post.started();
    post.line_in("up");
    signal(pid, Signal::TERM);
    wait_for("the worker's death", || (!is_alive(pid)).then_some(()));
    signal(post.warden_pid(), Signal::TERM);
    assert_eq!(post.ended(), exited_as(Exit::Signal(15), true, None));
}

#[test]
fn a_worker_that_somebody_else_killed_crashed() {
    let mut post = Post::start("echo up > up; exec sleep 600", |_| {});
    let pid = post.started();
    post.line_in("up");
    signal(pid, Signal::TERM);
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
    // A signal without a name is a signal too.
    let mut post = Post::start("kill -s RTMIN $$; kill -34 $$", |_| {});
    post.started();
    assert_eq!(post.ended(), exited(Exit::Signal(34)));
}

#[test]
fn a_forking_tree_that_ignores_sigterm_is_ended_to_the_last() {
    let script = "trap '' TERM; echo up > up; \
                  grow() { (sleep 0.05; grow) & sleep 600; }; grow";
    let mut post = Post::start(script, |brief| {
        brief.kill_grace = Duration::from_millis(200);
    });
    post.started();
    post.line_in("up");
    let group = post.warden_pid();
    post.end(Ask::Cancel);
    assert_eq!(post.ended(), exited(Exit::Signal(9)));
    let left = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let session = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(*pid)));
            *pid != group && session.is_ok_and(|session| session.as_raw() == group)
        })
        .count();
    assert_eq!(left, 0);
}
