//! The rooms that workers get, and the logs that are kept within their limits.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tenure_store::life::{Ask, End, Exit};
use tenure_warden::gate::Brief;
use tenure_warden::isolation::Workspace;

use super::post::{PROGRAM, Post, exited, skip, wait_for};

const LIMIT: u64 = 1 << 20;

/// Git as a person uses it.
fn git(folder: &Path, words: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=P", "-c", "user.email=p@example.org"])
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(done.status.success(), "git {words:?}: {done:?}");
}

/// A repository with one commit, in the post's folder.
fn repository(brief: &mut Brief) {
    let source = brief.folder.join("source");
    fs::create_dir_all(&source).unwrap();
    git(&source, &["init", "--quiet"]);
    git(
        &source,
        &["commit", "--quiet", "--allow-empty", "-m", "first"],
    );
    brief.cwd = source;
    room(brief, Workspace::Worktree);
}

fn room(brief: &mut Brief, workspace: Workspace) {
    fs::create_dir(brief.folder.join("worker")).unwrap();
    brief.workspace = workspace;
}

/// How often a process went to sleep by itself.
fn sleeps(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_warden_whose_worker_wrote_and_is_quiet_now_does_not_wake() {
    let mut post = Post::start("echo hello; exec sleep 600", |brief| {
        brief.log_max_bytes = LIMIT;
    });
    post.started();
    wait_for("the worker's line", || {
        (post.log() == "hello\n").then_some(())
    });
    let pid = post.warden_pid();
    // First come the look at what was written, the pause, and the word that it is over. One that
    // looked by time would look within any three seconds.
    wait_for("three seconds without waking", || {
        let before = sleeps(pid);
        std::thread::sleep(Duration::from_secs(3));
        (sleeps(pid) == before).then_some(())
    });
}

#[test]
fn a_worker_that_writes_all_the_time_costs_few_looks() {
    let mut post = Post::start("while :; do echo x; done", |brief| {
        brief.log_max_bytes = 64 * LIMIT;
        brief.kill_grace = Duration::ZERO;
    });
    post.started();
    let pid = post.warden_pid();
    wait_for("the pause at its longest", || {
        let before = sleeps(pid);
        std::thread::sleep(Duration::from_millis(900));
        (sleeps(pid) <= before + 1).then_some(())
    });
    let before = sleeps(pid);
    std::thread::sleep(Duration::from_secs(3));
    let looks = sleeps(pid) - before;
    assert!(looks <= 4, "{looks} looks in three seconds");
    post.end(Ask::Stop);
    post.ended();
}

#[test]
fn a_worker_that_replaces_its_log_confuses_nobody() {
    let script = "cd $HERE; yes | head -c 4000000; mv log old; echo other > log; \
                  yes | head -c 4000000; : > /proc/self/fd/1; yes | head -c 4000000";
    let mut post = Post::start(script, |brief| brief.log_max_bytes = LIMIT);
    assert!(matches!(
        post.ended(),
        End::Exited {
            exit: Exit::Code(0),
            ..
        }
    ));
    assert_eq!(post.log(), "other\n");
    let held = fs::metadata(post.path("old")).unwrap().blocks() * 512;
    assert!(held <= LIMIT + LIMIT / 4, "{held} bytes are kept");
}

/// A filesystem of a test's own; it goes away with it.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_filesystem_that_gives_nothing_back_is_said_once_and_the_output_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "ramfs", "tenure-test"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skip("nothing can be mounted here");
    }
    let _mounted = Mounted(folder.path());
    let path = folder.path().join("log");
    let script = "i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero | tr '\\0' x; sleep 0.02; i=$((i+1)); done";
    let elsewhere = |_: &Path| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "exec \"$0\" >> \"$1\" 2>&1", PROGRAM])
            .arg(&path);
        shell
    };
    let mut post = Post::prepare_by(elsewhere, script, |brief| brief.log_max_bytes = LIMIT);
    post.go();
    assert_eq!(post.ended(), exited(Exit::Code(0)));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("log_max_bytes does not hold").count(), 1);
    assert_eq!(text.matches('x').count(), 4_000_000 + 1);
}

#[test]
fn a_worktree_is_made_before_the_command_and_gone_before_the_end_is_said() {
    let mut post = Post::start("pwd; git status --short", |brief| {
        repository(brief);
        brief.env.remove("GIT_DIR");
    });
    post.started();
    let worktree = post.path("worker/worktree");
    let end = post.ended();
    assert!(!worktree.exists());
    assert_eq!(end, exited(Exit::Code(0)));
    assert_eq!(post.log(), format!("{}\n", worktree.display()));
}

#[test]
fn git_is_not_led_astray_by_the_workers_environment() {
    let mut post = Post::start("pwd", |brief| {
        repository(brief);
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            brief.env.insert(name.into(), "/no/such/place".into());
        }
    });
    post.started();
    assert_eq!(post.ended(), exited(Exit::Code(0)));
}

#[test]
fn a_warden_whose_dispatcher_dies_while_the_room_is_made_stands_over_its_worker_all_the_same() {
    let mut post = Post::start("echo ran; exec sleep 600", repository);
    post.hang_up();
    wait_for("the worker's line", || {
        (post.log() == "ran\n").then_some(())
    });
}

#[test]
fn a_room_that_cannot_be_made_is_our_own_fault_and_said() {
    let mut post = Post::start("echo ran", |brief| brief.workspace = Workspace::Scratch);
    let End::NeverStarted { reason } = post.ended() else {
        panic!("a folder was made where there is none");
    };
    assert!(reason.contains("worker/scratch"), "{reason}");
    assert_eq!(post.log(), "");
}
