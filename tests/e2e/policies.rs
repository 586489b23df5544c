//! What follows from what, and what was said beforehand about ends.

use tenure_tests::home::{event_kinds, outcomes, runs};
use tenure_tests::slot::Slot;
use tenure_tests::{Database, Home, Said};

on_both!(
    a_clean_up_runs_after_a_failure_and_knows_what_it_cleans_up_after,
    a_batch_whose_clean_up_was_not_needed_went_well,
    a_worker_that_needs_another_task_first_waits_behind_it,
    a_rule_about_an_exit_speaks_for_worker_profile_and_flag,
    what_is_said_wrong_beforehand_is_refused_by_its_flag_or_key,
);

fn a_clean_up_runs_after_a_failure_and_knows_what_it_cleans_up_after(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let go = home.at("go");
    let parent = home.add(&[], &["wait-for", &go, "exit", "7"]);
    let after = parent.to_string();
    let script = "cat \"$TENURE_CONTEXT\" > context; echo >> context";
    let child = id(&home.tenure(&[
        "add",
        "--json",
        "--after-failure",
        &after,
        "--",
        "sh",
        "-c",
        script,
    ]));
    let last = id(&home.tenure(&["add", "--json", "--after-any-end", &after, "--", "true"]));
    let next = id(&home.tenure(&["add", "--json", "--after", &after, "--", "true"]));
    home.touch("go");
    home.until(child, "done");
    home.until(last, "done");
    let context: serde_json::Value = serde_json::from_str(&home.read("context")).unwrap();
    assert_eq!(context["parents"][0]["outcome"], "failed");
    assert_eq!(context["parents"][0]["reason"], "exit 7");
    assert_eq!(context["parents"][0]["status"], "blocked");
    assert_eq!(home.show(next)["task"]["status"], "todo");
}

fn id(said: &Said) -> i64 {
    serde_json::from_str::<serde_json::Value>(&said.out).unwrap()["id"]
        .as_i64()
        .unwrap()
}

fn a_batch_whose_clean_up_was_not_needed_went_well(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _slot = Slot::take();
    let file = home.write(
        "work/batch.toml",
        r#"
        [[task]]
        name = "work"
        command = ["sh", "-c", "exit ${CODE:-0}"]

        [[task]]
        name = "clean-up"
        after_failure = ["work"]
        command = ["true"]

        [[task]]
        name = "and its own"
        after_failure = ["clean-up"]
        command = ["true"]

        [[task]]
        name = "last"
        after_any_end = ["work", "clean-up"]
        command = ["true"]
        "#,
    );
    let said = home.tenure(&["run", file.to_str().unwrap()]).ok();
    assert!(
        said.out.contains("2 of 4 tasks done, 2 not needed"),
        "{said}"
    );
    let failing = std::fs::read_to_string(&file)
        .unwrap()
        .replace("${CODE:-0}", "5");
    let file = home.write("work/failing.toml", &failing);
    let said = home.tenure(&["run", file.to_str().unwrap()]).with_code(1);
    assert!(
        said.out
            .contains("2 of 4 tasks done, 1 not needed, 1 blocked"),
        "{said}"
    );
    assert!(said.out.contains("exit 5"), "{said}");
}

fn a_worker_that_needs_another_task_first_waits_behind_it(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let go = home.at("go");
    let other = home.add(&[], &["wait-for", &go]);
    let behind = other.to_string();
    let script = format!(
        "[ $TENURE_ATTEMPT = 1 ] || exit 0; \
         \"$TENURE_BIN\" block --after $TENURE_TASK_ID 2> refused; echo $? >> refused; \
         exec \"$TENURE_BIN\" block --after {behind} --reason 'its numbers'"
    );
    let waiter = id(&home.tenure(&["add", "--json", "--", "sh", "-c", &script]));
    let shown = home.until(waiter, "todo");
    assert_eq!(outcomes(&shown), ["blocked"]);
    assert_eq!(shown["parents"][0]["id"], other);
    assert!(event_kinds(&shown).contains(&"linked"));
    let refused = home.read("refused");
    assert!(refused.contains("cannot wait for itself"), "{refused}");
    assert!(refused.trim_end().ends_with('4'), "{refused}");
    home.touch("go");
    let shown = home.until(waiter, "done");
    assert_eq!(outcomes(&shown), ["blocked", "completed"]);
    // A person blocks otherwise.
    let said = home
        .tenure(&["block", &behind, "--after", "1"])
        .with_code(2);
    assert!(said.err.contains("--after"), "{said}");
}

fn a_rule_about_an_exit_speaks_for_worker_profile_and_flag(on: Database) {
    let home = on.home_with(&Home::profile(
        "careful",
        "on_exit = { 2 = 'block:capability', SIGKILL = 'block:operator' }",
        &["exit", "2"],
    ));
    let _dispatcher = home.serve();
    let by_profile = home.add_for("careful", &[]);
    let shown = home.until(by_profile, "blocked");
    assert_eq!(shown["task"]["block_kind"], "capability");
    assert_eq!(outcomes(&shown), ["blocked"]);
    let reason = runs(&shown)[0]["reason"].as_str().unwrap();
    assert_eq!(reason, "exit 2: on_exit says 2 = block:capability");
    let by_flag = home.add_for("careful", &["--on-exit", "2=give_up"]);
    let shown = home.until(by_flag, "blocked");
    assert_eq!(shown["task"]["block_kind"], "gave_up");
    assert_eq!(outcomes(&shown), ["failed"]);
    let deferred = home.add(&["--on-exit", "137=defer:1h"], &["signal", "9"]);
    let shown = home.until(deferred, "scheduled");
    assert_eq!(outcomes(&shown), ["deferred"]);
}

fn what_is_said_wrong_beforehand_is_refused_by_its_flag_or_key(on: Database) {
    let home = on.home();
    for (flags, words) in [
        (["--on-exit", "0=retry"], "1 to 255"),
        (["--on-exit", "2"], "2=block:needs_input"),
        (["--on-exit", "2=explode"], "give_up is expected"),
        (["--backoff-by", "deferred=1s..2s"], "defer_for"),
        (
            ["--backoff-by", "timed_out=9s..2s"],
            "backoff_by.timed_out.max",
        ),
        (["--limit", "2"], "--limit-key"),
        (["--max-blocks", "0"], "max_blocks"),
    ] {
        let said = home
            .tenure(&["add", flags[0], flags[1], "--", "true"])
            .with_code(2);
        assert!(said.err.contains(words), "{flags:?}: {said}");
    }
    for (key, words) in [
        ("on_exit = { 2 = 'explode' }", "explode"),
        (
            "backoff_by = { completed = { base = '1s', max = '2s' } }",
            "completed",
        ),
        ("max_blocks = 0", "max_blocks"),
    ] {
        home.configure(&format!("[defaults]\n{key}"));
        let said = home.tenure(&["config", "show"]).with_code(2);
        assert!(said.err.contains(words), "{key}: {said}");
    }
}
