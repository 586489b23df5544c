//! `tenure run FILE`: a batch of its own, a dispatcher of its own, and a summary that says why.

use std::process::Stdio;

use tenure_tests::home::outcomes;
use tenure_tests::process::{Process, Signal};
use tenure_tests::slot::Slot;
use tenure_tests::{Database, Home, Said, program, wait_until};

on_both!(
    the_tour_ends_done_twice_and_leaves_its_scratch_folder_to_nobody,
    a_summary_says_for_each_task_that_is_not_done_why_and_what_it_wrote_last,
    mischief_ends_in_every_way_that_a_task_file_can_provoke_and_the_summary_names_each,
    only_the_files_own_tasks_are_dispatched,
    where_a_dispatcher_serves_the_store_the_file_is_only_submitted_and_followed,
    a_relative_folder_counts_from_the_file,
    the_second_ctrl_c_ends_the_runs_and_leaves_their_tasks_ready,
    a_batch_whose_run_was_killed_goes_on_when_the_same_tasks_are_run_again,
    a_pause_of_the_profile_or_the_store_ends_the_batch_and_is_named,
    a_batch_that_waits_for_a_task_which_nobody_runs_ends_and_names_it,
    a_batch_that_waits_for_a_person_far_outside_of_it_ends_under_another_dispatcher_too,
);

fn the_tour_ends_done_twice_and_leaves_its_scratch_folder_to_nobody(on: Database) {
    let home = on.home();
    let _slot = Slot::take();
    let tour = program::workspace().join("config/examples/tour.toml");
    for round in 1..=2 {
        let _ = home.tenure(&["run", tour.to_str().unwrap()]).ok();
        let listed = home.tenure(&["list", "--all", "--json"]).ok().json();
        let tasks = listed.as_array().unwrap();
        assert_eq!(tasks.len(), 14 * round);
        for task in tasks {
            assert_eq!(task["status"], "done", "{task:#}");
        }
    }
    let left = std::fs::read_dir(home.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "something was left in the scratch folder");
}

fn a_summary_says_for_each_task_that_is_not_done_why_and_what_it_wrote_last(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _slot = Slot::take();
    let file = home.write(
        "work/batch.toml",
        r#"
        [[task]]
        name = "good"
        command = ["echo", "never shown"]

        [[task]]
        name = "bad"
        command = ["sh", "-c", "echo the last words; exit 7"]

        [[task]]
        name = "child-of-bad"
        after = ["bad"]
        command = ["true"]
        "#,
    );
    let said = home.tenure(&["run", file.to_str().unwrap()]).with_code(1);
    for part in [
        "bad",
        "failed",
        "exit 7",
        "the last words",
        "child-of-bad",
        "todo",
    ] {
        assert!(said.out.contains(part), "{part:?} is missing in {said}");
    }
    assert!(!said.out.contains("never shown"), "{said}");
}

/// The tasks of the examples' mischief that do not end `done`: the outcome that the name begins with,
/// and what the summary says of its cause.
const MISCHIEF: [(&str, &str, &str); 14] = [
    ("blocked", "blocked", "needs_input: which colour?"),
    ("deferred", "deferred", "exit 75: try later"),
    ("deferred-by-report", "deferred", "the quota is used up"),
    ("failed", "failed", "exit 7"),
    ("failed-by-report", "failed", "no such branch"),
    ("failed-untold", "failed", "never told \"not owner\""),
    ("stale", "stale", "missing_claim_lock (TENURE_CLAIM_LOCK)"),
    ("crashed", "crashed", "killed by signal 9"),
    (
        "protocol_violation",
        "protocol_violation",
        "exit 0 without a report",
    ),
    ("timed_out", "timed_out", "timeout"),
    ("silent", "silent", "silence"),
    (
        "spawn_failed",
        "spawn_failed",
        "/nowhere/at-all: No such file",
    ),
    ("interrupted", "interrupted", "told to end from outside"),
    ("lost", "lost", "the warden was killed"),
];

fn mischief_ends_in_every_way_that_a_task_file_can_provoke_and_the_summary_names_each(
    on: Database,
) {
    let home = on.home();
    let _slot = Slot::take();
    let file = program::workspace().join("config/examples/mischief.toml");
    let said = home.tenure(&["run", file.to_str().unwrap()]).with_code(1);
    assert!(
        said.out.starts_with("2 of 16 tasks done, 14 blocked\n"),
        "{said}"
    );
    // A paragraph for each task that is not done.
    let paragraphs: Vec<&str> = said.out.trim().split("\n\n").skip(1).collect();
    assert_eq!(paragraphs.len(), MISCHIEF.len(), "{said}");
    for (paragraph, (name, outcome, reason)) in paragraphs.iter().zip(MISCHIEF) {
        let (task, run) = paragraph.split_once('\n').unwrap();
        assert_eq!(task.split(' ').nth(1), Some(name), "{said}");
        let (_, run) = run.split_once("(attempt 1): ").unwrap();
        assert!(run.starts_with(&format!("{outcome}: ")), "{run}");
        assert!(run.contains(reason), "{reason:?} is missing in {run}");
    }
    assert!(!said.out.contains("never reached"), "{said}");
    for task in home
        .tenure(&["list", "--all", "--json"])
        .ok()
        .json()
        .as_array()
        .unwrap()
    {
        let (name, status) = (
            task["name"].as_str().unwrap(),
            task["status"].as_str().unwrap(),
        );
        assert_eq!(name.starts_with("completed"), status == "done", "{task:#}");
        assert_eq!(outcomes(&home.show(task["id"].as_i64().unwrap())).len(), 1);
    }
}

fn only_the_files_own_tasks_are_dispatched(on: Database) {
    let home = on.home();
    let _slot = Slot::take();
    let other = home.add(&[], &["exit", "0"]);
    let file = home.write(
        "work/one.toml",
        "[[task]]\nname = 'one'\ncommand = ['true']\n",
    );
    let _ = home.tenure(&["run", file.to_str().unwrap()]).ok();
    assert_eq!(home.show(other)["task"]["status"], "ready");
}

fn where_a_dispatcher_serves_the_store_the_file_is_only_submitted_and_followed(on: Database) {
    let home = on.home();
    let dispatcher = home.serve();
    let tree = home.at("parent");
    let file = home.write(
        "work/one.toml",
        &format!(
            "[[task]]\nname = 'one'\ncommand = ['sh', '-c', 'echo $(cut -d\" \" -f4 /proc/$PPID/stat) > {tree}']\n"
        ),
    );
    let _ = home.tenure(&["run", file.to_str().unwrap()]).ok();
    assert_eq!(
        home.read("parent").trim(),
        dispatcher.process().pid.to_string()
    );
}

fn a_relative_folder_counts_from_the_file(on: Database) {
    let home = on.home();
    let _slot = Slot::take();
    std::fs::create_dir_all(home.work().join("a/b")).unwrap();
    let file = home.write(
        "work/a/file.toml",
        "[[task]]\nname = 'here'\ncommand = ['touch', 'here']\n\
         [[task]]\nname = 'deep'\ncwd = 'b'\ncommand = ['touch', 'deep']\n",
    );
    let _ = home.tenure(&["run", file.to_str().unwrap()]).ok();
    assert!(home.work().join("a/here").exists());
    assert!(home.work().join("a/b/deep").exists());
}

fn the_second_ctrl_c_ends_the_runs_and_leaves_their_tasks_ready(on: Database) {
    let home = on.home();
    let _slot = Slot::take();
    let began = home.at("began");
    let worker = program::worker().display().to_string();
    let file = home.write(
        "work/long.toml",
        &format!("[[task]]\nname = 'long'\ncommand = ['{worker}', 'append', '{began}', '{{pid}}', 'hang']\n"),
    );
    let messages = std::fs::File::create(home.work().join("messages")).unwrap();
    let child = home
        .command(&["run", file.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(messages)
        .spawn()
        .unwrap();
    let runner = Process::now(i32::try_from(child.id()).unwrap()).unwrap();
    let pid = home.until_written("began").trim().parse().unwrap();
    let worker = Process::now(pid).expect("the worker lives");
    runner.signal(Signal::INT);
    wait_until("the first Ctrl-C is answered", || {
        home.read("messages").contains("drain").then_some(())
    });
    assert!(worker.lives(), "the first Ctrl-C ended the worker");
    runner.signal(Signal::INT);
    let said = Said::to_its_end(child, "tenure run".to_owned()).with_code(1);
    assert!(!worker.lives(), "a worker outlived {said}");
    let listed = home.tenure(&["list", "--json"]).ok().json();
    assert_eq!(listed[0]["status"], "ready", "{listed:#}");
    let shown = home.show(listed[0]["id"].as_i64().unwrap());
    assert_eq!(outcomes(&shown), ["interrupted"]);
}

fn a_batch_whose_run_was_killed_goes_on_when_the_same_tasks_are_run_again(on: Database) {
    let home = on.home_with("[dispatcher]\nslots = 1");
    let _slot = Slot::take();
    let worker = program::worker();
    let task = |name: &str| {
        format!(
            "[[task]]\nkey = '{name}'\ncommand = ['{}', 'append', '{}', 'x', 'wait-for', '{}']\n",
            worker.display(),
            home.at(name),
            home.at("go"),
        )
    };
    home.write("work/batch.toml", &(task("first") + &task("second")));
    let mut first = home.command(&["run", "batch.toml"]).spawn().unwrap();
    home.until_written("first");
    first.kill().unwrap();
    first.wait().unwrap();
    home.touch("go");
    let _ = home.tenure(&["run", "batch.toml"]).ok();
    for name in ["first", "second"] {
        assert_eq!(home.read(name), "x\n", "{name} ran once");
    }
}

/// What `tenure run` says of a file of one task that no person moved.
fn run_stuck(home: &Home, command: &str) -> Said {
    let file = format!("[[task]]\nname = 'one'\ncommand = ['sh', '-c', '{command}']\n");
    let file = home.write("work/one.toml", &file);
    home.tenure(&["run", file.to_str().unwrap()]).with_code(1)
}

fn a_pause_of_the_profile_or_the_store_ends_the_batch_and_is_named(on: Database) {
    let home = on.home();
    let _slot = Slot::take();
    for (pause, words) in [
        (&["--profile", "shell"][..], "profile shell is paused"),
        (&[], "the store is paused"),
    ] {
        let both = |verb| [&[verb], pause].concat();
        let _ = home.tenure(&both("pause")).ok();
        let said = run_stuck(&home, "true");
        assert!(said.out.contains(words), "{words:?} is missing in {said}");
        assert!(said.out.starts_with("0 of 1 tasks done, 1 ready"), "{said}");
        let _ = home.tenure(&both("resume")).ok();
    }
}

fn a_batch_that_waits_for_a_task_which_nobody_runs_ends_and_names_it(on: Database) {
    let home = on.home();
    let _slot = Slot::take();
    let outside = home.add(&["--title", "elsewhere"], &["exit", "0"]);
    let said = run_stuck(&home, &format!("\"$TENURE_BIN\" block --after {outside}"));
    let why = format!(
        "todo: waits for task {outside} (elsewhere), which is ready; no living dispatcher serves it"
    );
    assert!(said.out.contains(&why), "{why:?} is missing in {said}");
    assert!(said.err.contains("tenure serve"), "{said}");
}

fn a_batch_that_waits_for_a_person_far_outside_of_it_ends_under_another_dispatcher_too(
    on: Database,
) {
    let home = on.home();
    let _dispatcher = home.serve();
    let first = home.add(&["--delay", "1h"], &["exit", "0"]);
    let blocked = ["block", &first.to_string(), "--kind", "operator"];
    let reason = ["--reason", "the key is with ann"];
    let _ = home.tenure(&[&blocked[..], &reason].concat()).ok();
    let second = home.add(&["--after", &first.to_string()], &["exit", "0"]);
    let said = run_stuck(&home, &format!("\"$TENURE_BIN\" block --after {second}"));
    let why = format!("waits for task {second}, and that at last for task {first}");
    assert!(said.out.contains(&why), "{why:?} is missing in {said}");
    let waited = home.tenure(&["wait", &second.to_string()]).with_code(1);
    let why = format!("waits for task {first}");
    assert!(waited.out.contains(&why), "{waited}");
    let _ = home.tenure(&["pause"]).ok();
    let third = home.add(&[], &["exit", "0"]).to_string();
    let waited = home.tenure(&["wait", &third]).with_code(1);
    assert!(waited.out.contains("the store is paused"), "{waited}");
}
