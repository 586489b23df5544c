//! Dispatchers that come after others: they take up what lives, close what is dead, and know what
//! happened while none was there.

use std::process::{Command, Stdio};
use std::time::Duration;

use tenure_store::DispatcherId;
use tenure_store::dispatcher::Dispatcher as Row;
use tenure_store::process::ProcessId;
use tenure_store::start::Start;
use tenure_tests::home::{Home, event_kinds, outcomes, runs};
use tenure_tests::process::{Process, Signal};
use tenure_tests::{Database, wait_until};

use crate::claimed;

on_both!(
    a_living_worker_is_adopted_and_its_end_is_known,
    an_ask_made_while_no_dispatcher_lived_reaches_an_adopted_worker_with_its_grace,
    a_claim_whose_dispatcher_died_before_the_start_costs_nothing_and_is_ready_at_once,
    where_warden_and_dispatcher_were_killed_the_run_is_lost_and_nothing_of_it_lives,
    an_exit_that_nobody_but_the_warden_saw_is_known_to_the_next_dispatcher,
    a_verb_closes_what_neither_dispatcher_nor_warden_can,
    after_a_stop_even_a_stopped_warden_leaves_nothing_behind,
    a_warden_that_nobody_can_reach_any_more_has_its_slot_and_its_end_is_known,
    after_a_stop_even_a_warden_that_nobody_can_reach_leaves_nothing_behind,
    three_times_ctrl_c_ends_even_what_a_stopped_warden_stands_over,
    a_run_of_an_earlier_boot_is_lost_and_costs_the_task_no_failure,
);

const DETACH: &str = "[dispatcher]\non_stop = 'detach'";

/// The process that a run's column names.
#[track_caller]
fn process(shown: &serde_json::Value, key: &str) -> Process {
    let run = runs(shown).last().unwrap();
    let pid = run[key].as_i64().expect("the run has that process");
    Process::now(i32::try_from(pid).unwrap()).expect("it lives")
}

/// A worker that writes a line and then waits for a word; its task.
#[track_caller]
fn waiting(home: &Home, name: &str, then: &[&str]) -> i64 {
    let (began, go) = (home.at(&format!("began-{name}")), home.at("go"));
    let mut steps = vec!["append", &began, name, "wait-for", &go];
    steps.extend(then);
    let task = home.add(&[], &steps);
    home.until_written(&format!("began-{name}"));
    wait_until("the worker's pid is written", || {
        runs(&home.show(task))[0]["pid"].as_i64()
    });
    task
}

fn a_living_worker_is_adopted_and_its_end_is_known(on: Database) {
    let home = on.home_with(DETACH);
    let mut first = home.serve();
    let kept = waiting(&home, "kept", &["exit", "0"]);
    let failed = waiting(&home, "failed", &["exit", "3"]);
    let before = home.show(kept);
    first.crash();
    let second = home.serve();
    wait_until("both lifelines are taken up", || {
        (second.log().matches("lifeline taken up").count() == 2).then_some(())
    });
    home.touch("go");
    let shown = home.until(kept, "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(runs(&shown)[0]["pid"], runs(&before)[0]["pid"]);
    assert!(event_kinds(&shown).contains(&"adopted"), "{shown:#}");
    wait_until("the other one's exit is known", || {
        (runs(&home.show(failed))[0]["exit"]["code"] == 3).then_some(())
    });
    assert_eq!(home.read("began-kept"), "kept\n", "it ran once");
    // Both dispatchers log into one file; the first run of each of the two tasks started once.
    let log = second.log();
    let started = |line: &&str| line.contains("command started") && line.contains("attempt=1");
    assert_eq!(log.lines().filter(started).count(), 2, "{log}");
}

fn an_ask_made_while_no_dispatcher_lived_reaches_an_adopted_worker_with_its_grace(on: Database) {
    let home = on.home_with("[dispatcher]\nkill_grace = '30s'");
    let mut first = home.serve();
    let (began, told) = (home.at("began"), home.at("told"));
    let script = format!(
        "trap 'echo told > {told}; exit 0' TERM; echo x > {began}; while :; do sleep 0.05; done"
    );
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
    let task = added.ok().json()["id"].as_i64().unwrap();
    home.until_written("began");
    first.crash();
    let cancel = ["cancel", &task.to_string(), "--no-wait"];
    assert_eq!(home.tenure(&cancel).code, 0);
    let _second = home.serve();
    let shown = home.until(task, "cancelled");
    assert_eq!(home.read("told"), "told\n", "it was not killed at once");
    assert_eq!(outcomes(&shown), ["cancelled"]);
}

fn a_claim_whose_dispatcher_died_before_the_start_costs_nothing_and_is_ready_at_once(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let done = home.at("done");
    drop(home.serve());
    let task = home.add(&[], &["append", &done, "x"]);
    let open = home.store();
    let dispatcher = DispatcherId::random();
    let row = Row {
        process: dead(&home),
        ..row(&home, dispatcher)
    };
    open.wait(open.store.publish(row)).unwrap();
    claimed::claim_as(&open, dispatcher, Duration::from_mins(1));
    let _dispatcher = home.serve();
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["never_started", "completed"]);
    assert_eq!(shown["task"]["failures"], 0);
    assert_eq!(home.read("done"), "x\n");
}

fn where_warden_and_dispatcher_were_killed_the_run_is_lost_and_nothing_of_it_lives(on: Database) {
    let home = on.home_with("[defaults]\nmax_lost = 1");
    let mut first = home.serve();
    let pids = home.at("pids");
    let script = format!(
        "setsid sleep 600 & (setsid sleep 600 & echo $! >> {pids}.new); echo $$ $! >> {pids}.new; mv {pids}.new {pids}; wait"
    );
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
    let task = added.ok().json()["id"].as_i64().unwrap();
    let tree: Vec<Process> = home
        .until_written("pids")
        .split_whitespace()
        .map(|pid| Process::now(pid.parse().unwrap()).expect("it lives"))
        .collect();
    assert_eq!(tree.len(), 3);
    let warden = process(&home.show(task), "warden_pid");
    first.crash();
    warden.signal(Signal::KILL);
    let _second = home.serve();
    let shown = home.until(task, "blocked");
    assert_eq!(outcomes(&shown), ["lost"]);
    // Only a cgroup proves what a search does not.
    let is_unproved = tenure_warden::cgroup::look().lack.is_some();
    assert_eq!(runs(&shown)[0]["tree_unverified"], is_unproved);
    for process in tree {
        assert!(!process.lives(), "{process:?} outlived its task's run");
    }
}

fn an_exit_that_nobody_but_the_warden_saw_is_known_to_the_next_dispatcher(on: Database) {
    let home = on.home_with(DETACH);
    let mut first = home.serve();
    let task = waiting(&home, "one", &["exit", "7"]);
    first.crash();
    // The store is away as well: nobody takes the exit but the warden's own hands.
    let locked = home.lock_store();
    let worker = process(&home.show(task), "pid");
    home.touch("go");
    wait_until("the worker is dead", || (!worker.lives()).then_some(()));
    drop(locked);
    let _second = home.serve();
    wait_until("its exit is known", || {
        (runs(&home.show(task))[0]["exit"]["code"] == 7).then_some(())
    });
}

fn a_verb_closes_what_neither_dispatcher_nor_warden_can(on: Database) {
    let home = on.home();
    let mut dispatcher = home.serve();
    let task = waiting(&home, "one", &["exit", "0"]);
    let shown = home.show(task);
    let (warden, worker) = (process(&shown, "warden_pid"), process(&shown, "pid"));
    dispatcher.crash();
    warden.signal(Signal::KILL);
    wait_until("the worker died with its warden", || {
        (!worker.lives()).then_some(())
    });
    assert_eq!(home.tenure(&["cancel", &task.to_string()]).code, 0);
    let shown = home.show(task);
    assert_eq!(shown["task"]["status"], "cancelled");
    assert_eq!(outcomes(&shown), ["cancelled"]);
}

fn after_a_stop_even_a_stopped_warden_leaves_nothing_behind(on: Database) {
    let home = on.home_with(DETACH);
    let mut dispatcher = home.serve();
    let tasks = [
        waiting(&home, "one", &["exit", "0"]),
        waiting(&home, "two", &["exit", "0"]),
    ];
    let shown = tasks.map(|task| home.show(task));
    let workers = shown.each_ref().map(|shown| process(shown, "pid"));
    home.stop(process(&shown[1], "warden_pid"));
    dispatcher.signal(Signal::TERM);
    assert_eq!(dispatcher.ended(), Some(0));
    let said = home.tenure(&["settle"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(outcomes(&home.show(tasks[0])), ["interrupted"]);
    assert_eq!(outcomes(&home.show(tasks[1])), ["lost"]);
    for worker in workers {
        assert!(!worker.lives(), "{worker:?} outlived the service");
    }
    assert_eq!(home.show(tasks[0])["task"]["status"], "ready");
}

/// Takes away the socket at which a run's warden listens.
#[track_caller]
fn make_unreachable(home: &Home, task: i64) {
    let open = home.store();
    let run = tenure_guard::RunId(runs(&home.show(task))[0]["run_id"].as_i64().unwrap());
    let host = std::fs::read_to_string(home.state().join("host-id")).unwrap();
    let orphans = open.store.orphans(DispatcherId::random(), host.trim());
    let orphans = open.wait(orphans).unwrap();
    let orphan = orphans.iter().find(|orphan| orphan.tenure.run == run);
    let warden = orphan.unwrap().warden.as_ref().unwrap();
    std::fs::remove_file(&warden.socket).unwrap();
}

fn a_warden_that_nobody_can_reach_any_more_has_its_slot_and_its_end_is_known(on: Database) {
    let home = on.home_with("[dispatcher]\nslots = 1");
    let mut first = home.serve();
    let task = waiting(&home, "one", &["exit", "7"]);
    first.crash();
    make_unreachable(&home, task);
    let second = home.serve();
    wait_until("it is found", || {
        second.log().contains("socket is gone").then_some(())
    });
    let next = home.add(&[], &["exit", "0"]);
    let shown = home.show(next);
    assert_eq!(
        shown["task"]["status"], "ready",
        "the slot is taken: {shown:#}"
    );
    home.touch("go");
    home.until(next, "done");
    assert_eq!(runs(&home.show(task))[0]["exit"]["code"], 7);
}

fn after_a_stop_even_a_warden_that_nobody_can_reach_leaves_nothing_behind(on: Database) {
    let home = on.home_with(DETACH);
    let mut dispatcher = home.serve();
    let task = waiting(&home, "one", &["exit", "0"]);
    let worker = process(&home.show(task), "pid");
    dispatcher.signal(Signal::TERM);
    assert_eq!(dispatcher.ended(), Some(0));
    make_unreachable(&home, task);
    let said = home.tenure(&["settle"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!worker.lives(), "{worker:?} outlived the service");
    assert_eq!(outcomes(&home.show(task)), ["lost"]);
}

fn three_times_ctrl_c_ends_even_what_a_stopped_warden_stands_over(on: Database) {
    let home = on.home_with(DETACH);
    let mut dispatcher = home.serve();
    let task = waiting(&home, "one", &["exit", "0"]);
    let shown = home.show(task);
    let (warden, worker) = (process(&shown, "warden_pid"), process(&shown, "pid"));
    home.stop(warden);
    for times in 1..=3 {
        dispatcher.signal(Signal::INT);
        wait_until("it was heard", || {
            (dispatcher.log().matches("asked to stop").count() == times).then_some(())
        });
    }
    assert_eq!(dispatcher.ended(), Some(0));
    assert!(!worker.lives(), "{worker:?} outlived its dispatcher's end");
    assert_eq!(home.show(task)["task"]["status"], "ready");
}

fn a_run_of_an_earlier_boot_is_lost_and_costs_the_task_no_failure(on: Database) {
    let home = on.home_with("[dispatcher]\nlease = '6s'\n[defaults]\nmax_failures = 1");
    drop(home.serve());
    let done = home.at("done");
    let task = home.add(&[], &["append", &done, "x"]);
    let open = home.store();
    // What a dispatcher of this host left, two boots ago.
    let dispatcher = DispatcherId::random();
    let row = row(&home, dispatcher);
    let earlier = row.process.clone();
    let tenure = claimed::claim_as(&open, dispatcher, Duration::from_secs(1)).tenure;
    open.wait(open.store.publish(row)).unwrap();
    let start = Start {
        tenure,
        warden: earlier,
        socket: "/nowhere".into(),
        log: None,
        lease: Duration::from_secs(1),
    };
    open.wait(open.store.start(start)).unwrap();
    open.wait(open.store.retire(dispatcher)).unwrap();
    let _dispatcher = home.serve();
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["lost", "completed"]);
    assert_eq!(runs(&shown)[0]["tree_unverified"], false);
    assert_eq!(shown["task"]["failures"], 0);
    assert_eq!(home.read("done"), "x\n");
}

fn host_id(home: &Home) -> String {
    let host_id = std::fs::read_to_string(home.state().join("host-id")).unwrap();
    host_id.trim().to_owned()
}

/// A process of this home's host that is dead.
fn dead(home: &Home) -> ProcessId {
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let process = tenure_warden::process::Process::of(pid, &host_id(home)).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    process.id().clone()
}

/// The row of a dispatcher of another boot under this home's host id.
fn row(home: &Home, id: DispatcherId) -> Row {
    Row {
        id,
        process: ProcessId {
            host_id: host_id(home),
            boot_id: "another boot".into(),
            pid_namespace: 1,
            pid: 1,
            start_ticks: 1,
            inode: 1,
        },
        host_name: "elsewhere".into(),
        socket: "/nowhere".into(),
        version: "0.1.0".into(),
        knows: tenure_store::known_schema(),
        slots: 1,
        profiles: Vec::new(),
        labels: Vec::new(),
        batch: None,
        drain_at: None,
        held: Vec::new(),
    }
}

#[test]
fn a_clone_of_a_host_is_refused_with_the_file_that_makes_it_one() {
    let Some(url) = tenure_tests::postgres::database() else {
        return;
    };
    let home = Home::on(&url, "");
    drop(home.serve());
    let open = home.store();
    let twin = DispatcherId::random();
    let row = row(&home, twin);
    open.wait(open.store.publish(row)).unwrap();
    let mut serve = home.command(&["serve"]);
    let mut child = serve.stderr(Stdio::piped()).spawn().unwrap();
    let status = wait_until("the clone is refused", || {
        open.wait(open.store.dispatcher_seen(twin)).unwrap();
        child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(4));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    for word in ["host-id", "elsewhere", "remove"] {
        assert!(said.contains(word), "{said}");
    }
}
