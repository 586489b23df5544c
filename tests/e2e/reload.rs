//! What changes under a living dispatcher: its configuration, and its program.

use tenure_store::drain::Drained;
use tenure_tests::home::{Home, outcomes, runs};
use tenure_tests::process::Signal;
use tenure_tests::{Database, wait_until};

on_both!(
    a_hangup_puts_a_new_configuration_into_force_and_says_what_changed,
    a_wrong_configuration_is_named_and_changes_nothing_at_all,
    a_hangup_cannot_lead_to_another_store,
    a_dispatcher_becomes_the_installed_program_in_place_and_its_workers_go_on,
    a_program_that_does_not_run_is_not_become,
    a_stop_that_comes_between_two_programs_is_obeyed_by_the_next,
    whoever_was_asked_to_drain_by_the_store_does_not_become_another_program,
    whoever_was_asked_to_stop_does_not_become_another_program,
);

/// Waits until the dispatcher's log has a line with all of these.
#[track_caller]
fn until_logged(dispatcher: &tenure_tests::Dispatcher, words: &[&str]) {
    wait_until(&format!("the dispatcher logged {words:?}"), || {
        let log = dispatcher.log();
        log.lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
            .then_some(())
    });
}

fn a_hangup_puts_a_new_configuration_into_force_and_says_what_changed(on: Database) {
    let home = on.home_with("[dispatcher]\nslots = 1");
    let dispatcher = home.serve();
    let (go, other) = (home.at("go"), home.at("other"));
    let first = home.add(&[], &["wait-for", &go]);
    home.until(first, "running");
    let late = Home::profile("late", "", &["append", &other, "x"]);
    home.configure(&format!("[dispatcher]\nslots = 2\n{late}"));
    dispatcher.signal(Signal::HUP);
    let words = [
        "configuration reloaded",
        "dispatcher.slots",
        "profiles.late.command",
    ];
    until_logged(&dispatcher, &words);
    // The second slot and the new profile are there; the first run never noticed.
    let second = wait_until("the new profile is known", || {
        let added = home.tenure(&["add", "--json", "--assignee", "late"]);
        (added.code == 0).then(|| added.json()["id"].as_i64().unwrap())
    });
    home.until(second, "done");
    home.touch("go");
    assert_eq!(outcomes(&home.until(first, "done")), ["completed"]);
}

fn a_wrong_configuration_is_named_and_changes_nothing_at_all(on: Database) {
    let good = Home::profile("good", "", &["exit", "0"]);
    let home = on.home_with(&good);
    let dispatcher = home.serve();
    let wrong = Home::profile("more", "max_running = 0", &["exit", "0"]);
    home.configure(&format!("[dispatcher]\nslots = 7\n{wrong}"));
    dispatcher.signal(Signal::HUP);
    let words = ["not reloaded", "profiles.more.max_running"];
    until_logged(&dispatcher, &words);
    home.configure(&good);
    let task = home.add_for("good", &[]);
    home.until(task, "done");
    assert!(!dispatcher.log().contains("configuration reloaded"));
}

fn a_hangup_cannot_lead_to_another_store(on: Database) {
    let home = on.home();
    let dispatcher = home.serve();
    let other = home.at("other.db");
    home.configure(&format!("[store]\nurl = 'sqlite://{other}'"));
    dispatcher.signal(Signal::HUP);
    until_logged(&dispatcher, &["not reloaded", "store.url", "other.db"]);
}

fn a_dispatcher_becomes_the_installed_program_in_place_and_its_workers_go_on(on: Database) {
    let home = on.home();
    let dispatcher = home.serve();
    let before = dispatcher.process();
    let go = home.at("go");
    let task = home.add(&[], &["append", &home.at("began"), "x", "wait-for", &go]);
    home.until_written("began");
    let pid = runs(&home.show(task))[0]["pid"].clone();
    dispatcher.signal(Signal::USR2);
    until_logged(&dispatcher, &["lifeline taken up"]);
    assert_eq!(dispatcher.process(), before, "the process stays");
    home.touch("go");
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(runs(&shown)[0]["pid"], pid, "the worker stayed");
    assert_eq!(home.read("began"), "x\n");
}

fn a_program_that_does_not_run_is_not_become(on: Database) {
    let mut home = on.home();
    let program = home.lone_program().to_owned();
    let dispatcher = home.serve();
    let process = dispatcher.process();
    let broken = home.script("broken", "#!/bin/sh\necho no such library >&2\nexit 1\n");
    let good = home.path().join("good");
    std::fs::rename(&program, &good).unwrap();
    std::fs::rename(&broken, &program).unwrap();
    dispatcher.signal(Signal::USR2);
    until_logged(&dispatcher, &["not upgraded", "no such library"]);
    std::fs::rename(&good, &program).unwrap();
    assert_eq!(dispatcher.process(), process);
    let task = home.add(&[], &["exit", "0"]);
    home.until(task, "done");
}

fn a_stop_that_comes_between_two_programs_is_obeyed_by_the_next(on: Database) {
    let mut home = on.home();
    let program = home.lone_program().to_owned();
    let mut dispatcher = home.serve();
    let good = home.path().join("good");
    std::fs::rename(&program, &good).unwrap();
    // Whoever tries it out is the old program, which has finished; nobody obeys any more.
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != version ] || kill -TERM $PPID\nexec {} \"$@\"\n",
        good.display()
    );
    let between = home.script("between", &script);
    std::fs::rename(&between, &program).unwrap();
    dispatcher.signal(Signal::USR2);
    assert_eq!(dispatcher.ended(), Some(0), "{}", dispatcher.log());
    let log = dispatcher.log();
    assert_eq!(log.matches("dispatcher ready").count(), 2, "{log}");
    assert!(log.contains("asked to stop"), "{log}");
}

fn whoever_was_asked_to_drain_by_the_store_does_not_become_another_program(on: Database) {
    let home = on.home_with("[dispatcher]\npoll = '1h'");
    let mut dispatcher = home.serve();
    let (began, go) = (home.at("began"), home.at("go"));
    let running = home.add(&[], &["append", &began, "x", "wait-for", &go]);
    home.until_written("began");
    // Nobody pokes it, so it has not heard of it yet.
    let open = home.store();
    let living = open.wait(open.store.living_dispatchers()).unwrap();
    let drained = open.wait(open.store.drain(living[0].id, "ann".into(), None));
    assert_eq!(drained.unwrap(), Drained::Asked);
    dispatcher.signal(Signal::USR2);
    until_logged(&dispatcher, &["not upgraded", "asked to leave"]);
    let late = home.add(&[], &["exit", "0"]);
    home.touch("go");
    assert_eq!(dispatcher.ended(), Some(0));
    assert_eq!(home.show(running)["task"]["status"], "done");
    assert_eq!(home.show(late)["task"]["status"], "ready");
    let log = dispatcher.log();
    assert_eq!(log.matches("dispatcher ready").count(), 1, "{log}");
}

fn whoever_was_asked_to_stop_does_not_become_another_program(on: Database) {
    let home = on.home();
    let mut dispatcher = home.serve();
    let (began, go) = (home.at("began"), home.at("go"));
    let running = home.add(&[], &["append", &began, "x", "wait-for", &go]);
    home.until_written("began");
    dispatcher.signal(Signal::INT);
    until_logged(&dispatcher, &["asked to stop"]);
    dispatcher.signal(Signal::USR2);
    until_logged(&dispatcher, &["not upgraded"]);
    let late = home.add(&[], &["exit", "0"]);
    home.touch("go");
    assert_eq!(dispatcher.ended(), Some(0));
    assert_eq!(home.show(running)["task"]["status"], "done");
    assert_eq!(
        home.show(late)["task"]["status"],
        "ready",
        "nothing new is claimed"
    );
}
