//! What a worker's process is when its command begins: what its profile asks for, and nothing that
//! the warden was born with.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use nix::unistd::{Uid, User};
use tenure_store::life::{Ask, End, Exit};
use tenure_warden::gate::Brief;

use super::post::{Post, exited, is_alive, skip, wait_for};

/// What `/proc/self` says of a worker that execs this; the environment comes last.
const CONFESSION: &str = "umask; nice; cat /proc/self/oom_score_adj; \
    cat /proc/self/status /proc/self/limits; ls /proc/self/fd";

/// Protected from the OOM killer, where that may be; else the other way round.
const SCORED: &str = "{ echo -500 > /proc/self/oom_score_adj || \
    echo 300 > /proc/self/oom_score_adj; } 2> /dev/null;";

/// The user whom tests become: it owns nothing.
fn nobody() -> User {
    User::from_name("nobody").unwrap().unwrap()
}

/// Whether we can become others; says so where not.
fn we_are_root() -> bool {
    let are = Uid::effective().is_root();
    if !are {
        skip("only root can become another user");
    }
    are
}

/// The run's folder as the dispatcher makes it: others may pass.
fn open_folder(brief: &Brief) {
    fs::set_permissions(&brief.folder, Permissions::from_mode(0o711)).unwrap();
}

fn lines(post: &Post) -> Vec<String> {
    post.log().lines().map(str::to_owned).collect()
}

/// What follows a word at the beginning of a line, its columns apart.
#[track_caller]
fn after(lines: &[String], word: &str) -> Vec<String> {
    let line = lines.iter().find_map(|line| line.strip_prefix(word));
    let line = line.unwrap_or_else(|| panic!("no {word:?} in {lines:#?}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn nothing_is_inherited_but_what_is_meant() {
    let born = format!(
        "umask 077; {SCORED} trap '' PIPE HUP USR1; exec 7</etc/passwd 9</etc/passwd; \
         export SECRET=x; exec"
    );
    let mut post = Post::under(&born, CONFESSION, |_| {});
    assert_eq!(post.ended(), exited(Exit::Code(0)));
    let lines = lines(&post);
    assert_eq!(lines[0], "0022", "{lines:#?}");
    let nice = rustix::process::getpriority_process(None).unwrap();
    assert_eq!(lines[1], nice.to_string(), "{lines:#?}");
    assert_eq!(lines[2], "0", "{lines:#?}");
    for set in ["SigBlk:", "SigCgt:", "CapAmb:"] {
        assert_eq!(after(&lines, set), ["0000000000000000"], "{set} {lines:#?}");
    }
    // 32 and 33 belong to the C library, which lets nobody set them back.
    let ignored = u64::from_str_radix(&after(&lines, "SigIgn:")[0], 16).unwrap();
    assert_eq!(ignored & !(0b11 << 31), 0, "{lines:#?}");
    assert_eq!(after(&lines, "NoNewPrivs:"), ["0"]);
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    for limit in limits.lines() {
        assert!(lines.contains(&limit.to_owned()), "{limit}\n{lines:#?}");
    }
    // The fourth is that of `ls` on the folder it lists.
    assert_eq!(lines[lines.len() - 4..], ["0", "1", "2", "3"], "{lines:#?}");
}

#[test]
fn what_a_profile_asks_of_the_kernel_is_so_when_the_command_begins() {
    let mut post = Post::start(CONFESSION, |brief| {
        brief.isolation.umask = Some(0o027);
        brief.isolation.nice = Some(7);
        brief.isolation.no_new_privs = true;
        brief.isolation.rlimits = [("nofile", 64), ("core", 0), ("cpu", 3600)]
            .map(|(name, limit)| (name.to_owned(), Some(limit)))
            .into();
    });
    assert_eq!(post.ended(), exited(Exit::Code(0)));
    let lines = lines(&post);
    assert_eq!(lines[..2], ["0027", "7"], "{lines:#?}");
    assert_eq!(after(&lines, "NoNewPrivs:"), ["1"]);
    assert_eq!(after(&lines, "Max open files"), ["64", "64", "files"]);
    assert_eq!(after(&lines, "Max core file size"), ["0", "0", "bytes"]);
    // The signal that says why comes before the one that cannot.
    assert_eq!(after(&lines, "Max cpu time"), ["3600", "3601", "seconds"]);
}

#[test]
fn without_a_cgroup_memory_and_pids_are_limits_of_a_process_and_of_a_user_unless_named_themselves()
{
    let limits = |rlimits: BTreeMap<String, Option<u64>>| {
        let mut post = Post::start(CONFESSION, |brief| {
            brief.isolation.memory_max = Some(1 << 30);
            brief.isolation.pids_max = Some(900);
            brief.isolation.rlimits = rlimits;
        });
        assert_eq!(post.ended(), exited(Exit::Code(0)));
        let lines = lines(&post);
        let soft = |name| after(&lines, name)[0].clone();
        (soft("Max address space"), soft("Max processes"))
    };
    assert_eq!(limits(BTreeMap::new()), ("1073741824".into(), "900".into()));
    let named = BTreeMap::from([("nproc".to_owned(), Some(800))]);
    assert_eq!(limits(named), ("1073741824".into(), "800".into()));
}

#[test]
fn a_worker_of_another_user_is_that_user_alone_and_can_talk_to_its_warden() {
    if !we_are_root() {
        return;
    }
    let script = format!("{CONFESSION}; stat -c '%U %a' $TENURE_SOCKET; test -w $TENURE_SOCKET");
    let mut post = Post::start(&script, |brief| {
        brief.isolation.user = Some("nobody".into());
        open_folder(brief);
    });
    assert_eq!(post.ended(), exited(Exit::Code(0)));
    let lines = lines(&post);
    let user = nobody();
    let uid = user.uid.to_string();
    assert_eq!(after(&lines, "Uid:"), vec![uid; 4], "{lines:#?}");
    assert_eq!(after(&lines, "Groups:"), [user.gid.to_string()]);
    assert_eq!(lines.last().unwrap(), "nobody 600", "{lines:#?}");
}

#[test]
fn a_worker_of_another_user_dies_with_its_warden_and_is_ended_by_it() {
    if !we_are_root() {
        return;
    }
    let start = || {
        let mut post = Post::start("echo up; exec sleep 600", |brief| {
            brief.isolation.user = Some("nobody".into());
            open_folder(brief);
        });
        let pid = post.started();
        wait_for("the worker's word", || {
            post.log().contains("up").then_some(())
        });
        let owner = fs::metadata(format!("/proc/{pid}")).unwrap().uid();
        assert_eq!(owner, nobody().uid.as_raw());
        (post, pid)
    };
    let (mut post, pid) = start();
    post.warden.kill().unwrap();
    wait_for("the worker's death", || (!is_alive(pid)).then_some(()));
    let (mut post, _) = start();
    post.end(Ask::Cancel);
    assert_eq!(post.ended(), exited(Exit::Signal(15)));
}

/// How the start failed, with a profile that asks for what cannot be had.
fn refused(born: &str, change: impl FnOnce(&mut Brief)) -> (String, i32) {
    let mut post = Post::under(born, "echo ran > ran", change);
    let End::SpawnFailed { path, errno, .. } = post.ended() else {
        panic!("the worker was started: {}", post.log());
    };
    assert!(!post.path("ran").exists());
    (path, errno)
}

#[test]
fn what_cannot_be_had_is_the_profiles_fault_and_named() {
    let as_nobody = |brief: &mut Brief| brief.isolation.user = Some("no-such-user".into());
    assert_eq!(
        refused("exec", as_nobody),
        ("as user no-such-user".into(), 2)
    );
    let unknown = |brief: &mut Brief| {
        brief.isolation.rlimits = BTreeMap::from([("files".to_owned(), None)]);
    };
    assert_eq!(refused("exec", unknown), ("with rlimits.files".into(), 22));
    if !we_are_root() {
        return;
    }
    // A folder that is closed to that user.
    let closed = refused("exec", |brief| {
        brief.cwd = brief.folder.join("closed");
        fs::create_dir(&brief.cwd).unwrap();
        fs::set_permissions(&brief.cwd, Permissions::from_mode(0o700)).unwrap();
        brief.isolation.user = Some("nobody".into());
    });
    assert!(closed.0.starts_with("in /"), "{closed:?}");
    assert_eq!(closed.1, 13);
    let unprivileged = "ulimit -n 64; exec setpriv --reuid 65534 --regid 65534 --clear-groups";
    let had = |path: &str, change: &dyn Fn(&mut Brief)| {
        let (said, errno) = refused(unprivileged, |brief| {
            give_away(&brief.folder);
            change(brief);
        });
        assert_eq!(said, path);
        assert!([1, 13].contains(&errno), "errno {errno}");
    };
    had("as user root", &|brief| {
        brief.isolation.user = Some("root".into());
    });
    had("with nice = -5", &|brief| brief.isolation.nice = Some(-5));
    had("with rlimits.nofile = 65", &|brief| {
        brief.isolation.rlimits = BTreeMap::from([("nofile".to_owned(), Some(65))]);
    });
    had("with rlimits.nofile = \"unlimited\"", &|brief| {
        brief.isolation.rlimits = BTreeMap::from([("nofile".to_owned(), None)]);
    });
}

#[test]
fn a_daemon_without_privileges_puts_the_oom_score_back_too() {
    if !we_are_root() {
        return;
    }
    let born = format!("{SCORED} exec setpriv --reuid 65534 --regid 65534 --clear-groups");
    let script = "cat /proc/self/oom_score_adj /proc/$PPID/oom_score_adj; id -u";
    let mut post = Post::under(&born, script, |brief| {
        give_away(&brief.folder);
        // It is that user already.
        brief.isolation.user = Some("nobody".into());
    });
    assert_eq!(post.ended(), exited(Exit::Code(0)));
    let lines = lines(&post);
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("0", "65534"));
    assert_ne!(lines[1], "0", "the warden had a score as the worker's");
}

/// Gives the run's folder to the user whom the warden is started as.
fn give_away(folder: &Path) {
    let user = nobody();
    chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    let log = folder.join("log");
    chown(&log, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
}
