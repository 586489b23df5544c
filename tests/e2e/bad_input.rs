//! Bad input: an error with the name, the value and the way out, and nothing half-done.

use std::path::Path;

use tenure_tests::{Home, Said};

/// Submits a task file that must be refused; nothing of it may be in the store.
#[track_caller]
fn refused(home: &Home, tasks: &str, mentions: &[&str]) {
    let file = home.write("work/tasks.toml", tasks);
    for verb in ["submit", "run"] {
        let _ = home
            .tenure(&[verb, file.to_str().unwrap()])
            .with_code(2)
            .mentions(&["tasks.toml"])
            .mentions(mentions);
    }
    let listed = home.tenure(&["list", "--all", "--json"]).ok().json();
    assert_eq!(listed, serde_json::json!([]), "something was half-done");
}

const GOOD: &str = "[[task]]\nname = 'good'\ncommand = ['true']\n";

#[test]
fn an_unknown_key_in_a_layer_is_named_with_its_layer() {
    let home = Home::new();
    let user = home.path().join(".config/tenure/tenure.toml");
    for (text, key) in [
        ("[dispatcher]\nslotz = 3", "slotz"),
        ("[dispatchers]\nslots = 3", "dispatchers"),
        ("[defaults]\nmax_failure = 3", "max_failure"),
        ("[profiles.x]\ncommand = ['true']\nskill = ['a']", "skill"),
        (
            "[defaults]\nbackoff = { base = '1s', maximum = '2s' }",
            "maximum",
        ),
    ] {
        home.write(".config/tenure/tenure.toml", text);
        for verb in [&["add", "--", "true"][..], &["serve"], &["config", "show"]] {
            let _ = home
                .tenure(verb)
                .with_code(2)
                .mentions(&[user.to_str().unwrap(), key]);
        }
        home.write(".config/tenure/tenure.toml", "");
        let other = home.write("work/other.toml", text);
        let _ = home
            .tenure(&["config", "show", "--config", other.to_str().unwrap()])
            .with_code(2)
            .mentions(&["other.toml", key]);
    }
    let slots =
        |name: &str, value: &str| Said::by(home.command(&["config", "show"]).env(name, value));
    let _ = slots("TENURE__DISPATCHER__SLOTZ", "3")
        .with_code(2)
        .mentions(&["TENURE__DISPATCHER__SLOTZ"]);
    let _ = slots("TENURE__DISPATCHER__SLOTS", "many")
        .with_code(2)
        .mentions(&["TENURE__DISPATCHER__SLOTS", "many"]);
    assert!(!home.state().exists(), "something was half-done");
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_its_key() {
    let home = Home::new();
    for (text, mentions) in [
        ("[dispatcher]\nslots = 0", &["slots", "0"][..]),
        ("[dispatcher]\nlease = '1s'", &["lease", "1s", "6s"]),
        ("[dispatcher]\nkill_grace = 10", &["kill_grace"]),
        (
            "[dispatcher]\nkill_grace = '10'",
            &["kill_grace", "10", "90s"],
        ),
        (
            "[dispatcher]\non_stop = 'explode'",
            &["on_stop", "explode", "drain"],
        ),
        (
            "[dispatcher]\nlog_max_bytes = '64 parsecs'",
            &["log_max_bytes", "64 parsecs"],
        ),
        ("[defaults]\nmax_failures = 0", &["max_failures", "0"]),
        (
            "[defaults]\nprotocol = 'telepathy'",
            &["protocol", "telepathy", "report"],
        ),
        ("[defaults]\ntempfail_exit = 300", &["tempfail_exit", "300"]),
        ("[store]\nurl = 'mysql://host/db'", &["url", "mysql"]),
        ("[profiles.x]\ncommand = []", &["profiles.x", "command"]),
        (
            "[profiles.x]\nprotocol = 'exit'",
            &["profiles.x", "command"],
        ),
        ("[profiles.Upper]\ncommand = ['true']", &["Upper"]),
        (
            "[profiles.shell]\ncommand = ['true']",
            &["shell", "command"],
        ),
        (
            "[profiles.x]\ncommand = ['run', '{task.colour}']",
            &["profiles.x", "{task.colour}", "{task.id}"],
        ),
        (
            "[profiles.x]\ncommand = ['true']\nenv = { TENURE_RUN_ID = '9' }",
            &["profiles.x", "TENURE_RUN_ID"],
        ),
        ("[dispatcher\nslots = 3", &["tenure.toml"]),
    ] {
        home.write(".config/tenure/tenure.toml", text);
        let _ = home.tenure(&["serve"]).with_code(2).mentions(mentions);
    }
    assert!(!home.state().exists(), "something was half-done");
}

#[test]
fn a_task_file_is_refused_whole_and_says_which_task_and_why() {
    let home = Home::with(&Home::profile("known", "skills = ['rust']", &["exit", "0"]));
    for (task, mentions) in [
        (
            "[[task]]\nname = 'a'\ncommand = ['true']\ncolour = 'red'",
            &["colour"][..],
        ),
        ("[[tasks]]\nname = 'a'\ncommand = ['true']", &["tasks"]),
        ("[profiles.x]\ncommand = ['true']", &["profiles"]),
        (
            "[[task]]\nname = 'a'\ncommand = ['true']\nafter = ['b']\n\
          [[task]]\nname = 'b'\ncommand = ['true']\nafter = ['c']\n\
          [[task]]\nname = 'c'\ncommand = ['true']\nafter = ['a']",
            &["cycle", "a", "b", "c"],
        ),
        (
            "[[task]]\nname = 'a'\ncommand = ['true']\nafter = ['a']",
            &["a"],
        ),
        (
            "[[task]]\nname = 'a'\ncommand = ['true']\nafter = ['nobody']",
            &["a", "after", "nobody"],
        ),
        (
            "[[task]]\nname = 'a'\nassignee = 'nobody'",
            &["a", "nobody", "known"],
        ),
        (
            "[[task]]\nname = 'a'\nassignee = 'known'\nskills = ['cobol']",
            &["a", "cobol", "rust"],
        ),
        (
            "[[task]]\nname = 'a'\nassignee = 'known'\ncommand = ['true']",
            &["a", "command", "assignee"],
        ),
        ("[[task]]\nname = 'a'", &["a", "command", "assignee"]),
        ("[[task]]\nname = 'a'\ncommand = []", &["a", "command"]),
        (
            "[[task]]\nname = 'a'\ncommand = ['true']\nenv = { TENURE_RUN_ID = '9' }",
            &["a", "TENURE_RUN_ID"],
        ),
        (
            "[[task]]\nname = 'a'\ncommand = ['true']\nmax_runtime = '5'",
            &["max_runtime", "5"],
        ),
        (
            "[[task]]\nname = 'a'\ncommand = ['true']\nmax_failures = 0",
            &["a", "max_failures"],
        ),
        (
            "[[task]]\nname = 'a'\ncommand = ['true']\nnot_before = 'soon'",
            &["not_before", "soon"],
        ),
        ("[[task]]\nname = 'good'\ncommand = ['true']", &["good"]),
    ] {
        refused(&home, &format!("{GOOD}{task}\n"), mentions);
    }
}

#[test]
fn an_unknown_name_under_add_is_named_and_nothing_is_added() {
    let home = Home::with(&Home::profile("known", "skills = ['rust']", &["exit", "0"]));
    for (arguments, code, mentions) in [
        (&["add"][..], 2, &["command", "assignee"][..]),
        (
            &["add", "--assignee", "known", "--", "true"],
            2,
            &["command", "assignee"],
        ),
        (&["add", "--assignee", "nobody"], 2, &["nobody", "known"]),
        (
            &["add", "--assignee", "known", "--skill", "cobol"],
            2,
            &["cobol", "rust"],
        ),
        (
            &["add", "--env", "TENURE_RUN_ID=9", "--", "true"],
            2,
            &["TENURE_RUN_ID"],
        ),
        (&["add", "--env", "novalue", "--", "true"], 2, &["novalue"]),
        (
            &["add", "--max-runtime", "90", "--", "true"],
            2,
            &["90", "90s"],
        ),
        (&["add", "--priority", "high", "--", "true"], 2, &["high"]),
        (&["add", "--not-before", "soon", "--", "true"], 2, &["soon"]),
        (&["add", "--after", "4711", "--", "true"], 3, &["4711"]),
        (&["add", "--after", "0", "--", "true"], 3, &["0"]),
        (&["add", "--skill", "", "--", "true"], 2, &["--skill"]),
        (
            &["add", "--max-failures", "few", "--", "true"],
            2,
            &["few", "whole number"],
        ),
        (
            &["add", "--backoff", "5s..1s", "--", "true"],
            2,
            &["--backoff:", "5s", "1s"],
        ),
    ] {
        let _ = home.tenure(arguments).with_code(code).mentions(mentions);
    }
    assert_eq!(
        home.tenure(&["list", "--all", "--json"]).ok().json(),
        serde_json::json!([])
    );
}

#[test]
fn a_missing_task_file_is_named() {
    let home = Home::new();
    let _ = home
        .tenure(&["submit", "no-such.toml"])
        .mentions(&["no-such.toml"]);
    assert!(!Path::new(&home.at("no-such.toml")).exists());
    assert!(!home.state().exists(), "something was half-done");
}

#[test]
fn content_that_cannot_be_taken_leaves_no_store_behind() {
    let home = Home::new();
    for (line, mentions) in [
        ("title = ' '", "title"),
        ("key = ''", "key"),
        ("skills = ['']", "skills"),
    ] {
        let text = format!("[[task]]\ncommand = ['true']\n{line}\n");
        let file = home.write("work/tasks.toml", &text);
        for verb in ["submit", "run"] {
            let _ = home
                .tenure(&[verb, file.to_str().unwrap()])
                .with_code(2)
                .mentions(&["tasks.toml", mentions]);
        }
    }
    let _ = home
        .tenure(&["add", "--title", "", "--", "true"])
        .with_code(2)
        .mentions(&["title"]);
    assert!(!home.state().exists(), "something was half-done");
}
