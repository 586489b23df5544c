//! A dispatcher that dies: its wardens see their workers to the end, and say so to the store.

use tenure_tests::home::{outcomes, runs};
use tenure_tests::process::Process;
use tenure_tests::{Database, wait_until};

on_both!(
    a_worker_whose_dispatcher_was_killed_ends_properly_by_itself,
    what_a_killed_warden_leaves_is_ended_and_the_run_says_whether_that_was_proved,
    a_dispatcher_told_to_detach_leaves_its_workers_to_their_wardens,
    a_dispatcher_told_to_terminate_leaves_tasks_ready_and_no_worker,
    a_dispatcher_told_to_drain_waits_for_its_workers_and_claims_nothing_new,
);

fn a_worker_whose_dispatcher_was_killed_ends_properly_by_itself(on: Database) {
    let home = on.home();
    let mut dispatcher = home.serve();
    let go = home.at("go");
    let script = |end: &str| {
        let began = home.at(&format!("began-{}", end.len()));
        let worker = tenure_tests::program::worker().display().to_string();
        format!("{worker} append {began} x wait-for {go} && {end}")
    };
    let worker = tenure_tests::program::worker().display().to_string();
    let ends = [
        ("exit 0".to_owned(), "completed"),
        (format!("exec {worker} complete reported hang"), "completed"),
        ("exit 3 # x".to_owned(), "failed"),
    ];
    let tasks: Vec<i64> = ends
        .iter()
        .map(|(end, _)| {
            let added = home
                .tenure(&["add", "--json", "--", "sh", "-c", &script(end)])
                .ok();
            home.until_written(&format!("began-{}", end.len()));
            added.json()["id"].as_i64().unwrap()
        })
        .collect();

    dispatcher.crash();
    home.touch("go");

    for (task, (end, outcome)) in tasks.iter().zip(&ends) {
        let shown = wait_until(&format!("the run that ends with {end:?} is closed"), || {
            let shown = home.show(*task);
            (runs(&shown)[0]["status"] == "ended").then_some(shown)
        });
        assert_eq!(outcomes(&shown), [*outcome], "{shown:#}");
    }
    assert_eq!(runs(&home.show(tasks[1]))[0]["reason"], "reported");
}

fn what_a_killed_warden_leaves_is_ended_and_the_run_says_whether_that_was_proved(on: Database) {
    let home = on.home_with("[defaults]\nmax_lost = 1");
    let _dispatcher = home.serve();
    let began = home.at("began");
    let script =
        format!("setsid sleep 600 & echo $$ $! > {began}.new; mv {began}.new {began}; wait");
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
    let task = added.ok().json()["id"].as_i64().unwrap();
    let tree: Vec<Process> = home
        .until_written("began")
        .split_whitespace()
        .map(|pid| Process::now(pid.parse().unwrap()).expect("it lives"))
        .collect();
    assert_eq!(tree.len(), 2);
    let warden = runs(&home.show(task))[0]["warden_pid"].as_i64().unwrap();
    Process::now(i32::try_from(warden).unwrap())
        .expect("the warden lives")
        .signal(tenure_tests::process::Signal::KILL);
    let shown = home.until(task, "blocked");
    for process in tree {
        assert!(!process.lives(), "{process:?} outlived its task's run");
    }
    assert_eq!(outcomes(&shown), ["lost"]);
    // Only a cgroup proves what a search does not.
    let is_unproved = tenure_warden::cgroup::look().lack.is_some();
    assert_eq!(runs(&shown)[0]["tree_unverified"], is_unproved);
    let reason = shown["task"]["block_reason"].as_str().unwrap();
    assert!(reason.contains("warden was killed"), "{reason}");
}

fn a_dispatcher_told_to_detach_leaves_its_workers_to_their_wardens(on: Database) {
    let home = on.home_with("[dispatcher]\non_stop = 'detach'");
    let mut dispatcher = home.serve();
    let (began, go) = (home.at("began"), home.at("go"));
    let task = home.add(&[], &["append", &began, "{pid}", "wait-for", &go]);
    let worker = Process::now(home.until_written("began").trim().parse().unwrap()).unwrap();
    dispatcher.signal(tenure_tests::process::Signal::TERM);
    assert_eq!(dispatcher.ended(), Some(0), "{}", dispatcher.log());
    assert!(worker.lives(), "a detached worker was ended");
    home.touch("go");
    home.until(task, "done");
}

fn a_dispatcher_told_to_terminate_leaves_tasks_ready_and_no_worker(on: Database) {
    let home = on.home_with("[dispatcher]\non_stop = 'terminate'");
    let mut dispatcher = home.serve();
    let began = home.at("began");
    let task = home.add(&[], &["ignore-term", "append", &began, "{pid}", "hang"]);
    let worker = Process::now(home.until_written("began").trim().parse().unwrap()).unwrap();
    dispatcher.signal(tenure_tests::process::Signal::TERM);
    assert_eq!(dispatcher.ended(), Some(0), "{}", dispatcher.log());
    assert!(
        !worker.lives(),
        "a worker outlived the dispatcher that ended it"
    );
    let shown = home.show(task);
    assert_eq!(shown["task"]["status"], "ready");
    assert_eq!(outcomes(&shown), ["interrupted"]);
}

fn a_dispatcher_told_to_drain_waits_for_its_workers_and_claims_nothing_new(on: Database) {
    let home = on.home_with("[dispatcher]\non_stop = 'drain'");
    let mut dispatcher = home.serve();
    let (began, go) = (home.at("began"), home.at("go"));
    let task = home.add(&[], &["append", &began, "{pid}", "wait-for", &go]);
    home.until_written("began");
    dispatcher.signal(tenure_tests::process::Signal::TERM);
    wait_until("the dispatcher says that it drains", || {
        dispatcher
            .log()
            .to_lowercase()
            .contains("drain")
            .then_some(())
    });
    let late = home.add(&[], &["exit", "0"]);
    home.touch("go");
    assert_eq!(dispatcher.ended(), Some(0), "{}", dispatcher.log());
    assert_eq!(home.show(task)["task"]["status"], "done");
    assert_eq!(home.show(late)["task"]["status"], "ready");
}
