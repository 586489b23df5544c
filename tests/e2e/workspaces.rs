//! Where workers work: rooms of a run's own, and what becomes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tenure_guard::env;
use tenure_tests::home::{mode, runs};
use tenure_tests::process::Process;
use tenure_tests::{Database, Home, Said};

on_both!(
    a_scratch_folder_is_empty_is_where_everything_says_and_goes_after_a_success,
    the_scratch_folder_of_a_failure_stays_to_be_looked_at_unless_it_is_empty,
    a_worktree_begins_at_head_and_leaves_nothing_where_nothing_was_done,
    committed_work_stays_as_a_branch_and_the_worktree_goes,
    what_is_in_no_commit_or_on_no_branch_stays_and_the_log_says_where,
    what_a_filter_of_the_repository_leaves_running_is_ended_like_the_workers_own,
    a_folder_in_no_repository_and_one_without_a_commit_are_spawn_failures_that_name_it,
    a_branch_of_that_name_from_an_older_store_is_not_touched,
    a_worker_that_puts_something_else_in_the_place_of_its_room_gets_nothing_removed,
    a_task_that_is_cancelled_while_its_worktree_is_made_ends_and_never_runs,
    many_runs_at_once_get_worktrees_of_one_repository_and_leave_none,
);

/// A home whose `shell` workers work there, with a first attempt only.
fn home(on: Database, workspace: &str) -> Home {
    on.home_with(&format!(
        "[defaults]\nmax_failures = 1\n[profiles.shell]\nworkspace = '{workspace}'"
    ))
}

fn sh(home: &Home, script: &str) -> i64 {
    let words = ["add", "--json", "--", "sh", "-c", script];
    home.tenure(&words).ok().json()["id"].as_i64().unwrap()
}

/// Git as a person uses it.
fn git(home: &Home, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "user.name=A Person",
            "-c",
            "user.email=person@example.org",
        ])
        .args(words)
        .current_dir(home.work())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", tenure_tests::home::PATH);
    Said::by(&mut command).ok().out
}

/// Makes [`Home::work`] a repository with one commit.
fn repository(home: &Home) {
    git(home, &["init", "--quiet", "--initial-branch", "main"]);
    home.write("work/tracked", "first\n");
    home.write("work/.gitignore", "ignored\n");
    git(home, &["add", "."]);
    git(home, &["commit", "--quiet", "-m", "the first"]);
}

/// The folder of the newest run.
fn run_folder(shown: &Value) -> PathBuf {
    let log = runs(shown).last().unwrap()["log"].as_str().unwrap();
    Path::new(log).parent().unwrap().to_owned()
}

fn log(shown: &Value) -> String {
    fs::read_to_string(run_folder(shown).join("log")).unwrap()
}

fn branch(shown: &Value) -> String {
    let run = runs(shown).last().unwrap();
    format!("tenure/task-{}-run-{}", run["task_id"], run["run_id"])
}

fn a_scratch_folder_is_empty_is_where_everything_says_and_goes_after_a_success(on: Database) {
    let dump = Home::profile(
        "dumper",
        "workspace = 'scratch'",
        &["env", "{workspace}/../env"],
    );
    let home = on.home_with(&dump);
    let _dispatcher = home.serve();
    let task = home.add_for("dumper", &[]);
    let shown = home.until(task, "done");
    let half = run_folder(&shown).join("worker");
    let scratch = half.join("scratch");
    let seen: Value = serde_json::from_slice(&fs::read(half.join("env")).unwrap()).unwrap();
    assert_eq!(seen["env"][env::WORKSPACE].as_str(), scratch.to_str());
    assert_eq!(
        seen["env"][env::CONTEXT].as_str(),
        half.join("context.json").to_str()
    );
    assert_eq!(mode(&half), 0o700);
    assert_eq!(mode(&half.join("context.json")), 0o600);
    assert!(!scratch.exists(), "{} stayed", scratch.display());
}

fn the_scratch_folder_of_a_failure_stays_to_be_looked_at_unless_it_is_empty(on: Database) {
    let home = home(on, "scratch");
    let _dispatcher = home.serve();
    let empty = sh(&home, "ls -A; pwd; exit 1");
    let shown = home.until(empty, "blocked");
    let scratch = run_folder(&shown).join("worker/scratch");
    assert_eq!(log(&shown), format!("{}\n", scratch.display()));
    assert!(!scratch.exists());

    let failure = sh(
        &home,
        "mkdir -p deep/er; echo half-done > deep/er/result; exit 1",
    );
    let shown = home.until(failure, "blocked");
    let scratch = run_folder(&shown).join("worker/scratch");
    assert_eq!(
        fs::read_to_string(scratch.join("deep/er/result")).unwrap(),
        "half-done\n"
    );
    assert!(
        log(&shown).contains(scratch.to_str().unwrap()),
        "{}",
        log(&shown)
    );
    // Nor is exit 0 a success where a report is owed.
    let mute = home.tenure(&[
        "add",
        "--json",
        "--protocol",
        "report",
        "--violation-limit",
        "1",
        "--",
        "sh",
        "-c",
        "echo x > file",
    ]);
    let shown = home.until(mute.ok().json()["id"].as_i64().unwrap(), "blocked");
    assert!(run_folder(&shown).join("worker/scratch/file").exists());
    // A report outranks the exit here, too.
    let complete = sh(&home, "echo x > file; \"$TENURE_BIN\" complete; exit 3");
    let shown = home.until(complete, "done");
    assert!(!run_folder(&shown).join("worker/scratch").exists());
}

fn a_worktree_begins_at_head_and_leaves_nothing_where_nothing_was_done(on: Database) {
    let home = home(on, "worktree");
    repository(&home);
    // A hook would run with the warden's life in its hands.
    home.script(
        "work/.git/hooks/post-checkout",
        "#!/bin/sh\ntouch \"$HOME/hooked\"\n",
    );
    let _dispatcher = home.serve();
    let task = sh(
        &home,
        "pwd; cat tracked; git rev-parse --abbrev-ref HEAD; touch ignored",
    );
    let shown = home.until(task, "done");
    let worktree = run_folder(&shown).join("worker/worktree");
    let expected = format!("{}\nfirst\n{}\n", worktree.display(), branch(&shown));
    assert_eq!(log(&shown), expected);
    assert!(!worktree.exists());
    assert_eq!(
        git(&home, &["branch", "--format=%(refname:short)"]),
        "main\n"
    );
    assert_eq!(git(&home, &["worktree", "list"]).lines().count(), 1);
    assert!(!home.path().join("hooked").exists(), "a hook ran");
}

fn committed_work_stays_as_a_branch_and_the_worktree_goes(on: Database) {
    let home = home(on, "worktree");
    repository(&home);
    let _dispatcher = home.serve();
    let commit = "git -c user.name=W -c user.email=w@example.org commit --quiet -a -m done";
    let task = sh(&home, &format!("echo second > tracked; {commit}; exit 3"));
    let shown = home.until(task, "blocked");
    assert!(
        !run_folder(&shown).join("worker/worktree").exists(),
        "{}",
        log(&shown)
    );
    let tip = format!("{}:tracked", branch(&shown));
    assert_eq!(git(&home, &["show", &tip]), "second\n");
    assert_eq!(home.read("tracked"), "first\n");
    assert_eq!(git(&home, &["worktree", "list"]).lines().count(), 1);
}

fn what_is_in_no_commit_or_on_no_branch_stays_and_the_log_says_where(on: Database) {
    let home = home(on, "worktree");
    repository(&home);
    let _dispatcher = home.serve();
    let commit = "git -c user.name=W -c user.email=w@example.org commit --quiet -a -m done";
    for (script, file, words) in [
        (
            "echo changed > tracked".to_owned(),
            "tracked",
            "in no commit",
        ),
        (
            "echo new > untracked".to_owned(),
            "untracked",
            "in no commit",
        ),
        (
            format!("git checkout --quiet --detach; echo lost > tracked; {commit}"),
            "tracked",
            "on no branch",
        ),
        (
            "rm .git; echo mine > file".to_owned(),
            "file",
            "in no commit",
        ),
    ] {
        let task = sh(&home, &script);
        let shown = home.until(task, "done");
        let worktree = run_folder(&shown).join("worker/worktree");
        assert!(worktree.join(file).exists(), "{script}: {}", log(&shown));
        let said = log(&shown);
        assert!(
            said.contains(worktree.to_str().unwrap()),
            "{script}: {said}"
        );
        assert!(said.contains(words), "{script}: {said}");
    }
}

fn what_a_filter_of_the_repository_leaves_running_is_ended_like_the_workers_own(on: Database) {
    let home = home(on, "worktree");
    repository(&home);
    let left = home.at("left");
    let filter = format!("setsid sh -c 'echo $$ >> {left}; exec sleep 600' >/dev/null 2>&1 & cat");
    git(&home, &["config", "filter.leaving.clean", &filter]);
    home.write("work/.git/info/attributes", "tracked filter=leaving\n");
    let _dispatcher = home.serve();
    // Written anew, the file has to be compared when the worktree is cleared away.
    let task = sh(&home, "cat tracked > new && cat new > tracked && rm new");
    home.until(task, "done");
    let pids = home.until_written("left");
    for pid in pids.split_whitespace() {
        let lives = Process::now(pid.parse().unwrap()).is_some_and(Process::lives);
        assert!(!lives, "{pid} outlived its run");
    }
}

fn a_folder_in_no_repository_and_one_without_a_commit_are_spawn_failures_that_name_it(
    on: Database,
) {
    let home = home(on, "worktree");
    let _dispatcher = home.serve();
    let reason = |task: i64| {
        let shown = home.until(task, "blocked");
        let run = runs(&shown)[0].clone();
        assert_eq!(run["outcome"], "spawn_failed", "{run:#}");
        run["reason"].as_str().unwrap().to_owned()
    };
    let said = reason(sh(&home, "echo ran > ran"));
    assert!(said.contains(home.work().to_str().unwrap()), "{said}");
    assert!(said.contains("not a git repository"), "{said}");
    git(&home, &["init", "--quiet"]);
    let said = reason(sh(&home, "echo ran > ran"));
    assert!(said.contains("no commit to begin with"), "{said}");
    assert_eq!(home.read("ran"), "");
}

fn a_branch_of_that_name_from_an_older_store_is_not_touched(on: Database) {
    let home = home(on, "worktree");
    repository(&home);
    git(&home, &["branch", "tenure/task-1-run-1"]);
    let _dispatcher = home.serve();
    let task = sh(&home, "git rev-parse --abbrev-ref HEAD");
    let shown = home.until(task, "done");
    assert_eq!(log(&shown), "tenure/task-1-run-1-2\n");
    let branches = git(&home, &["branch", "--format=%(refname:short)"]);
    assert_eq!(branches, "main\ntenure/task-1-run-1\n");
}

fn a_worker_that_puts_something_else_in_the_place_of_its_room_gets_nothing_removed(on: Database) {
    let home = home(on, "scratch");
    fs::create_dir(home.path().join("precious")).unwrap();
    home.write("precious/file", "keep me\n");
    let _dispatcher = home.serve();
    let precious = home.path().join("precious").display().to_string();
    let task = sh(
        &home,
        &format!("cd ..; rmdir scratch; ln -s {precious} scratch"),
    );
    let shown = home.until(task, "done");
    assert!(home.path().join("precious/file").exists());
    assert!(log(&shown).contains("stays"), "{}", log(&shown));
}

fn a_task_that_is_cancelled_while_its_worktree_is_made_ends_and_never_runs(on: Database) {
    let home = home(on, "worktree");
    repository(&home);
    // A filter that takes longer than anybody waits: it is git's child, and ends with the tree.
    git(
        &home,
        &[
            "config",
            "filter.slow.smudge",
            "touch \"$HOME/smudging\"; sleep 3600",
        ],
    );
    home.write("work/.gitattributes", "tracked filter=slow\n");
    git(&home, &["add", ".gitattributes"]);
    git(&home, &["commit", "--quiet", "-m", "slow"]);
    let _dispatcher = home.serve();
    let task = sh(&home, "echo ran > ../ran");
    tenure_tests::wait_until("git checks out", || {
        home.path().join("smudging").exists().then_some(())
    });
    let _ = home.tenure(&["cancel", &task.to_string()]).ok();
    let shown = home.until(task, "cancelled");
    assert_eq!(runs(&shown)[0]["outcome"], "cancelled", "{shown:#}");
    assert!(runs(&shown)[0]["pid"].is_null(), "a worker started");
}

fn many_runs_at_once_get_worktrees_of_one_repository_and_leave_none(on: Database) {
    const TASKS: usize = 48;
    let home = on.home_with(
        "[dispatcher]\nslots = 12\n[defaults]\nmax_failures = 1\n[profiles.shell]\nworkspace = 'worktree'",
    );
    repository(&home);
    let tasks = "[[task]]\ncommand = ['true']\n".repeat(TASKS);
    home.write("work/batch.toml", &tasks);
    let _dispatcher = home.serve();
    let _ = home.tenure(&["run", "batch.toml"]).ok();
    let listed = home.tenure(&["list", "--all", "--json"]).ok().json();
    for task in listed.as_array().unwrap() {
        assert_eq!(task["status"], "done", "{task:#}");
    }
    let branches = git(&home, &["branch", "--format=%(refname:short)"]);
    assert_eq!(branches.trim(), "main");
    let worktrees = git(&home, &["worktree", "list", "--porcelain"]);
    assert_eq!(worktrees.matches("worktree ").count(), 1, "{worktrees}");
}
