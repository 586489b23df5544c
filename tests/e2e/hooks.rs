//! Hooks: programs that are told of events.

use serde_json::Value;
use tenure_tests::home::{Home, event_kinds};
use tenure_tests::process::Signal;
use tenure_tests::{Database, program, wait_until};

on_both!(
    a_hook_is_told_of_its_kind_of_event_with_the_event_and_as_a_person,
    a_dispatcher_that_starts_tells_nothing_of_what_was_before_the_first_hook,
    what_was_being_told_when_the_dispatcher_was_killed_is_told_again,
    a_hook_that_fails_is_tried_again_and_holds_up_nothing,
    a_hook_that_cannot_be_told_is_an_event_that_tells_no_hook,
    what_a_hook_leaves_running_ends_with_it_and_all_of_it_with_the_dispatcher,
    a_reload_takes_new_hooks_and_a_wrong_one_is_refused_by_name,
    hooks_work_where_the_warden_is_no_program_of_its_own,
    a_hook_that_hangs_and_one_that_is_missing_hold_up_nobody_and_the_missing_one_is_named_once,
);

/// A hook that is a shell script of the home's.
fn hook(home: &Home, script: &str) -> Value {
    let path = home.write("hook", script);
    serde_json::json!(["/bin/sh", path])
}

fn configure(home: &Home, kind: &str, argv: &Value) {
    home.configure(&format!("[hooks]\n{kind} = {argv}\n"));
}

/// The lines of a file that a hook wrote, as soon as there are so many.
fn lines(home: &Home, name: &str, count: usize) -> Vec<String> {
    wait_until(&format!("{count} lines in {name}"), || {
        let text = std::fs::read_to_string(home.at(name)).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// The hook of every test that only wants to know what was told.
fn teller(home: &Home) -> Value {
    let told = home.at("told");
    hook(home, &format!("cat >> {told}\n"))
}

fn a_hook_is_told_of_its_kind_of_event_with_the_event_and_as_a_person(on: Database) {
    let home = on.home();
    let (told, env) = (home.at("told"), home.at("env"));
    let script = format!(
        "cat >> {told}\nenv | sort > {env}.new\n\"$TENURE_BIN\" comment \"$TENURE_EVENT_TASK_ID\" 'seen by a hook'\nmv {env}.new {env}\n"
    );
    configure(&home, "ended", &hook(&home, &script));
    let _dispatcher = home.serve();
    let task = home.add(&[], &["exit", "0"]);
    let event: Value = serde_json::from_str(&lines(&home, "told", 1)[0]).unwrap();
    assert_eq!(event["kind"], "ended");
    assert_eq!(event["task_id"], task);
    assert_eq!(event["payload"]["outcome"], "completed");
    let all = home.tenure(&["events", "--json"]).ok().json_lines();
    assert!(all.contains(&event), "it is as `events --json` shows it");
    let env = home.until_written("env");
    for line in [
        "TENURE_EVENT_KIND=ended".to_owned(),
        format!("TENURE_EVENT_TASK_ID={task}"),
        format!("TENURE_EVENT_ID={}", event["id"]),
        format!("TENURE_EVENT_RUN_ID={}", event["run_id"]),
        format!("HOME={}", home.path().display()),
    ] {
        assert!(
            env.lines().any(|found| found == line),
            "{line} is missing: {env}"
        );
    }
    assert!(!env.contains("TENURE_TASK_ID"), "{env}");
    wait_until("the hook commented", || {
        let shown = home.show(task);
        let comments = shown["comments"].as_array().unwrap();
        (comments.first()?["text"] == "seen by a hook").then_some(())
    });
}

fn a_dispatcher_that_starts_tells_nothing_of_what_was_before_the_first_hook(on: Database) {
    let home = on.home();
    configure(&home, "added", &teller(&home));
    home.add(&[], &["exit", "0"]);
    let _dispatcher = home.serve();
    let second = home.add(&[], &["exit", "0"]);
    let event: Value = serde_json::from_str(&lines(&home, "told", 1)[0]).unwrap();
    assert_eq!(event["task_id"], second);
}

fn what_was_being_told_when_the_dispatcher_was_killed_is_told_again(on: Database) {
    let home = on.home();
    let (told, hold) = (home.at("told"), home.at("hold"));
    home.touch("hold");
    let script = format!("cat >> {told}\nwhile [ -e {hold} ]; do sleep 0.05; done\n");
    configure(&home, "added", &hook(&home, &script));
    let mut dispatcher = home.serve();
    let first = home.add(&[], &["exit", "0"]);
    lines(&home, "told", 1);
    dispatcher.crash();
    std::fs::remove_file(hold).unwrap();
    dispatcher.launch_again(&home);
    dispatcher.until_ready();
    let told = lines(&home, "told", 2);
    assert_eq!(told[0], told[1]);
    // And then it goes on.
    let second = home.add(&[], &["exit", "0"]);
    let ids: Vec<i64> = lines(&home, "told", 3)
        .iter()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["task_id"]
                .as_i64()
                .unwrap()
        })
        .collect();
    assert_eq!(ids, [first, first, second]);
}

fn a_hook_that_fails_is_tried_again_and_holds_up_nothing(on: Database) {
    let home = on.home();
    let tries = home.at("tries");
    let script = format!(
        "echo x >> {tries}\n[ $(wc -l < {tries}) -ge 2 ] || {{ echo not yet >&2; exit 3; }}\n"
    );
    configure(&home, "added", &hook(&home, &script));
    let dispatcher = home.serve();
    let task = home.add(&[], &["exit", "0"]);
    home.until(task, "done");
    lines(&home, "tries", 2);
    let log = dispatcher.log();
    let line = log
        .lines()
        .find(|line| line.contains("hook failed: trying again"));
    assert!(
        line.unwrap_or_default().contains("exit 3: not yet"),
        "{log}"
    );
}

fn a_hook_that_cannot_be_told_is_an_event_that_tells_no_hook(on: Database) {
    let home = on.home();
    configure(&home, "\"*\"", &serde_json::json!(["/nonexistent/hook"]));
    let _dispatcher = home.serve();
    let task = home.add(&["--delay", "1h"], &["exit", "0"]);
    let failed = wait_until("the hook is given up", || {
        let shown = home.show(task);
        let events = shown["events"].as_array()?;
        events
            .iter()
            .find(|event| event["kind"] == "hook_failed")
            .cloned()
    });
    let payload = &failed["payload"];
    assert_eq!(payload["event_kind"], "added");
    assert_eq!(payload["program"], "/nonexistent/hook");
    let reason = payload["reason"].as_str().unwrap();
    assert!(reason.contains("cannot be executed"), "{reason}");
    assert_eq!(event_kinds(&home.show(task)), ["added", "hook_failed"]);
    let doctor = home.tenure(&["doctor"]);
    assert!(
        doctor.out.contains("/nonexistent/hook is not there"),
        "{doctor}"
    );
}

fn what_a_hook_leaves_running_ends_with_it_and_all_of_it_with_the_dispatcher(on: Database) {
    let home = on.home();
    let (left, kept) = (home.at("left"), home.at("kept"));
    let script = format!(
        "(trap '' TERM; while :; do sleep 0.05; done) & echo $! >> {left}\n[ $TENURE_EVENT_KIND = added ] || {{ echo $$ > {kept}; sleep 600; }}\n"
    );
    configure(&home, "\"*\"", &hook(&home, &script));
    let mut dispatcher = home.serve();
    let task = home.add(&[], &["exit", "0"]);
    home.until(task, "done");
    let left: i32 = lines(&home, "left", 1)[0].parse().unwrap();
    let is_gone = |pid: i32| tenure_tests::process::Process::now(pid).is_none();
    wait_until("what the hook left is gone", || is_gone(left).then_some(()));
    let kept: i32 = home.until_written("kept").trim().parse().unwrap();
    assert!(!is_gone(kept));
    dispatcher.signal(Signal::TERM);
    dispatcher.ended();
    wait_until("the hook ended with the dispatcher", || {
        is_gone(kept).then_some(())
    });
}

fn a_reload_takes_new_hooks_and_a_wrong_one_is_refused_by_name(on: Database) {
    let home = on.home();
    let dispatcher = home.serve();
    configure(&home, "added", &teller(&home));
    dispatcher.signal(Signal::HUP);
    wait_until("the hooks are in force", || {
        dispatcher.log().contains("hooks.added").then_some(())
    });
    // Told of what comes once it began to tell, which nobody waits for.
    wait_until("a hook was told", || {
        home.add(&[], &["exit", "0"]);
        std::fs::read_to_string(home.at("told")).ok()
    });
    for (hooks, words) in [
        ("endet = ['x']", ["hooks.endet", "event kind"]),
        ("hook_failed = ['x']", ["hooks.hook_failed", "leave it out"]),
        ("ended = []", ["hooks.ended", "name a program"]),
        ("ended = 'x'", ["ended", "expected a sequence"]),
    ] {
        home.configure(&format!("[hooks]\n{hooks}\n"));
        let _ = home
            .tenure(&["config", "show"])
            .with_code(2)
            .mentions(&words);
    }
}

fn hooks_work_where_the_warden_is_no_program_of_its_own(on: Database) {
    let mut home = on.home();
    home.lone_program();
    configure(&home, "added", &teller(&home));
    let _dispatcher = home.serve();
    let worker = program::worker().display().to_string();
    let _ = home.tenure(&["add", "--", &worker, "exit", "0"]).ok();
    lines(&home, "told", 1);
}

fn a_hook_that_hangs_and_one_that_is_missing_hold_up_nobody_and_the_missing_one_is_named_once(
    on: Database,
) {
    let home = on.home();
    let (told, hung) = (home.at("told"), home.at("hung"));
    let works = home.write("works", &format!("cat >> {told}\n"));
    let hangs = home.write("hangs", &format!("echo $$ >> {hung}\nsleep 600\n"));
    home.configure(&format!(
        "[hooks]\nadded = ['/bin/sh', '{}']\nclaimed = ['/nonexistent/hook']\n'*' = ['/bin/sh', '{}']\n",
        hangs.display(),
        works.display(),
    ));
    let _dispatcher = home.serve();
    let tasks: Vec<i64> = (0..8).map(|_| home.add(&[], &["exit", "0"])).collect();
    for task in &tasks {
        home.until(*task, "done");
    }
    let events = home.tenure(&["events", "--json"]).ok().json_lines();
    let is_told = |event: &&Value| event["kind"] != "hook_failed";
    let events: Vec<&Value> = events.iter().filter(is_told).collect();
    let told = lines(&home, "told", events.len());
    let told = told.iter().map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(
        told.collect::<Vec<Value>>(),
        events.into_iter().cloned().collect::<Vec<_>>()
    );
    assert_eq!(lines(&home, "hung", 1).len(), 1, "it is run once at a time");
    let failed = home.tenure(&["events", "--json", "--kind", "hook_failed"]);
    let failed = failed.ok().json_lines();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0]["payload"]["program"], "/nonexistent/hook");
    let reason = failed[0]["payload"]["reason"].as_str().unwrap();
    assert!(reason.contains("cannot be executed"), "{reason}");
}
