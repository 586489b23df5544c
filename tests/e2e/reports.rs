//! What a worker reports decides, whatever its exit says.

use tenure_tests::Database;
use tenure_tests::home::{outcomes, runs};
use tenure_tests::process::Process;

on_both!(
    a_worker_that_reports_complete_and_then_ends_badly_is_completed,
    children_start_only_after_the_whole_tree_of_their_parent_is_dead,
    each_report_leads_where_its_word_says,
    a_worker_reports_through_the_program_that_started_it,
    a_child_is_told_what_came_of_its_parents_and_of_earlier_attempts,
);

fn a_worker_that_reports_complete_and_then_ends_badly_is_completed(on: Database) {
    let home = on.home_with("[dispatcher]\nfinish_grace = '300ms'\nkill_grace = '300ms'");
    let _dispatcher = home.serve();
    for badly in [
        &["exit", "1"][..],
        &["signal", "11"],
        &["abort"],
        &["hang"],
        &["ignore-term", "hang"],
        &["exit", "79"],
    ] {
        let steps = [&["complete", "it is done"][..], badly].concat();
        let shown = home.until(home.add(&[], &steps), "done");
        assert_eq!(outcomes(&shown), ["completed"], "{badly:?}");
        assert_eq!(runs(&shown)[0]["reason"], "it is done");
        assert!(
            runs(&shown)[0]["exit"].is_object(),
            "the kernel's word is kept"
        );
    }
}

fn children_start_only_after_the_whole_tree_of_their_parent_is_dead(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let (left, seen) = (home.at("left"), home.at("seen"));
    let steps = [
        "orphan",
        "ignore-term",
        "append",
        &left,
        "{pid}",
        "hang",
        "end",
        "wait-for",
        &left,
        "complete",
        "done",
        "hang",
    ];
    let parent = home.add(&[], &steps);
    let script = format!("if kill -0 $(cat {left}); then echo alive; else echo dead; fi > {seen}");
    let after = parent.to_string();
    let added = home.tenure(&[
        "add", "--json", "--after", &after, "--", "sh", "-c", &script,
    ]);
    let child = added.ok().json()["id"].as_i64().unwrap();
    home.until(child, "done");
    assert_eq!(home.read("seen"), "dead\n");
    let orphan = home.read("left").trim().parse().unwrap();
    assert!(Process::now(orphan).is_none_or(|process| !process.lives()));
    assert_eq!(outcomes(&home.show(parent)), ["completed"]);
}

fn each_report_leads_where_its_word_says(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let blocked = home.until(home.add(&[], &["block", "which colour?"]), "blocked");
    assert_eq!(outcomes(&blocked), ["blocked"]);
    assert_eq!(blocked["task"]["block_kind"], "needs_input");
    assert!(
        blocked["task"]["block_reason"]
            .as_str()
            .unwrap()
            .contains("which colour?")
    );
    assert_eq!(blocked["task"]["failures"], 0);

    let failed = home.until(home.add(&[], &["fail", "no such colour"]), "blocked");
    assert_eq!(outcomes(&failed), ["failed"]);
    assert_eq!(runs(&failed)[0]["reason"], "no such colour");
    assert_eq!(failed["task"]["block_kind"], "gave_up");

    let deferred = home.until(home.add(&[], &["defer", "3600000", "quota"]), "scheduled");
    assert_eq!(outcomes(&deferred), ["deferred"]);
    assert_eq!(deferred["task"]["defers"], 1);
    assert!(deferred["task"]["not_before"].is_string());
}

fn a_worker_reports_through_the_program_that_started_it(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let run = |script: &str, status: &str| {
        let added = home
            .tenure(&[
                "add",
                "--json",
                "--protocol",
                "report",
                "--",
                "sh",
                "-euc",
                script,
            ])
            .ok();
        home.until(added.json()["id"].as_i64().unwrap(), status)
    };
    let shown = run(
        r#""$TENURE_BIN" guard check --json
           "$TENURE_BIN" heartbeat --note counting
           "$TENURE_BIN" comment "halfway"
           "$TENURE_BIN" complete --summary "42 files" --metadata '{"files": 42}'"#,
        "done",
    );
    assert_eq!(runs(&shown)[0]["reason"], "42 files");
    assert_eq!(runs(&shown)[0]["note"], "counting");
    assert_eq!(shown["comments"][0]["text"], "halfway");
    let log = home
        .tenure(&["log", &shown["task"]["id"].to_string()])
        .ok()
        .out;
    assert!(log.contains(r#"{"verdict":"owned"}"#), "{log}");

    let shown = run(
        r#""$TENURE_BIN" defer --for 1h --reason quota"#,
        "scheduled",
    );
    assert_eq!(outcomes(&shown), ["deferred"]);
    let shown = run(
        r#""$TENURE_BIN" block --kind capability --reason "no key""#,
        "blocked",
    );
    assert_eq!(shown["task"]["block_kind"], "capability");
    let shown = run(r#""$TENURE_BIN" fail --reason "no luck""#, "blocked");
    assert_eq!(runs(&shown)[0]["reason"], "no luck");
    // The breaker's kind is not a worker's to take.
    let shown = run(
        r#""$TENURE_BIN" block --kind gave_up --reason no || "$TENURE_BIN" complete --summary refused"#,
        "done",
    );
    assert_eq!(runs(&shown)[0]["reason"], "refused");
}

fn a_child_is_told_what_came_of_its_parents_and_of_earlier_attempts(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let go = home.at("go");
    let parent = home.add(
        &["--title", "the parent"],
        &["wait-for", &go, "complete", "the parent's summary"],
    );
    let script =
        "[ $TENURE_ATTEMPT = 1 ] && exit 3; cat \"$TENURE_CONTEXT\" > context; echo >> context";
    let after = parent.to_string();
    let added = home.tenure(&[
        "add",
        "--json",
        "--after",
        &after,
        "--body",
        "what to do",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let child = added.ok().json()["id"].as_i64().unwrap();
    let _ = home
        .tenure(&["comment", &child.to_string(), "mind the step"])
        .ok();
    home.touch("go");
    home.until(child, "done");
    let context: serde_json::Value = serde_json::from_str(&home.read("context")).unwrap();
    assert_eq!(context["version"], 1);
    assert_eq!(context["task"]["id"], child);
    assert_eq!(context["task"]["body"], "what to do");
    assert_eq!(context["parents"][0]["title"], "the parent");
    assert_eq!(context["parents"][0]["summary"], "the parent's summary");
    assert_eq!(context["attempts"][0]["outcome"], "failed");
    assert_eq!(context["attempts"][0]["reason"], "exit 3");
    assert_eq!(context["comments"][0]["text"], "mind the step");
}
