//! What people want of tasks: the verbs that wait until it is so.

use tenure_tests::home::{event_kinds, outcomes, runs};
use tenure_tests::process::Process;
use tenure_tests::{Database, Home, Said};

on_both!(
    a_verb_that_takes_a_running_task_away_waits_until_its_worker_is_dead,
    what_was_blocked_says_why_and_by_which_kind,
    a_reclaimed_task_runs_again_and_nothing_counts,
    a_person_lets_a_task_go_on_and_its_streaks_start_anew,
    a_cancelled_task_comes_back_only_by_a_retry,
    a_verb_that_makes_no_sense_is_refused_and_says_where_the_task_stands,
    inside_a_worker_only_the_workers_form_is_meant,
    a_workers_verb_outside_of_a_worker_is_a_usage_error,
    a_wish_that_comes_second_is_refused_whether_one_waits_or_not,
);

const QUICK: &str = "[dispatcher]\nkill_grace = '300ms'";

/// A task whose worker runs, and says who it is; the task and the worker.
#[track_caller]
fn running(home: &Home, name: &str, more: &[&str]) -> (i64, Process) {
    let began = home.at(name);
    let steps = [more, &["append", &began, "{pid}", "hang"]].concat();
    let task = home.add(&[], &steps);
    let pid = home.until_written(name).trim().parse().unwrap();
    (task, Process::now(pid).expect("the worker lives"))
}

#[track_caller]
fn verb(home: &Home, verb: &str, task: i64, more: &[&str]) -> Said {
    let id = task.to_string();
    let mut arguments = vec![verb, id.as_str()];
    arguments.extend(more);
    home.tenure(&arguments)
}

fn a_verb_that_takes_a_running_task_away_waits_until_its_worker_is_dead(on: Database) {
    let home = on.home_with(QUICK);
    let _dispatcher = home.serve();
    for (word, status, outcome) in [
        ("cancel", "cancelled", "cancelled"),
        ("stop", "blocked", "stopped"),
        ("block", "blocked", "blocked"),
    ] {
        let (task, worker) = running(&home, word, &["ignore-term"]);
        let more: &[&str] = match word {
            "block" => &["--kind", "needs_input", "--reason", "which one?"],
            _ => &["--reason", "not today"],
        };
        let _ = verb(&home, word, task, more).ok();
        assert!(!worker.lives(), "{word} came back while the worker lived");
        let shown = home.show(task);
        assert_eq!(shown["task"]["status"], status, "{word}");
        assert_eq!(outcomes(&shown), [outcome]);
        assert_eq!(shown["task"]["failures"], 0);
        assert!(runs(&shown)[0]["ask_by"].is_string(), "{shown:#}");
    }
}

fn what_was_blocked_says_why_and_by_which_kind(on: Database) {
    let home = on.home_with(QUICK);
    let _dispatcher = home.serve();
    let (task, _) = running(&home, "began", &[]);
    let _ = verb(&home, "stop", task, &[]).ok();
    assert_eq!(home.show(task)["task"]["block_kind"], "operator");

    let waiting = home.add(&["--not-before", "+1h"], &["exit", "0"]);
    let _ = verb(
        &home,
        "block",
        waiting,
        &["--kind", "capability", "--reason", "no key"],
    )
    .ok();
    let shown = home.show(waiting);
    assert_eq!(shown["task"]["block_kind"], "capability");
    assert_eq!(shown["task"]["block_reason"], "no key");
    assert_eq!(event_kinds(&shown).last(), Some(&"blocked"));
}

fn a_reclaimed_task_runs_again_and_nothing_counts(on: Database) {
    let home = on.home_with(QUICK);
    let _dispatcher = home.serve();
    let began = home.at("began");
    let worker = tenure_tests::program::worker().display().to_string();
    let script = format!("[ $TENURE_ATTEMPT = 1 ] && exec {worker} append {began} x hang; exit 0");
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-c", &script])
        .ok();
    let task = added.json()["id"].as_i64().unwrap();
    home.until_written("began");
    let _ = verb(&home, "reclaim", task, &[]).ok();
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["reclaimed", "completed"]);
}

fn a_person_lets_a_task_go_on_and_its_streaks_start_anew(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 2");
    let _dispatcher = home.serve();
    for word in ["unblock", "retry"] {
        let go = home.at(word);
        let script = format!("test -e {go}");
        let added = home
            .tenure(&["add", "--json", "--", "sh", "-c", &script])
            .ok();
        let task = added.json()["id"].as_i64().unwrap();
        let shown = home.until(task, "blocked");
        assert_eq!(shown["task"]["failures"], 2);
        home.touch(word);
        let _ = verb(&home, word, task, &[]).ok();
        let shown = home.until(task, "done");
        assert_eq!(outcomes(&shown), ["failed", "failed", "completed"]);
        assert_eq!(shown["task"]["failures"], 0);
        assert!(shown["task"]["block_kind"].is_null());
    }
}

fn a_cancelled_task_comes_back_only_by_a_retry(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let task = home.add(&["--not-before", "+1h"], &["exit", "0"]);
    let _ = verb(&home, "cancel", task, &[]).ok();
    assert_eq!(home.show(task)["task"]["status"], "cancelled");
    let _ = verb(&home, "unblock", task, &[]).with_code(4);
    let _ = verb(&home, "retry", task, &[]).ok();
    let shown = home.show(task);
    assert!(event_kinds(&shown).contains(&"retried"), "{shown:#}");
}

fn a_verb_that_makes_no_sense_is_refused_and_says_where_the_task_stands(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let done = home.add(&[], &["exit", "0"]);
    home.until(done, "done");
    for word in ["cancel", "stop", "reclaim", "unblock"] {
        let _ = verb(&home, word, done, &[])
            .with_code(4)
            .mentions(&["done"]);
    }
    for word in [
        "cancel", "stop", "reclaim", "unblock", "retry", "show", "runs", "log",
    ] {
        let _ = verb(&home, word, 4711, &[])
            .with_code(3)
            .mentions(&["4711"]);
    }
    assert_eq!(home.show(done)["task"]["status"], "done");
}

fn inside_a_worker_only_the_workers_form_is_meant(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let script = "\"$TENURE_BIN\" complete 7; echo \"complete $?\" >> codes; \
                  \"$TENURE_BIN\" events; echo \"events $?\" >> codes; \
                  \"$TENURE_BIN\" cancel 1; echo \"cancel $?\" >> codes; \
                  \"$TENURE_BIN\" --db \"$1\" list; echo \"list --db $?\" >> codes";
    let db = home.store_url().expose();
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", script, "sh", &db]);
    home.until(added.ok().json()["id"].as_i64().unwrap(), "done");
    assert_eq!(
        home.read("codes"),
        "complete 2\nevents 4\ncancel 4\nlist --db 0\n"
    );
}

fn a_workers_verb_outside_of_a_worker_is_a_usage_error(on: Database) {
    let home = on.home();
    for arguments in [
        &["heartbeat"][..],
        &["defer", "--for", "5m"],
        &["fail", "--reason", "why"],
    ] {
        let _ = home
            .tenure(arguments)
            .with_code(2)
            .mentions(&["not a worker"]);
    }
}

fn a_wish_that_comes_second_is_refused_whether_one_waits_or_not(on: Database) {
    let home = on.home_with(QUICK);
    let _dispatcher = home.serve();
    let (task, _) = running(&home, "began", &["ignore-term"]);
    let _ = verb(&home, "cancel", task, &["--no-wait"]).ok();
    let _ = verb(&home, "reclaim", task, &["--no-wait"])
        .with_code(4)
        .mentions(&["cancel", "stands"]);
    assert_eq!(outcomes(&home.until(task, "cancelled")), ["cancelled"]);
}
