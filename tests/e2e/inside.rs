//! What a worker does besides reporting: adds tasks to its own store, looks around there, and names
//! the files that came of its work.

use std::process::Stdio;

use serde_json::Value;
use tenure_tests::{Database, Home, wait_until};

use crate::claimed;

on_both!(
    a_worker_fans_out_and_is_on_record_as_the_creator,
    what_a_worker_cannot_add_it_is_told_with_what_there_is,
    a_stale_worker_adds_nothing_and_a_request_adds_once,
    a_worker_adds_while_its_dispatcher_is_gone_and_while_its_store_is_away,
    a_batch_waits_for_what_its_workers_add,
    the_files_that_came_of_a_task_are_shown_and_told_to_its_children,
);

/// A task whose worker is a shell that speaks through the command line.
fn add_script(home: &Home, script: &str) -> i64 {
    let said = home.tenure(&["add", "--json", "--", "sh", "-c", script]);
    said.ok().json()["id"].as_i64().unwrap()
}

fn a_worker_fans_out_and_is_on_record_as_the_creator(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let script = r#"
        "$TENURE_BIN" add --json --title child --after "$TENURE_TASK_ID" -- pwd > added.part || exit 1
        "$TENURE_BIN" show --json > own.part || exit 1
        "$TENURE_BIN" list --json > list.part || exit 1
        "$TENURE_BIN" list --status done --limit 5 || exit 1
        mv own.part own; mv list.part list; mv added.part added"#;
    let task = add_script(&home, script);
    home.until(task, "done");
    let json = |name: &str| serde_json::from_str::<Value>(&home.read(name)).unwrap();
    let child = json("added")["id"].as_i64().unwrap();
    assert_eq!(json("added")["created"], true);
    assert_eq!(json("own")["task"]["id"], task);
    assert_eq!(json("own")["runs"][0]["status"], "running");
    assert_eq!(json("list").as_array().unwrap().len(), 2);

    let shown = home.until(child, "done");
    assert_eq!(shown["task"]["created_by"], format!("task {task}"));
    assert_eq!(
        shown["task"]["created_by_run"],
        home.show(task)["runs"][0]["run_id"]
    );
    assert_eq!(shown["parents"][0]["id"], task);
    // The caller's folder, as outside.
    assert_eq!(shown["task"]["cwd"], home.work().display().to_string());
    let own = home.show(task);
    let by = own["task"]["created_by"].as_str().unwrap();
    assert!(!by.is_empty() && !by.starts_with("task"), "{by}");
    let text = home.tenure(&["show", &child.to_string()]).ok().out;
    assert!(text.contains(&format!("by task {task}, run")), "{text}");
}

fn what_a_worker_cannot_add_it_is_told_with_what_there_is(on: Database) {
    let home = on.home_with(&Home::profile(
        "reviewer",
        "skills = ['rust']",
        &["exit", "0"],
    ));
    let _dispatcher = home.serve();
    let script = r#"
        for flags in "--assignee revewer" "--assignee reviewer --skill cobol" "--after 99 --assignee reviewer"; do
            "$TENURE_BIN" add $flags 2>> problems; echo "$?" >> codes
        done
        "$TENURE_BIN" show 99 2>> problems; echo "$?" >> codes
        echo all >> codes"#;
    let task = add_script(&home, script);
    home.until(task, "done");
    assert_eq!(home.read("codes"), "4\n4\n4\n4\nall\n");
    let problems = home.read("problems");
    for word in [
        "revewer",
        "reviewer, shell",
        "cobol",
        "it offers: rust",
        "no task has the id 99",
    ] {
        assert!(problems.contains(word), "{word:?} is not in {problems}");
    }
    let all = home.tenure(&["list", "--all", "--json"]).ok().json();
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
}

fn a_stale_worker_adds_nothing_and_a_request_adds_once(on: Database) {
    let home = on.home_with("[dispatcher]\nkill_grace = '20s'");
    let task = home.add(&[], &["exit", "0"]);
    let open = home.store();
    let old = claimed::claim(&open).tenure;
    let (said, go, began) = (home.at("said"), home.at("go"), home.at("began"));
    let steps = [
        "ignore-term",
        "say",
        &said,
        "add-twice",
        "twins",
        "look",
        "append",
        &began,
        "{pid}",
        "wait-for",
        &go,
        "add",
        "too late",
        "look",
    ];
    let mut warden = claimed::exec(&home, &old, &steps)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    home.until_written("began");
    let answers: Vec<String> = home.read("said").lines().map(str::to_owned).collect();
    let twins: Vec<&str> = answers[0].split(' ').skip(1).collect();
    assert_eq!(twins[0], twins[1], "one request added two tasks");
    assert_eq!(answers[1], format!("look {task} 0"));
    wait_until("the worker's pid is noted", || {
        home.show(task)["runs"][0]["pid"].as_i64()
    });
    claimed::take_back(&open, &old);
    home.touch("go");
    let answers = wait_until("the stale worker tried everything", || {
        let said = home.read("said");
        (said.lines().count() == 4).then_some(said)
    });
    for answer in answers.lines().skip(2) {
        assert!(
            answer.ends_with("not_owner:task_not_running:ready"),
            "{answer}"
        );
    }
    wait_until("the stale worker's warden is gone", || {
        warden.try_wait().ok().flatten()
    });
    let all = home.tenure(&["list", "--all", "--json"]).ok().json();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
}

fn a_worker_adds_while_its_dispatcher_is_gone_and_while_its_store_is_away(on: Database) {
    let home = on.home_with("[dispatcher]\non_stop = 'detach'");
    let mut dispatcher = home.serve();
    let script = r#"
        echo began > began; while [ ! -e go ]; do sleep 0.05; done
        "$TENURE_BIN" add --title orphaned -- true > added.part && mv added.part added"#;
    let task = add_script(&home, script);
    home.until_written("began");
    let locked = home.lock_store();
    dispatcher.crash();
    home.touch("go");
    // Long enough for both ways to fail once.
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(
        home.read("added"),
        "",
        "an add was answered without a store"
    );
    drop(locked);
    let added = home.until_written("added");
    let _dispatcher = home.serve();
    home.until(task, "done");
    let shown = home.until(added.trim().parse().unwrap(), "done");
    assert_eq!(shown["task"]["title"], "orphaned");
}

fn a_batch_waits_for_what_its_workers_add(on: Database) {
    let home = on.home();
    let file = home.write(
        "work/batch.toml",
        r#"
[[task]]
name = "planner"
command = ["sh", "-c", '"$TENURE_BIN" add --title leaf -- sh -c "sleep 1; echo leaf >> leaves"']
"#,
    );
    let said = home
        .tenure(&["run", &file.display().to_string(), "--json"])
        .ok();
    assert_eq!(home.read("leaves"), "leaf\n", "{}", said.err);
}

fn the_files_that_came_of_a_task_are_shown_and_told_to_its_children(on: Database) {
    let home = on.home_with("[defaults]\nprotocol = 'report'");
    let _dispatcher = home.serve();
    let script = r#"
        "$TENURE_BIN" complete --summary well --artifact report.pdf --artifact /srv/data"#;
    let parent = add_script(&home, script);
    let child =
        r#"cp "$TENURE_CONTEXT" context.part && mv context.part context && "$TENURE_BIN" complete"#;
    let said = home.tenure(&[
        "add",
        "--json",
        "--after",
        &parent.to_string(),
        "--",
        "sh",
        "-c",
        child,
    ]);
    let child = said.ok().json()["id"].as_i64().unwrap();
    home.until(child, "done");
    let context: Value = serde_json::from_str(&home.read("context")).unwrap();
    let files = serde_json::json!([home.at("report.pdf"), "/srv/data"]);
    assert_eq!(context["parents"][0]["artifacts"], files);
    assert_eq!(
        home.show(parent)["runs"][0]["report"]["complete"]["artifacts"],
        files
    );
    let text = home.tenure(&["show", &parent.to_string()]).ok().out;
    assert!(text.contains("artifact    /srv/data"), "{text}");
}

/// Which of these shells are here.
fn shell(name: &str) -> bool {
    let known = std::process::Command::new(name)
        .arg("-c")
        .arg("exit 0")
        .status();
    known.is_ok_and(|status| status.success())
}

#[test]
fn shells_complete_the_verbs() {
    let home = Home::new();
    for (name, file, ask) in [
        (
            "bash",
            "tenure.bash",
            "source \"$1\"; COMP_WORDS=(tenure sub); COMP_CWORD=1; _tenure tenure sub tenure; echo \"${COMPREPLY[@]}\"",
        ),
        (
            "fish",
            "tenure.fish",
            "source $argv[1]; complete -C 'tenure sub'",
        ),
    ] {
        let script = home.tenure(&["completions", name]).ok();
        let path = home.write(file, &script.out);
        if !shell(name) {
            eprintln!("SKIPPED: there is no {name} here");
            continue;
        }
        let mut command = std::process::Command::new(name);
        command.args(["-c", ask]);
        if name == "bash" {
            command.arg("bash");
        }
        let said = tenure_tests::Said::by(command.arg(path)).ok();
        assert!(said.out.contains("submit"), "{name}: {}", said.out);
    }
    let zsh = home.tenure(&["completions", "zsh"]).ok();
    assert!(zsh.out.starts_with("#compdef tenure"), "{}", zsh.out);
    if shell("zsh") {
        let path = home.write("_tenure", &zsh.out);
        let mut command = std::process::Command::new("zsh");
        let _ = tenure_tests::Said::by(command.arg("-n").arg(path)).ok();
    }
    let _ = home.tenure(&["completions", "tcsh"]).with_code(2);
}
