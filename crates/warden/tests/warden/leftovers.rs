//! What a killed warden leaves behind, at every depth of sessions and double forks.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tenure_warden::clock::BootInstant;
use tenure_warden::gate::{Brief, Word};
use tenure_warden::leftovers::Leftovers;
use tenure_warden::process::{Process, ProcessId};

use super::post::{PROGRAM, Post, is_alive, signal, signal_if_there, wait_for};

/// Goes down so many levels, each in a session of its own and without a parent, and becomes the rest.
const NEST: &str = "depth=$1; shift; [ $depth = 0 ] && exec \"$@\"\n\
                    (setsid sh nest $((depth - 1)) \"$@\" &)\n";

/// Writes its pid down and sleeps, with an empty environment if so wanted.
fn sleeper(name: &str, wrapper: &str) -> String {
    format!("sh -c 'echo $$ > {name}.new; mv {name}.new {name}; exec {wrapper} sleep 600'")
}

/// A lock that no other test has: whoever shows it is ours.
fn with_own_lock(brief: &mut Brief) {
    let random = uuid::Uuid::new_v4();
    let lock = format!("{random}:{}", random.simple());
    brief.env.insert("TENURE_CLAIM_LOCK".into(), lock.clone());
    brief.tenure.lock = lock.parse().unwrap();
    std::fs::write(brief.folder.join("nest"), NEST).unwrap();
}

fn pid_in(post: &Post, name: &str) -> i32 {
    post.line_in(name).parse().unwrap()
}

/// Kills the warden of a post, and says what is known of it then.
fn killed(post: &mut Post, worker: i32) -> Leftovers {
    let warden = Process::of(post.warden_pid(), "host").unwrap().id().clone();
    post.warden.kill().unwrap();
    post.warden.wait().unwrap();
    wait_for("the worker's death", || (!is_alive(worker)).then_some(()));
    Leftovers {
        warden,
        worker: Some(worker),
        lock: post.brief.tenure.lock.clone(),
        also: Vec::new(),
    }
}

fn assert_dead(pid: i32, what: &str) {
    assert!(!is_alive(pid), "{what} lives on");
}

#[test]
fn who_shows_the_lock_is_found_at_any_depth_by_somebody_who_is_no_relative() {
    let nests: Vec<String> = (1..=4)
        .map(|depth| format!("sh nest {depth} {}", sleeper(&format!("at{depth}"), "")))
        .collect();
    let script = format!("{}; exec sleep 600", nests.join("; "));
    let mut post = Post::start(&script, with_own_lock);
    let worker = post.started();
    let nested: Vec<i32> = (1..=4)
        .map(|depth| pid_in(&post, &format!("at{depth}")))
        .collect();
    let leftovers = killed(&mut post, worker);
    assert!(nested.iter().all(|pid| is_alive(*pid)));
    leftovers.end();
    for pid in nested {
        assert_dead(pid, "one of the nested");
    }
}

#[test]
fn children_of_who_shows_the_lock_are_found_without_it() {
    let child = sleeper("child", "env -i setsid");
    let mother = "sh -c \"$CHILD & echo $$ > mother; wait\"";
    let mut post = Post::start(&format!("sh nest 2 {mother}; exec sleep 600"), |brief| {
        with_own_lock(brief);
        brief.env.insert("CHILD".into(), child);
    });
    let worker = post.started();
    let _ = pid_in(&post, "mother");
    let child = pid_in(&post, "child");
    let leftovers = killed(&mut post, worker);
    leftovers.end();
    assert_dead(child, "the child");
}

#[test]
fn who_hides_in_the_session_is_found_where_the_workers_group_agrees_and_else_left_alone() {
    let hidden = sleeper("hidden", "env -i");
    let dressed = sleeper("dressed", "env -i OTHER=1");
    let script = format!("({hidden} &); ({dressed} &); exec sleep 600");
    let mut post = Post::start(&script, with_own_lock);
    let worker = post.started();
    let (hidden, dressed) = (pid_in(&post, "hidden"), pid_in(&post, "dressed"));
    wait_for("an empty environment", || {
        let environ = std::fs::read(format!("/proc/{hidden}/environ")).unwrap();
        environ.is_empty().then_some(())
    });
    wait_for("another environment", || {
        let environ = std::fs::read(format!("/proc/{dressed}/environ")).unwrap();
        (environ == b"OTHER=1\0").then_some(())
    });
    let mut leftovers = killed(&mut post, worker);
    leftovers.worker = None;
    leftovers.end();
    assert!(is_alive(hidden), "it could have been a stranger");
    // One that is known is proof for the whole session.
    leftovers.worker = Some(worker);
    leftovers.end();
    assert_dead(hidden, "the hidden one");
    assert_dead(dressed, "the one beside it");
}

#[test]
fn who_lost_everything_comes_to_the_wardens_parent_and_is_found_there() {
    for depth in 1..=4 {
        let random = uuid::Uuid::new_v4();
        let lock = format!("{random}:{}", random.simple());
        let stand_in = |folder: &std::path::Path| {
            let mut command = Command::new(PROGRAM);
            command.arg("stand-in").arg(folder).arg(&lock);
            command
        };
        let deepest = sleeper("deepest", "env -i");
        let beside = sleeper("beside", "env -i");
        let script = format!("sh nest {depth} {deepest}; ({beside} &); exec sleep 600");
        let mut post = Post::prepare_by(stand_in, &script, |brief| {
            with_own_lock(brief);
            brief.tenure.lock = lock.parse().unwrap();
            brief.env.insert("TENURE_CLAIM_LOCK".into(), lock.clone());
        });
        post.say(&Word::Go {
            lease_end: BootInstant::now() + post.brief.lease,
            deadline: None,
        });
        let worker = post.started();
        let deepest = pid_in(&post, "deepest");
        let beside = pid_in(&post, "beside");
        signal(pid_in(&post, "warden"), Signal::KILL);
        wait_for("the burial", || post.path("buried").exists().then_some(()));
        assert_dead(worker, "the worker");
        assert_dead(deepest, "the deepest");
        assert_dead(beside, "the one in the session");
    }
}

#[test]
fn a_tree_that_goes_on_forking_is_ended_to_the_last() {
    let script = "echo up > up; grow() { (sleep 0.02; grow) & sleep 600; }; grow";
    let mut post = Post::start(script, with_own_lock);
    let worker = post.started();
    post.line_in("up");
    std::thread::sleep(Duration::from_millis(300));
    let leftovers = killed(&mut post, worker);
    let wanted = format!("TENURE_CLAIM_LOCK={}", leftovers.lock.expose());
    leftovers.end();
    let shows_it = |pid: &i32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ
            .split(|byte| *byte == 0)
            .any(|one| one == wanted.as_bytes())
    };
    let left = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok())
        .filter(shows_it)
        .count();
    assert_eq!(left, 0);
}

#[test]
fn the_session_of_a_stranger_that_got_the_wardens_number_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let hidden = sleeper("hidden", "env -i");
    let mut leader = Command::new("setsid")
        .args(["sh", "-c", &format!("({hidden} &); exec sleep 600")])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .spawn()
        .unwrap();
    let number = i32::try_from(leader.id()).unwrap();
    let hidden: i32 = wait_for("a member", || {
        let text = std::fs::read_to_string(folder.path().join("hidden")).ok()?;
        text.trim().parse().ok()
    });
    wait_for("an empty environment", || {
        let environ = std::fs::read(format!("/proc/{hidden}/environ")).unwrap();
        environ.is_empty().then_some(())
    });
    // The warden had the number before, and perhaps in the same tick.
    let stranger = Process::of(number, "host").unwrap().id().clone();
    let random = uuid::Uuid::new_v4();
    let mut leftovers = Leftovers {
        warden: ProcessId {
            inode: stranger.inode - 1,
            ..stranger
        },
        worker: Some(number),
        lock: format!("{random}:{}", random.simple()).parse().unwrap(),
        also: Vec::new(),
    };
    leftovers.end();
    assert!(is_alive(number) && is_alive(hidden));
    // Also once its leader is gone, as a daemon's is.
    leader.kill().unwrap();
    leader.wait().unwrap();
    leftovers.worker = None;
    leftovers.end();
    assert!(is_alive(hidden));
    signal(hidden, Signal::KILL);
}

/// A tree that forks on while it is searched, without lock or session.
const GROW: &str = "grow() { (sleep 0.005; grow) & sleep 600; }; grow";

#[test]
fn what_is_forked_while_the_search_goes_on_does_not_escape() {
    let marker = format!("600.{}", uuid::Uuid::new_v4().as_u64_pair().0);
    let rest = GROW.replace("600", &marker);
    let script = format!(
        "for i in 1 2 3 4; do env -i setsid sh -c '{rest}' {marker} & done; echo up > up; wait"
    );
    let mother = "setsid sh mother & exec sleep 600";
    let mut post = Post::start(mother, |brief| {
        with_own_lock(brief);
        std::fs::write(brief.folder.join("mother"), script).unwrap();
    });
    let worker = post.started();
    post.line_in("up");
    let who_shows_it = || {
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                let argv = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
                argv.is_ok_and(|argv| argv.contains(&marker)) && is_alive(*pid)
            })
            .collect::<Vec<i32>>()
    };
    wait_for("some growth", || (who_shows_it().len() > 20).then_some(()));
    killed(&mut post, worker).end();
    let left = who_shows_it();
    wait_for("nothing to be left of the test", || {
        let now = who_shows_it();
        for pid in &now {
            signal_if_there(*pid, Signal::KILL);
        }
        now.is_empty().then_some(())
    });
    assert_eq!(left, Vec::<i32>::new());
}
