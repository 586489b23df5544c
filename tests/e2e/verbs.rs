//! What the reading verbs show, and what they leave alone.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use tenure_tests::home::runs;
use tenure_tests::{Database, Home, Said};

on_both!(
    list_and_show_have_the_shapes_that_scripts_rely_on,
    a_long_list_says_how_many_more_there_are,
    wait_tells_by_its_code_how_it_came_out,
    wait_warns_where_no_dispatcher_lives,
    a_log_is_what_the_worker_wrote_and_can_be_followed_to_its_end,
    events_can_be_followed_as_they_happen,
    what_a_reader_closes_early_ends_without_a_panic,
    what_is_written_in_a_title_reaches_no_terminal_raw,
    every_whole_number_is_an_id_and_one_that_no_task_has_is_code_3,
);

#[test]
fn tenure_alone_says_what_it_can_do_and_exits_2() {
    let home = Home::new();
    let said = home.tenure(&[]).with_code(2);
    assert!(
        format!("{}{}", said.out, said.err).contains("serve"),
        "{said}"
    );
    let _ = home
        .tenure(&["no-such-verb"])
        .with_code(2)
        .mentions(&["no-such-verb"]);
    let _ = home.tenure(&["help"]).ok();
}

#[test]
fn verbs_that_read_create_nothing_and_show_an_empty_store() {
    let home = Home::new();
    assert_eq!(
        home.tenure(&["list", "--json"]).ok().json(),
        serde_json::json!([])
    );
    let _ = home.tenure(&["list"]).ok();
    assert_eq!(home.tenure(&["events", "--json"]).ok().out, "");
    let _ = home.tenure(&["show", "1"]).with_code(3);
    let _ = home.tenure(&["wait", "1"]).with_code(3);
    let _ = home.tenure(&["config", "show"]).ok();
    let _ = home.tenure(&["version", "--json"]).ok().json();
    assert!(
        !home.path().join(".local").exists(),
        "a reading verb made a folder"
    );
}

/// A parent that is done, and its child, which waits for its time.
fn parent_and_child(home: &Home) -> (i64, i64) {
    let parent = home.add(
        &["--title", "the parent", "--priority", "3"],
        &["exit", "0"],
    );
    let flags = [
        "--after",
        &parent.to_string(),
        "--not-before",
        "+1h",
        "--key",
        "k",
    ];
    (parent, home.add(&flags, &["exit", "0"]))
}

fn list_and_show_have_the_shapes_that_scripts_rely_on(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let (parent, child) = parent_and_child(&home);
    let shown = home.until(parent, "done");
    let task = &shown["task"];
    assert_eq!(task["id"], parent);
    assert_eq!(task["title"], "the parent");
    assert_eq!(task["assignee"], "shell");
    assert_eq!(task["priority"], 3);
    for key in ["block_kind", "block_reason", "current_run_id"] {
        assert!(
            task.get(key).is_some_and(Value::is_null),
            "{key} in {task:#}"
        );
    }
    assert_eq!(task["failures"], 0);
    let run = &runs(&shown)[0];
    assert_eq!(run["attempt"], 1);
    assert_eq!(run["status"], "ended");
    assert_eq!(run["outcome"], "completed");
    assert_eq!(run["exit"], serde_json::json!({"code": 0}));
    for key in ["run_id", "pid", "warden_pid"] {
        assert!(run[key].is_i64(), "{key} in {run:#}");
    }
    for key in ["started_at", "ended_at", "log", "reason"] {
        assert!(run[key].is_string(), "{key} in {run:#}");
    }
    for event in shown["events"].as_array().unwrap() {
        assert!(
            event["id"].is_i64() && event["task_id"] == parent,
            "{event}"
        );
        assert!(
            event["kind"].is_string() && event["at"].is_string(),
            "{event}"
        );
        assert!(
            event["payload"].is_object() && event.get("run_id").is_some(),
            "{event}"
        );
    }
    show_has_children(&home, &shown, child);
    list_has_ids(&home, parent, child);
    let told = home
        .tenure(&["runs", &parent.to_string(), "--json"])
        .ok()
        .json();
    assert_eq!(&told, &shown["runs"]);
}

#[track_caller]
fn show_has_children(home: &Home, shown: &Value, child: i64) {
    let related = serde_json::json!([{
        "id": child, "title": home.show(child)["task"]["title"], "status": "scheduled",
        "kind": "success", "met_at": shown["children"][0]["met_at"]
    }]);
    assert_eq!(shown["children"], related);
    assert!(
        shown["children"][0]["met_at"].is_string(),
        "the parent is done"
    );
    assert_eq!(shown["parents"], serde_json::json!([]));
}

#[track_caller]
fn list_has_ids(home: &Home, parent: i64, child: i64) {
    let ids = |arguments: &[&str]| -> Vec<i64> {
        let listed = home.tenure(arguments).ok().json();
        let rows = listed.as_array().unwrap();
        rows.iter().filter_map(|row| row["id"].as_i64()).collect()
    };
    assert_eq!(ids(&["list", "--json"]), [child]);
    assert_eq!(ids(&["list", "--json", "--status", "done"]), [parent]);
    assert_eq!(ids(&["list", "--json", "--all", "--limit", "1"]).len(), 1);
    assert_eq!(
        ids(&["list", "--json", "--all", "--assignee", "nobody"]),
        [0; 0]
    );
    let mut all = ids(&["list", "--json", "--all"]);
    all.sort_unstable();
    assert_eq!(all, [parent, child]);
}

/// A task file with so many tasks.
fn many(count: usize) -> String {
    let task = |number| format!("[[task]]\nname = 't{number}'\ncommand = ['true']\n");
    (0..count).map(task).collect::<Vec<_>>().concat()
}

fn a_long_list_says_how_many_more_there_are(on: Database) {
    let home = on.home();
    let file = home.write("work/many.toml", &many(53));
    let submitted = home
        .tenure(&["submit", "--json", file.to_str().unwrap()])
        .ok()
        .json();
    assert_eq!(submitted["tasks"].as_array().unwrap().len(), 53);
    assert_eq!(submitted["tasks"][7]["name"], "t7");
    assert_eq!(submitted["tasks"][7]["created"], true);
    let said = home.tenure(&["list"]).ok();
    assert!(
        format!("{}{}", said.out, said.err).contains("3 more"),
        "{said}"
    );
    assert_eq!(
        home.tenure(&["list", "--json"])
            .ok()
            .json()
            .as_array()
            .unwrap()
            .len(),
        53
    );
}

#[test]
fn the_store_can_be_named_before_and_after_the_verb_and_by_a_variable() {
    let home = Home::new();
    let db = home.at("other.db");
    let _ = home.tenure(&["--db", &db, "add", "--", "true"]).ok();
    let _ = home.tenure(&["add", "--db", &db, "--", "true"]).ok();
    let url = format!("sqlite://{db}");
    let _ = Said::by(home.command(&["add", "--", "true"]).env("TENURE_DB", &url)).ok();
    let listed = home.tenure(&["list", "--json", "--db", &url]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert!(
        !home.state().join("tenure.db").exists(),
        "the default store was made"
    );
}

fn wait_tells_by_its_code_how_it_came_out(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let good = home.add(&[], &["sleep", "300"]).to_string();
    let bad = home.add(&[], &["exit", "1"]).to_string();
    let never = home
        .add(&["--not-before", "+1h"], &["exit", "0"])
        .to_string();
    let _ = home.tenure(&["wait", &good]).ok();
    let _ = home.tenure(&["wait", &good, &bad]).with_code(1);
    let _ = home
        .tenure(&["wait", &never, "--timeout", "200ms"])
        .with_code(75);
}

fn wait_warns_where_no_dispatcher_lives(on: Database) {
    let home = on.home();
    let task = home.add(&[], &["exit", "0"]).to_string();
    let _ = home
        .tenure(&["wait", &task, "--timeout", "200ms"])
        .with_code(75)
        .mentions(&["dispatcher"]);
}

fn a_log_is_what_the_worker_wrote_and_can_be_followed_to_its_end(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 2");
    let _dispatcher = home.serve();
    let go = home.at("go");
    let steps = [
        "print",
        "one",
        "print-error",
        "two",
        "wait-for",
        &go,
        "print",
        "three",
    ];
    let task = home.add(&[], &steps).to_string();
    home.until(task.parse().unwrap(), "running");
    let follower = home
        .command(&["log", "-f", &task])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    home.touch("go");
    let told = Said::to_its_end(follower, "tenure log -f".to_owned()).ok();
    assert_eq!(told.out, "one\ntwo\nthree\n");
    assert_eq!(home.tenure(&["log", &task]).ok().out, "one\ntwo\nthree\n");

    let script = "echo attempt $TENURE_ATTEMPT; exit 1";
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-c", script])
        .ok()
        .json();
    let shown = home.until(added["id"].as_i64().unwrap(), "blocked");
    let (id, first) = (
        added["id"].to_string(),
        runs(&shown)[0]["run_id"].to_string(),
    );
    assert_eq!(home.tenure(&["log", &id]).ok().out, "attempt 2\n");
    assert_eq!(
        home.tenure(&["log", &id, "--run", &first]).ok().out,
        "attempt 1\n"
    );
    let _ = home.tenure(&["log", &id, "--run", "4711"]).with_code(3);
}

fn events_can_be_followed_as_they_happen(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let mut follower = home
        .command(&["events", "-f", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let first = home.add(&[], &["exit", "0"]);
    home.until(first, "done");
    // However late the follower began, it sees what comes from now on.
    let second = home.add(&[], &["exit", "0"]);
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "ended") {
        let line = lines.next().expect("the stream goes on").unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["task_id"] == second {
            kinds.push(event["kind"].as_str().unwrap().to_owned());
        }
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert_eq!(kinds, ["added", "claimed", "started", "ended"]);
}

fn what_a_reader_closes_early_ends_without_a_panic(on: Database) {
    let home = on.home();
    let file = home.write("work/many.toml", &many(2000));
    let _ = home.tenure(&["submit", file.to_str().unwrap()]).ok();
    let mut lister = home
        .command(&["list", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(lister.stdout.take());
    let said = Said::to_its_end(lister, "tenure list | head".to_owned());
    assert!(!said.err.contains("panicked"), "{said}");
}

#[test]
fn the_configuration_is_shown_without_a_password() {
    let home = Home::with("[store]\nurl = 'postgres://user:hunter2@host/db'");
    let said = home.tenure(&["config", "show"]).ok();
    assert!(said.out.contains("slots = 4"), "{said}");
    assert!(said.out.contains("postgres://user@host/db"), "{said}");
    assert!(!format!("{said}").contains("hunter2"), "{said}");
    let json = home.tenure(&["config", "show", "--json"]).ok();
    assert!(!json.out.contains("hunter2"), "{json}");
    let _ = json.json();
}

fn what_is_written_in_a_title_reaches_no_terminal_raw(on: Database) {
    let home = on.home();
    home.add(&["--title", "red \u{1b}[31m alert \u{7}"], &["exit", "0"]);
    for arguments in [&["list"][..], &["show", "1"]] {
        let said = home.tenure(arguments).ok();
        assert!(said.out.contains("alert"), "{said}");
        assert!(
            !said.out.contains('\u{1b}') && !said.out.contains('\u{7}'),
            "{said:?}"
        );
    }
}

#[test]
fn each_layer_of_the_configuration_outranks_the_one_before() {
    let home = Home::with("[dispatcher]\nslots = 3\npoll = '3s'\nlease = '33s'");
    let file = home.write("work/other.toml", "[dispatcher]\nslots = 4\npoll = '4s'\n");
    let shown = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.command(&["config", "show", "--json"]);
        let said = Said::by(command.args(arguments).envs(variables.iter().copied())).ok();
        let dispatcher = said.json()["dispatcher"].clone();
        ["slots", "poll", "lease"].map(|key| dispatcher[key].to_string())
    };
    assert_eq!(shown(&[], &[]), ["3", "\"3s\"", "\"33s\""]);
    let file = ["--config", file.to_str().unwrap()];
    assert_eq!(shown(&file, &[]), ["4", "\"4s\"", "\"33s\""]);
    let variables = [("TENURE__DISPATCHER__SLOTS", "5")];
    assert_eq!(shown(&file, &variables), ["5", "\"4s\"", "\"33s\""]);
}

#[test]
fn the_state_folder_of_a_service_is_where_systemd_says() {
    let home = Home::new();
    let state = home.path().join("state");
    let mut command = home.command(&["add", "--", "true"]);
    let _ = Said::by(command.env("STATE_DIRECTORY", &state)).ok();
    assert!(state.join("tenure.db").exists());
    assert_eq!(tenure_tests::home::mode(&state), 0o700);
    assert!(!home.path().join(".local").exists());
}

fn every_whole_number_is_an_id_and_one_that_no_task_has_is_code_3(on: Database) {
    let home = on.home();
    let verbs = [
        "show", "runs", "log", "events", "wait", "cancel", "stop", "retry", "unblock", "reclaim",
    ];
    let asked = |code: i32| {
        for id in ["0", "-1", "4711"] {
            for verb in verbs {
                let _ = home.tenure(&[verb, id]).with_code(code).mentions(&[id]);
            }
        }
    };
    asked(3);
    assert!(!home.state().exists(), "a store was made for no task");
    home.add(&[], &["exit", "0"]);
    asked(3);
    let _ = home.tenure(&["log", "1", "--run", "0"]).with_code(3);
    let _ = home
        .tenure(&["show", "one"])
        .with_code(2)
        .mentions(&["one"]);
}

#[test]
fn what_is_said_in_words_may_begin_with_a_dash_but_not_be_nothing() {
    let home = Home::new();
    let flags = ["--title", "- one", "--body", "--two"];
    let task = home.add(&flags, &["exit", "0"]).to_string();
    let shown = home.show(1);
    assert_eq!(shown["task"]["title"], "- one");
    assert_eq!(shown["task"]["body"], "--two");
    for nothing in ["", " "] {
        let _ = home.tenure(&["comment", &task, nothing]).with_code(2);
        let _ = home
            .tenure(&["block", &task, "--reason", nothing])
            .with_code(2)
            .mentions(&["--reason"]);
    }
    let _ = home
        .tenure(&["block", &task])
        .with_code(2)
        .mentions(&["--reason"]);
    let _ = home.tenure(&["block", &task, "--reason", "- three"]).ok();
    assert_eq!(home.show(1)["task"]["block_reason"], "- three");
    assert_eq!(home.show(1)["comments"], serde_json::json!([]));
}

#[test]
fn inside_a_worker_no_verb_finds_a_store_by_itself() {
    let home = Home::new();
    home.add(&[], &["exit", "0"]);
    let db = home.state().join("tenure.db").display().to_string();
    let within = |arguments: &[&str]| Said::by(home.command(arguments).env("TENURE_TASK_ID", "1"));
    for verb in [
        &["events"][..],
        &["runs", "1"],
        &["cancel", "1"],
        &["config", "show"],
        &["serve"],
    ] {
        let _ = within(verb).with_code(4).mentions(&["--db", "TENURE_DB"]);
    }
    // These are a worker's too, who shows its identity.
    for verb in [&["list"][..], &["show", "1"], &["add", "--", "true"]] {
        let _ = within(verb).with_code(79);
    }
    for verb in [&["list"][..], &["show", "1"], &["config", "show"]] {
        let _ = within(&[verb, &["--db", &db]].concat()).ok();
    }
}
