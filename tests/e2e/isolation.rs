//! What a profile asks of the kernel for its workers, from the configuration to the worker.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use tenure_tests::Home;
use tenure_tests::home::{outcomes, runs};
use tenure_tests::process::{Process, Signal};
use tenure_tests::{Database, skip, wait_until};
use tenure_warden::cgroup::{self, Keeper};

on_both!(
    what_a_profile_says_is_what_its_worker_has,
    a_dispatcher_takes_all_the_descriptors_it_may_have_and_its_workers_keep_the_usual_number,
    a_profile_that_asks_for_no_user_of_this_host_fails_by_its_own_fault,
    a_worker_of_another_user_is_at_home_there_and_reaches_its_context_and_its_warden,
    a_worker_that_runs_out_of_memory_crashed_and_its_reason_says_so,
    a_killed_wardens_run_leaves_no_cgroup_and_is_proved_dead,
    a_core_that_the_kernel_dumped_is_told_of_with_where_it_is,
);

/// A profile for a shell script, with more keys.
fn profile(keys: &str, script: &str) -> String {
    let command = toml::Value::from(["sh", "-c", script].to_vec());
    format!("[profiles.confined]\ncommand = {command}\nmax_failures = 1\n{keys}\n")
}

/// The cgroup of the one open run, where it has one.
fn cgroup_of(home: &Home) -> Option<PathBuf> {
    let note = std::fs::read_dir(home.state().join("stores")).ok()?;
    let stores = note.flatten().map(|entry| entry.path().join("runs"));
    let folders = stores.flat_map(|runs| std::fs::read_dir(runs).into_iter().flatten().flatten());
    let notes = folders.filter_map(|run| std::fs::read(run.path().join("cgroup.json")).ok());
    let note: serde_json::Value = serde_json::from_slice(&notes.last()?).ok()?;
    note["tree"].as_str().map(PathBuf::from)
}

fn what_a_profile_says_is_what_its_worker_has(on: Database) {
    let keys = "umask = '0027'\nnice = 5\nno_new_privs = true\n\
                rlimits = { nofile = 99, core = 0 }";
    let script = "(umask; nice; ulimit -n; ulimit -c; grep NoNewPrivs /proc/self/status; \
                  cat /proc/self/oom_score_adj) > said";
    let home = on.home_with(&profile(keys, script));
    let _dispatcher = home.serve();
    home.until(home.add_for("confined", &[]), "done");
    assert_eq!(home.read("said"), "0027\n5\n99\n0\nNoNewPrivs:\t1\n0\n");
}

fn a_dispatcher_takes_all_the_descriptors_it_may_have_and_its_workers_keep_the_usual_number(
    on: Database,
) {
    let mut home = on.home_with(&profile("", "ulimit -Sn > said; ulimit -Hn >> said"));
    home.after("ulimit -Sn 300; ulimit -Hn 600");
    let dispatcher = home.serve();
    let limits = || limits_of(dispatcher.process().pid);
    assert_eq!(limits(), ["600", "600"]);
    home.until(home.add_for("confined", &[]), "done");
    assert_eq!(home.read("said"), "300\n600\n");
    // What it executes in its own place raises its limit from where it was.
    dispatcher.signal(Signal::USR2);
    wait_until("another program is there", || {
        (dispatcher.log().matches("dispatcher ready").count() == 2).then_some(())
    });
    home.until(home.add_for("confined", &[]), "done");
    assert_eq!(home.read("said"), "300\n600\n");
    assert_eq!(limits(), ["600", "600"]);
}

/// How many files a process may have open: the soft limit and the hard one.
fn limits_of(pid: i32) -> [String; 2] {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    [words.next().unwrap(), words.next().unwrap()]
}

fn a_profile_that_asks_for_no_user_of_this_host_fails_by_its_own_fault(on: Database) {
    let home = on.home_with(&profile("user = 'no-such-user'", "echo ran > ran"));
    let _dispatcher = home.serve();
    let shown = home.until(home.add_for("confined", &[]), "blocked");
    assert_eq!(outcomes(&shown), ["spawn_failed"]);
    let reason = runs(&shown)[0]["reason"].as_str().unwrap();
    assert!(reason.contains("as user no-such-user"), "{reason}");
}

fn a_worker_of_another_user_is_at_home_there_and_reaches_its_context_and_its_warden(on: Database) {
    if !nix::unistd::Uid::effective().is_root() {
        return skip("only root can become another user");
    }
    let script = "(id -un; echo $HOME $USER $LOGNAME) > said; \
                  test -r $TENURE_CONTEXT && test -w $TENURE_SOCKET";
    let home = on.home_with(&profile(
        "user = 'nobody'\nenv = { LOGNAME = 'own' }",
        script,
    ));
    // The way to where it works is open to it.
    let _dispatcher = home.serve();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let above = home.state();
    let above = above
        .ancestors()
        .take_while(|path| path.starts_with(home.path()));
    above.for_each(|path| open(path, 0o711));
    open(&home.work(), 0o777);
    let shown = home.until(home.add_for("confined", &[]), "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(home.read("said"), "nobody\n/nonexistent nobody own\n");
}

fn a_worker_that_runs_out_of_memory_crashed_and_its_reason_says_so(on: Database) {
    if cgroup::look().cgroups.memory == Keeper::Rlimit {
        return skip("no cgroup here has the memory controller");
    }
    let home = on.home_with(&profile("memory_max = '32MiB'", "exec tail /dev/zero"));
    let _dispatcher = home.serve();
    let shown = home.until(home.add_for("confined", &[]), "blocked");
    assert_eq!(outcomes(&shown), ["crashed"]);
    let reason = runs(&shown)[0]["reason"].as_str().unwrap();
    assert!(reason.ends_with("(out of memory)"), "{reason}");
}

fn a_killed_wardens_run_leaves_no_cgroup_and_is_proved_dead(on: Database) {
    if let Some(lack) = cgroup::look().lack {
        return skip(&lack.to_string());
    }
    let hidden = "setsid env -i sh -c 'echo $$ > hidden; exec sleep 600' & \
                  while ! [ -s hidden ]; do sleep 0.01; done; echo up > up; exec sleep 600";
    let home = on.home_with(&format!("{}max_lost = 1\n", profile("", hidden)));
    let _dispatcher = home.serve();
    let task = home.add_for("confined", &[]);
    home.until_written("up");
    let folder = cgroup_of(&home).unwrap();
    assert!(folder.is_dir());
    let hidden = Process::now(home.read("hidden").trim().parse().unwrap()).unwrap();
    let warden = wait_until("the warden is known", || {
        let pid = runs(&home.show(task))[0]["warden_pid"].as_i64()?;
        Process::now(i32::try_from(pid).ok()?)
    });
    warden.signal(Signal::KILL);
    let shown = home.until(task, "blocked");
    assert_eq!(outcomes(&shown), ["lost"]);
    assert!(!hidden.lives());
    assert!(!Path::new(&folder).exists());
    assert!(
        !shown.to_string().contains("tree_unverified\":true"),
        "{shown:#}"
    );
}

/// Where the kernel puts cores, where that is a file in the folder of whoever dies.
fn plain_core_pattern() -> Option<String> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let pattern = pattern.trim_end().to_owned();
    let (_, most) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    let is_plain =
        !pattern.is_empty() && !pattern.starts_with(['|', '@']) && !pattern.contains('/');
    if is_plain && most > 0 {
        return Some(pattern);
    }
    skip(&format!(
        "cores: the kernel puts them by the pattern {pattern:?} and at most {most} bytes, so no worker leaves one in its folder"
    ));
    None
}

fn a_core_that_the_kernel_dumped_is_told_of_with_where_it_is(on: Database) {
    let Some(pattern) = plain_core_pattern() else {
        return;
    };
    let of = |name: &str, core: &str| {
        let profile = profile(&format!("rlimits = {{ core = {core} }}"), "kill -ABRT $$");
        profile.replace("confined", name)
    };
    let home = on.home_with(&format!("{}{}", of("with", "'1MiB'"), of("without", "0")));
    let _dispatcher = home.serve();
    let ended = |profile: &str| {
        let task = home.add_for(profile, &[]);
        (task, home.until(task, "blocked"))
    };

    let (task, shown) = ended("with");
    let run = &runs(&shown)[0];
    assert_eq!(run["exit"], serde_json::json!({ "signal": 6 }));
    assert_eq!(run["core"], serde_json::json!({ "pattern": pattern }));
    let core = std::fs::read_dir(home.work()).unwrap().flatten().next();
    let core = core.expect("the worker's folder holds its core");
    assert!(core.metadata().unwrap().len() > 0, "{core:?}");
    let task = task.to_string();
    let said = home.tenure(&["explain", &task]).ok().out;
    let words = format!("dumped its core: it is a file by the pattern {pattern}");
    assert!(said.contains(&words), "{said}");
    let said = home.tenure(&["runs", &task]).ok().out;
    assert!(said.contains("signal 6 (core dumped)"), "{said}");

    std::fs::remove_file(core.path()).unwrap();
    let (_, shown) = ended("without");
    assert_eq!(runs(&shown)[0]["core"], serde_json::Value::Null);
    assert!(std::fs::read_dir(home.work()).unwrap().next().is_none());
}
