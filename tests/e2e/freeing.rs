//! The verbs that free what is stuck, from outside: their shapes, their codes, and what they leave
//! alone.

use serde_json::{Value, json};
use tenure_tests::home::{event_kinds, outcomes, runs};
use tenure_tests::process::{Process, Signal};
use tenure_tests::{Database, Home, wait_until};

on_both!(
    several_tasks_are_answered_each_for_itself_and_the_first_refusal_is_the_code,
    a_person_completes_a_task_and_its_child_is_told_what_came_of_it,
    a_tree_is_cancelled_over_a_running_child,
    what_is_paused_stays_so_over_a_restart_and_what_runs_goes_on,
    a_drained_dispatcher_takes_nothing_new_and_leaves_after_its_runs,
    a_claim_is_cleared_only_where_its_worker_is_proved_dead,
    a_task_is_given_to_another_profile_that_can_do_it,
    of_several_tasks_each_is_given_to_the_profile_that_can_have_it,
    what_is_put_away_is_listed_only_where_it_is_asked_for,
);

const QUICK: &str = "[dispatcher]\nkill_grace = '300ms'\npoll = '200ms'";

/// A task whose worker runs until a file is there.
#[track_caller]
fn running(home: &Home, name: &str) -> i64 {
    let (began, go) = (home.at(&format!("{name}-began")), home.at(name));
    let script = format!("echo $$ > {began}; while ! test -e {go}; do sleep 0.05; done");
    let task = add(home, &[], &["sh", "-c", &script]);
    home.until_written(&format!("{name}-began"));
    task
}

#[track_caller]
fn add(home: &Home, flags: &[&str], command: &[&str]) -> i64 {
    let arguments = [&["add", "--json"], flags, &["--"], command].concat();
    let added = home.tenure(&arguments).ok().json();
    added["id"].as_i64().unwrap()
}

#[track_caller]
fn say(home: &Home, code: i32, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    home.tenure(&arguments).with_code(code).json()
}

fn several_tasks_are_answered_each_for_itself_and_the_first_refusal_is_the_code(on: Database) {
    let home = on.home();
    let (one, two) = (add(&home, &[], &["true"]), add(&home, &[], &["true"]));
    let (one_id, two_id) = (one.to_string(), two.to_string());
    let _ = home.tenure(&["cancel", &one_id]).ok();
    let said = say(&home, 4, &["cancel", &one_id, "4711", &two_id]);
    assert_eq!(said[0]["id"], one);
    assert_eq!(
        (&said[0]["ok"], &said[0]["code"]),
        (&json!(false), &json!(4))
    );
    assert_eq!(
        (&said[1]["ok"], &said[1]["code"]),
        (&json!(false), &json!(3))
    );
    assert_eq!(
        said[2],
        json!({"id": two, "ok": true, "status": "cancelled"})
    );
    let said = home
        .tenure(&["retry", &one_id, &two_id, "4711"])
        .with_code(3);
    let said = said.mentions(&["4711"]);
    assert!(
        said.out
            .contains(&format!("task {one} is ready\ntask {two} is ready\n"))
    );
    let all = home
        .tenure(&["list", "--status", "ready", "--json"])
        .ok()
        .json();
    assert_eq!(all.as_array().unwrap().len(), 2);
}

fn a_person_completes_a_task_and_its_child_is_told_what_came_of_it(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let parent = add(&home, &["--not-before", "+9h"], &["true"]);
    let context = home.at("context");
    let script = format!("cp \"$TENURE_CONTEXT\" {context}");
    let child = add(
        &home,
        &["--after", &parent.to_string()],
        &["sh", "-c", &script],
    );
    let id = parent.to_string();
    let said = home.tenure(&[
        "complete",
        &id,
        "--summary",
        "by hand",
        "--artifact",
        "out.txt",
    ]);
    assert_eq!(said.ok().out, format!("task {parent} is done\n"));
    home.until(child, "done");
    let context: Value = serde_json::from_str(&home.read("context")).unwrap();
    assert_eq!(context["parents"][0]["summary"], "by hand");
    let artifact = context["parents"][0]["artifacts"][0].as_str().unwrap();
    assert!(
        artifact.starts_with('/') && artifact.ends_with("out.txt"),
        "{artifact}"
    );
    let task = running(&home, "go");
    let _ = home
        .tenure(&["complete", &task.to_string()])
        .with_code(4)
        .mentions(&["tenure stop"]);
    home.touch("go");
    home.until(task, "done");
    let _ = home
        .tenure(&["complete"])
        .with_code(2)
        .mentions(&["tenure complete 7"]);
}

fn a_tree_is_cancelled_over_a_running_child(on: Database) {
    let home = on.home_with(QUICK);
    let _dispatcher = home.serve();
    let root = add(&home, &[], &["true"]);
    home.until(root, "done");
    let child = running(&home, "never");
    let below = add(&home, &["--after", &child.to_string()], &["true"]);
    let id = child.to_string();
    let dry = say(&home, 0, &["cancel", &id, "--tree", "--dry-run"]);
    assert_eq!(dry[0]["dry_run"], true);
    assert!(
        dry[0]["run"].is_i64() && dry[1].get("run").is_none(),
        "{dry}"
    );
    assert_eq!(home.show(below)["task"]["status"], "todo");
    let said = say(
        &home,
        0,
        &["cancel", &id, "--tree", "--reason", "not wanted"],
    );
    let expected = [child, below].map(|id| json!({"id": id, "ok": true, "status": "cancelled"}));
    assert_eq!(said, json!(expected));
    assert_eq!(outcomes(&home.show(child)), ["cancelled"]);
    let pid = home.read("never-began").trim().parse().unwrap();
    assert!(Process::now(pid).is_none(), "its worker is dead");
    assert_eq!(event_kinds(&home.show(below)), ["added", "cancelled"]);
}

fn what_is_paused_stays_so_over_a_restart_and_what_runs_goes_on(on: Database) {
    let home = on.home_with(QUICK);
    let mut dispatcher = home.serve();
    let going = running(&home, "go");
    let said = say(&home, 0, &["pause", "--reason", "night"]);
    assert_eq!(
        (&said[0]["what"], &said[0]["changed"]),
        (&json!("store"), &json!(true))
    );
    let again = say(&home, 0, &["pause"]);
    assert_eq!(again[0]["changed"], false);
    assert_eq!(again[0]["paused_at"], said[0]["paused_at"]);
    let waiting = add(&home, &[], &["true"]);
    dispatcher.crash();
    dispatcher.launch_again(&home);
    dispatcher.until_ready();
    home.touch("go");
    home.until(going, "done");
    assert_eq!(home.show(waiting)["task"]["status"], "ready");
    let alone = waiting.to_string();
    let _ = home.tenure(&["pause", &alone]).ok();
    let said = home.tenure(&["resume"]).ok().out;
    assert!(
        said.starts_with("the store goes on; it was paused since "),
        "{said}"
    );
    let other = add(&home, &[], &["true"]);
    home.until(other, "done");
    assert_eq!(
        home.show(waiting)["task"]["status"],
        "ready",
        "it is paused itself"
    );
    let _ = home.tenure(&["resume", &alone]).ok();
    home.until(waiting, "done");
    let _ = home
        .tenure(&["pause", "--profile", "nobody"])
        .with_code(2)
        .mentions(&["shell"]);
}

fn a_drained_dispatcher_takes_nothing_new_and_leaves_after_its_runs(on: Database) {
    let home = on.home_with(QUICK);
    let mut dispatcher = home.serve();
    let going = running(&home, "go");
    let _ = home.tenure(&["drain", "--timeout", "300ms"]).with_code(75);
    let waiting = add(&home, &[], &["true"]);
    home.touch("go");
    home.until(going, "done");
    assert_eq!(dispatcher.ended(), Some(0));
    assert_eq!(home.show(waiting)["task"]["status"], "ready");
    let events = home
        .tenure(&["events", "--json", "--kind", "draining"])
        .ok();
    assert_eq!(events.json_lines().len(), 1);
    let _ = home
        .tenure(&["drain"])
        .with_code(4)
        .mentions(&["no dispatcher lives"]);
    let _next = home.serve();
    home.until(waiting, "done");
}

fn a_claim_is_cleared_only_where_its_worker_is_proved_dead(on: Database) {
    let home = on.home_with(QUICK);
    let mut dispatcher = home.serve();
    let task = running(&home, "go");
    let id = task.to_string();
    for mend in ["--clear-claim", "--reset-failures", "--clear-skills"] {
        let _ = home
            .tenure(&["edit", &id, mend])
            .with_code(4)
            .mentions(&["not proved dead", "tenure stop"]);
    }
    let shown = home.show(task);
    let pid = |what: &str| i32::try_from(runs(&shown)[0][what].as_i64().unwrap()).unwrap();
    let (warden, worker) = (Process::now(pid("warden_pid")), Process::now(pid("pid")));
    dispatcher.crash();
    let _ = home.tenure(&["edit", &id, "--clear-claim"]).with_code(4);
    assert!(worker.unwrap().lives(), "a living worker is left alone");
    warden.unwrap().signal(Signal::KILL);
    wait_until("the warden is dead", || {
        (!warden.unwrap().lives()).then_some(())
    });
    let said = say(
        &home,
        0,
        &["edit", &id, "--clear-claim", "--reason", "by hand"],
    );
    assert_eq!(said[0]["mended"], json!(["clear_claim"]));
    assert_eq!(said[0]["closed_run"], runs(&shown)[0]["run_id"]);
    let freed = home.show(task);
    assert_eq!(
        (&freed["task"]["status"], outcomes(&freed)),
        (&json!("ready"), vec!["lost"])
    );
    assert_eq!(event_kinds(&freed).last(), Some(&"edited"));
    let said = say(&home, 0, &["edit", &id, "--clear-claim"]);
    assert_eq!(said[0]["mended"], json!([]));
    let closed = home.show(task);
    assert_eq!(runs(&closed), runs(&freed), "a closed run stays as it is");
}

fn a_task_is_given_to_another_profile_that_can_do_it(on: Database) {
    let home = on.home_with(&format!(
        "{QUICK}\n{}{}",
        Home::profile("one", "skills = ['rust']", &["hang"]),
        Home::profile("two", "skills = ['rust']", &["exit", "0"]),
    ));
    let _dispatcher = home.serve();
    let task = home.add_for("one", &["--skill", "rust"]);
    let id = task.to_string();
    home.until(task, "running");
    let _ = home
        .tenure(&["reassign", &id, "three"])
        .with_code(2)
        .mentions(&["one, shell, two"]);
    let _ = home
        .tenure(&["reassign", &id, "two"])
        .with_code(4)
        .mentions(&["--reclaim"]);
    let _ = home.tenure(&["reassign", &id, "two", "--reclaim"]).ok();
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["reclaimed", "completed"]);
    assert_eq!(runs(&shown)[0]["profile"], "one");
    assert_eq!(runs(&shown)[1]["profile"], "two");
    let own = add(&home, &["--not-before", "+1h"], &["true"]);
    let _ = home
        .tenure(&["reassign", &own.to_string(), "two"])
        .with_code(4)
        .mentions(&["command of its own"]);
}

fn of_several_tasks_each_is_given_to_the_profile_that_can_have_it(on: Database) {
    let home = on.home_with(
        "[profiles.one]\ncommand = ['true']\nskills = ['rust']\n[profiles.two]\ncommand = ['true']",
    );
    let plain = [home.add_for("one", &[]), home.add_for("one", &[])];
    let skilled = home.add_for("one", &["--skill", "rust"]);
    let ids = [plain[0], skilled, 99, plain[1]].map(|id| id.to_string());
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let line = |more: &[&'static str]| [&["reassign"], all.as_slice(), more].concat();
    let said = home.tenure(&line(&["two", "--json"])).with_code(2).json();
    let oks: Vec<_> = said
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["ok"] == true)
        .collect();
    assert_eq!(oks, [true, false, false, true], "{said:#}");
    let why = said[1]["error"].as_str().unwrap();
    for words in ["task 3", "\"two\"", "rust"] {
        assert!(why.contains(words), "{why}");
    }
    assert_eq!((&said[1]["code"], &said[2]["code"]), (&json!(2), &json!(3)));
    for (task, profile) in [(plain[0], "two"), (plain[1], "two"), (skilled, "one")] {
        assert_eq!(home.show(task)["task"]["assignee"], profile);
    }
    let _ = home
        .tenure(&line(&["three"]))
        .with_code(2)
        .mentions(&["\"three\""]);
    let _ = home.tenure(&["reassign", "1"]).with_code(2);
    let _ = home.tenure(&["reassign", "two", "one"]).with_code(2);
}

fn what_is_put_away_is_listed_only_where_it_is_asked_for(on: Database) {
    let home = on.home();
    let task = add(&home, &[], &["true"]);
    let id = task.to_string();
    let _ = home.tenure(&["block", &id, "--reason", "later"]).ok();
    let _ = home.tenure(&["archive", &id]).ok();
    let listed = |flags: &[&str]| {
        let arguments = [&["list", "--json"], flags].concat();
        home.tenure(&arguments)
            .ok()
            .json()
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((listed(&[]), listed(&["--assignee", "shell"])), (0, 0));
    assert_eq!(
        (listed(&["--all"]), listed(&["--status", "blocked"])),
        (1, 1)
    );
    assert!(home.tenure(&["show", &id]).ok().out.contains("\narchived "));
    let _ = home.tenure(&["promote", &id]).with_code(4);
    let _ = home.tenure(&["unblock", &id]).ok();
    assert_eq!(listed(&[]), 1);
}
