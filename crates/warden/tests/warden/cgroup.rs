//! The cgroup of a run: what it holds, what it limits, what is left of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tenure_store::life::{Ask, End, Exit};
use tenure_warden::cgroup::{self, Cgroup, Cgroups, Keeper};
use tenure_warden::gate::Brief;

use super::post::{Post, exited, is_alive, skip};

/// A run's cgroup, removed whatever becomes of the test.
struct Cleaned(PathBuf);

impl Drop for Cleaned {
    fn drop(&mut self) {
        if let Some(cgroup) = Cgroup::left_in(&self.0) {
            cgroup.end();
        }
    }
}

/// Where this machine lets us make cgroups; says so where it does not.
fn cgroups() -> Option<Cgroups> {
    let survey = cgroup::open();
    if let Some(lack) = survey.lack {
        skip(&format!("no cgroups here: {lack}"));
        return None;
    }
    Some(survey.cgroups)
}

/// A worker in a cgroup of its own.
fn start(cgroups: &Cgroups, script: &str, change: impl FnOnce(&mut Brief)) -> (Post, Cleaned) {
    let post = Post::start(script, |brief| {
        brief.cgroups = cgroups.clone();
        // Tests run beside each other, and all of them stand for one run.
        let secret = uuid::Uuid::new_v4().simple().to_string();
        let lock = format!("0191e6a0-0000-7000-8000-000000000001:{secret}");
        brief.tenure.lock = lock.parse().unwrap();
        brief.env.insert("TENURE_CLAIM_LOCK".into(), lock);
        brief.kill_grace = Duration::from_millis(200);
        change(brief);
    });
    let cleaned = Cleaned(post.brief.folder.clone());
    (post, cleaned)
}

/// The folder that holds the tree of a run.
fn folder(cgroups: &Cgroups, post: &Post) -> PathBuf {
    let tenure = &post.brief.tenure;
    let name = format!("run-{}-{}", tenure.run, tenure.lock.short());
    cgroups.tree.as_deref().unwrap().join(name)
}

fn has(folder: &Path, pid: i32) -> bool {
    let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap();
    members.lines().any(|line| line == pid.to_string())
}

#[test]
fn the_worker_is_in_its_cgroup_before_its_command_the_warden_is_not_and_nothing_of_it_is_left() {
    let Some(cgroups) = cgroups() else { return };
    let script = "cat /proc/self/cgroup > cgroup; echo up > up; exec sleep 600";
    let (mut post, _cleaned) = start(&cgroups, script, |_| {});
    let pid = post.started();
    post.line_in("up");
    let folder = folder(&cgroups, &post);
    let name = folder.file_name().unwrap().to_str().unwrap();
    let seen = fs::read_to_string(post.path("cgroup")).unwrap();
    assert!(
        seen.lines().any(|line| line.ends_with(&format!("/{name}"))),
        "{seen}"
    );
    assert!(has(&folder, pid));
    assert!(!has(&folder, post.warden_pid()));
    post.end(Ask::Cancel);
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
    assert!(!folder.exists());
    assert!(Cgroup::left_in(&post.brief.folder).is_none());
}

#[test]
fn a_command_that_cannot_be_executed_leaves_no_cgroup() {
    let Some(cgroups) = cgroups() else { return };
    let (mut post, _cleaned) = start(&cgroups, "", |brief| {
        brief.argv = vec!["no-such-command".into()];
    });
    post.ended();
    post.exit_code();
    assert!(!folder(&cgroups, &post).exists());
}

/// Somebody from outside whom somebody moved into the run's cgroup.
struct Guest(Child);

impl Guest {
    fn enter(folder: &Path) -> Self {
        let mut sleep = Command::new("sleep");
        let guest = Self(sleep.arg("600").stdin(Stdio::null()).spawn().unwrap());
        fs::write(folder.join("cgroup.procs"), guest.0.id().to_string()).unwrap();
        guest
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_is_in_the_cgroup_belongs_to_the_tree_and_the_end_waits_for_it() {
    let Some(cgroups) = cgroups() else { return };
    let script = "echo up > up; while ! [ -e go ]; do sleep 0.01; done";
    let (mut post, _cleaned) = start(&cgroups, script, |_| {});
    post.started();
    post.line_in("up");
    let guest = Guest::enter(&folder(&cgroups, &post));
    fs::write(post.path("go"), "").unwrap();
    assert_eq!(post.ended(), exited(Exit::Code(0)));
    let pid = i32::try_from(guest.0.id()).unwrap();
    assert!(!is_alive(pid), "the end was said before the guest's");
}

#[test]
fn a_killed_wardens_cgroup_proves_the_death_of_what_hides_from_every_other_search() {
    let Some(cgroups) = cgroups() else { return };
    // Its own session, no environment, no parent, and SIGKILL at the warden's death only for the
    // first.
    let hidden = "echo \\$\\$ > pid.new; mv pid.new pid; exec sleep 600";
    let script = format!(
        "setsid env -i PATH=$PATH sh -c \"{hidden}\" & while ! [ -e pid ]; do sleep 0.01; done; \
         echo up > up; exec sleep 600"
    );
    let (mut post, _cleaned) = start(&cgroups, &script, |_| {});
    post.started();
    post.line_in("up");
    let hidden: i32 = post.line_in("pid").parse().unwrap();
    let folder = folder(&cgroups, &post);
    // Cgroups within, as a worker that is a manager itself makes them.
    let _ = fs::create_dir(folder.join("inner"));
    post.warden.kill().unwrap();
    post.warden.wait().unwrap();
    assert!(is_alive(hidden));
    let left = Cgroup::left_in(&post.brief.folder).unwrap();
    assert!(left.end(), "the tree was not proved dead");
    assert!(!is_alive(hidden));
    assert!(!folder.exists());
    assert!(!left.end(), "a cgroup that is gone proves nothing");
}

#[test]
fn a_memory_hog_is_killed_at_its_limit_and_the_kernel_says_why() {
    let Some(cgroups) = cgroups() else { return };
    if cgroups.memory == Keeper::Rlimit {
        return skip("no cgroup here has the memory controller");
    }
    // What `tail` reads without an end of line it keeps.
    let (mut post, _cleaned) = start(&cgroups, "exec tail /dev/zero", |brief| {
        brief.isolation.memory_max = Some(32 << 20);
    });
    let End::Exited { exit, oom, .. } = post.ended() else {
        panic!("the hog did not start");
    };
    assert_eq!((exit, oom), (Exit::Signal(9), true));
    assert!(Cgroup::left_in(&post.brief.folder).is_none());
    // Who is killed otherwise did not run out of memory.
    let (mut post, _cleaned) = start(&cgroups, "kill -9 $$", |brief| {
        brief.isolation.memory_max = Some(32 << 20);
    });
    assert_eq!(post.ended(), exited(Exit::Signal(9)));
}

#[test]
fn a_fork_bomb_stays_under_its_limit_and_is_ended_to_the_last() {
    let Some(cgroups) = cgroups() else { return };
    if cgroups.pids == Keeper::Rlimit {
        return skip("no cgroup here has the pids controller");
    }
    let count = "trap 'echo $n > n' EXIT; n=0; while sleep 600 & do n=$((n+1)); done";
    let (mut post, _cleaned) = start(&cgroups, count, |brief| {
        brief.isolation.pids_max = Some(16);
    });
    post.ended();
    assert_eq!(post.line_in("n"), "15", "{}", post.log());

    let bomb = "trap '' TERM; echo up > up; bomb() { bomb | bomb & }; \
                while sleep 0.01; do bomb; done 2> /dev/null";
    let (mut post, _cleaned) = start(&cgroups, bomb, |brief| {
        brief.isolation.pids_max = Some(16);
    });
    let pid = post.started();
    post.line_in("up");
    post.end(Ask::Cancel);
    post.ended();
    assert!(!is_alive(pid));
    assert!(Cgroup::left_in(&post.brief.folder).is_none());
    let session = post.warden_pid();
    let left = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: i32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let leader = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid)));
        (pid != session && leader.is_ok_and(|leader| leader.as_raw() == session)).then_some(pid)
    });
    assert_eq!(left.collect::<Vec<_>>(), [0; 0]);
}
