//! A store with one specimen of each stuck state: `diagnose` names each by its rule, the command that
//! it suggests is run as it stands there, and afterwards the rule is silent.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tenure_guard::{BlockKind, Reason, Report, ReportId, Tenure, env};
use tenure_store::life::{End, Exit};
use tenure_store::process::ProcessId;
use tenure_store::start::Start;
use tenure_tests::home::OpenStore;
use tenure_tests::process::{Process, Signal};
use tenure_tests::{Database, Dispatcher, Home, postgres, wait_until};

use crate::claimed;

on_both!(
    a_task_that_a_stopped_dispatcher_does_not_take_is_stranded_until_that_goes_on,
    what_waits_by_design_is_no_warning_and_a_profile_that_cannot_start_says_why,
);

/// Profiles of which the tasks were added, and what became of the configuration since.
const BEFORE: &str = "[profiles.painter]\ncommand = ['true']\nskills = ['oil']\n\
    [profiles.reviewr]\ncommand = ['true']";
const SINCE: &str = "[profiles.painter]\ncommand = ['true']\nskills = ['chalk']\n\
    [profiles.reviewer]\ncommand = ['true']";

/// What stands in the address of a server, and is shown nowhere.
const PASSWORD: &str = "hunter2";

/// A home on a server's database, with a password in its address, which the tests' server does not ask
/// for; none where there is no server.
fn on_a_server(config: &str) -> Option<Home> {
    let url = postgres::database()?;
    let user = "postgres@";
    assert!(url.contains(user), "{url}");
    let url = url.replacen(user, &format!("postgres:{PASSWORD}@"), 1);
    Some(Home::on(&url, config))
}

/// What is found.
#[track_caller]
fn diagnosed(home: &Home) -> Vec<Value> {
    let said = home.tenure(&["diagnose", "--json"]);
    assert!(!said.out.contains(PASSWORD), "{said}");
    said.json()
        .as_array()
        .expect("an array of findings")
        .clone()
}

#[track_caller]
fn of_rule(home: &Home, rule: &str, task: i64) -> Option<Value> {
    let mut found = diagnosed(home).into_iter();
    found.find(|one| one["rule"] == rule && one["task"] == task)
}

/// The rule fires for the task, its mend is run, and the rule falls silent.
#[track_caller]
fn mended(home: &Home, rule: &str, task: i64) {
    let found = of_rule(home, rule, task)
        .unwrap_or_else(|| panic!("{rule}, task {task}: {:#?}", diagnosed(home)));
    for key in ["severity", "run", "evidence"] {
        assert!(found.get(key).is_some(), "{found:#}");
    }
    let mend = found["mend"].as_str().expect("a command");
    let said = home.pasted(mend).output().unwrap();
    assert!(said.status.success(), "{rule}: `{mend}`: {said:?}");
    wait_until(&format!("{rule} is silent after `{mend}`"), || {
        of_rule(home, rule, task).is_none().then_some(())
    });
}

fn hours_ago(home: &Home, task: i64, hours: i64) {
    let back = hours * 3_600_000;
    home.forge(format!(
        "UPDATE tasks SET since = since - {back} WHERE id = {task}"
    ));
}

/// Runs of a task by hand, each to such an end, before anything else that is ready.
struct ByHand<'a> {
    home: &'a Home,
    open: OpenStore,
    priority: i64,
}

impl ByHand<'_> {
    fn add(&mut self, flags: &[&str]) -> i64 {
        self.priority += 1;
        let priority = self.priority.to_string();
        let mut all = vec!["--priority", priority.as_str(), "--backoff", "1ms..1ms"];
        all.extend(flags);
        self.home.add(&all, &["exit", "0"])
    }

    /// Claims the task and starts its run on a host that is not this one.
    #[track_caller]
    fn started(&self, task: i64) -> Tenure {
        let tenure = wait_until("the task is ready again", || {
            let claimed = claimed::claim_if_any(&self.open)?;
            Some(claimed.tenure)
        });
        assert_eq!(tenure.task.0, task);
        let start = Start {
            tenure: tenure.clone(),
            warden: ProcessId {
                host_id: "elsewhere".into(),
                boot_id: "boot".into(),
                pid_namespace: 1,
                pid: 1,
                start_ticks: 1,
                inode: 1,
            },
            socket: "/nowhere".into(),
            log: None,
            lease: std::time::Duration::from_mins(1),
        };
        self.open.wait(self.open.store.start(start)).unwrap();
        tenure
    }

    #[track_caller]
    fn ends(&self, task: i64, end: End) {
        let tenure = self.started(task);
        self.open.wait(self.open.store.end(tenure, end)).unwrap();
    }

    #[track_caller]
    fn blocks(&self, task: i64, id: &str) {
        let tenure = self.started(task);
        let report = Report::Block {
            kind: BlockKind::NeedsInput,
            reason: "which one?".into(),
        };
        let report = self
            .open
            .store
            .report(tenure.clone(), ReportId(id.into()), report);
        self.open.wait(report).unwrap();
        self.open
            .wait(self.open.store.end(tenure, exited(Exit::Code(0))))
            .unwrap();
    }
}

fn exited(exit: Exit) -> End {
    End::Exited {
        exit,
        interrupted: false,
        stood_down: None,
        tree_unverified: false,
        oom: false,
        core: None,
    }
}

#[track_caller]
fn verb(home: &Home, arguments: &[&str]) {
    let _ = home.tenure(arguments).ok();
}

/// A process that carries a run which is closed.
struct Orphan(Child);

impl Orphan {
    fn of(home: &Home, run: i64) -> Self {
        let store: PathBuf = std::fs::read_dir(home.state().join("stores"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .next()
            .unwrap();
        let context = store.join(format!("runs/{run}/context.json"));
        let child = Command::new("sleep")
            .arg("600")
            .env(env::RUN_ID, run.to_string())
            .env(env::CONTEXT, context)
            .stdin(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two runs whose dispatcher is dead: the warden of the one is stopped, that of the other is killed.
fn deserted_runs(home: &Home) -> (i64, i64, Process) {
    let mut dispatcher = home.serve();
    let add = |name: &str| home.add(&[], &["append", &home.at(name), "{pid}", "hang"]);
    let (stopped, killed) = (add("one"), add("two"));
    let warden = |task: i64, name: &str| {
        home.until_written(name);
        let pid = home.show(task)["runs"][0]["warden_pid"].as_i64().unwrap();
        Process::now(i32::try_from(pid).unwrap()).expect("the warden lives")
    };
    let (one, two) = (warden(stopped, "one"), warden(killed, "two"));
    dispatcher.crash();
    two.signal(Signal::KILL);
    wait_until("the warden is dead", || (!two.lives()).then_some(()));
    home.stop(one);
    std::mem::forget(dispatcher);
    (stopped, killed, one)
}

#[test]
fn every_stuck_state_is_named_and_mended_by_the_command_that_is_suggested() {
    every_stuck_state_is_mended(&Home::with(BEFORE));
}

#[test]
fn so_it_is_where_store_and_configuration_are_named_on_the_command_line() {
    every_stuck_state_is_mended(&Home::apart(BEFORE));
}

#[test]
fn so_it_is_on_a_server_and_no_password_is_shown() {
    if let Some(home) = on_a_server(BEFORE) {
        every_stuck_state_is_mended(&home);
        for verb in [&["diagnose"][..], &["explain", "1"]] {
            let said = home.tenure(verb);
            assert!(!said.out.contains(PASSWORD), "{said}");
        }
    }
}

/// `explain` says of a run that nobody attends that its warden is stopped, too.
#[track_caller]
fn is_told_with_its_warden(home: &Home, task: i64) {
    let explained = home.tenure(&["explain", &task.to_string(), "--json"]);
    let reasons = &explained.ok().json()["reasons"];
    assert_eq!(reasons[0]["code"], "warden_stopped", "{reasons:#}");
    assert_eq!(reasons[1]["code"], "unattended", "{reasons:#}");
}

fn every_stuck_state_is_mended(home: &Home) {
    let (stopped, killed, warden) = deserted_runs(home);
    let skills = home.add_for("painter", &["--title", "x", "--skill", "oil"]);
    let profile = home.add_for("reviewr", &["--title", "x"]);
    home.configure(SINCE);
    let mut by_hand = ByHand {
        home,
        open: home.store(),
        priority: 0,
    };
    let failing = by_hand.add(&[]);
    by_hand.ends(failing, exited(Exit::Code(1)));
    by_hand.ends(failing, exited(Exit::Code(1)));
    let crashing = by_hand.add(&[]);
    by_hand.ends(crashing, exited(Exit::Signal(11)));
    by_hand.ends(crashing, exited(Exit::Signal(11)));
    let mute = by_hand.add(&["--protocol", "report"]);
    by_hand.ends(mute, exited(Exit::Code(0)));
    let spoilt = by_hand.add(&[]);
    let reason = Reason::MissingClaimLock;
    by_hand.ends(spoilt, End::StoodDown { reason });
    let unverified = by_hand.add(&[]);
    let unseen = End::Unseen {
        reason: "the warden was killed".into(),
        tree_unverified: true,
    };
    by_hand.ends(unverified, unseen);
    let cycling = by_hand.add(&["--protocol", "report"]);
    by_hand.blocks(cycling, "a");
    verb(home, &["unblock", &cycling.to_string()]);
    by_hand.blocks(cycling, "b");
    let stuck = by_hand.add(&["--protocol", "report"]);
    by_hand.blocks(stuck, "c");
    hours_ago(home, stuck, 25);
    let parent = home.add(&[], &["exit", "0"]);
    let child = home.add(&["--after", &parent.to_string()], &["exit", "0"]);
    let other = home.add(&["--not-before", "+1h"], &["exit", "0"]);
    let gone = home.add(&["--not-before", "+1h"], &["exit", "0"]);
    let [both, first] = [other, gone].map(|id| id.to_string());
    let torn = home.add(&["--after", &both, "--after", &first], &["exit", "0"]);
    verb(home, &["cancel", &parent.to_string(), &first]);
    let paused = home.add(&[], &["exit", "0"]);
    verb(home, &["pause", &paused.to_string()]);
    let run = home.show(failing)["runs"][0]["run_id"].as_i64().unwrap();
    let orphan = Orphan::of(home, run);

    is_told_with_its_warden(home, stopped);
    assert_eq!(home.tenure(&["diagnose"]).code, 1);
    for (rule, task) in [
        ("lease_overdue", stopped),
        ("stale_running_claim", killed),
        ("assignee_profile_not_found", profile),
        ("repeated_failures", failing),
        ("repeated_crashes", crashing),
        ("protocol_violations", mute),
        ("worker_env_malformed", spoilt),
        ("tree_unverified", unverified),
        ("block_unblock_cycling", cycling),
        ("stuck_in_blocked", stuck),
        ("waits_for_ended_parent", child),
        ("waits_for_ended_parent", torn),
        ("held_back", paused),
        ("orphan_worker", failing),
    ] {
        mended(home, rule, task);
    }
    drop(orphan);
    assert_eq!(home.show(torn)["task"]["status"], "todo");
    // What the configuration of whoever asks lacks, a dispatcher's may have.
    let unsure = of_rule(home, "invalid_task_skills", skills).expect("nobody offers the skill");
    assert_eq!(unsure["mend"], Value::Null, "{unsure:#}");
    served(home, || mended(home, "invalid_task_skills", skills));
    warden.signal(Signal::KILL);
}

/// `tenure serve` is the mend of a store that nobody serves; `meanwhile` is done while that lives.
fn served(home: &Home, meanwhile: impl FnOnce()) {
    let nobody = || {
        let mut found = diagnosed(home).into_iter();
        found.find(|one| one["rule"] == "no_dispatcher")
    };
    let nobody_serves = nobody().expect("nobody serves the store");
    let evidence = nobody_serves["evidence"].as_str().unwrap();
    assert!(evidence.contains("the last one (pid "), "{evidence}");
    let mend = nobody_serves["mend"].clone();
    let mut serve = home
        .pasted(&format!("exec {}", mend.as_str().unwrap()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("somebody serves the store", || {
        nobody().is_none().then_some(())
    });
    meanwhile();
    let pid = i32::try_from(serve.id()).unwrap();
    Process::now(pid).unwrap().signal(Signal::TERM);
    serve.wait().unwrap();
}

fn a_task_that_a_stopped_dispatcher_does_not_take_is_stranded_until_that_goes_on(on: Database) {
    let home = on.home();
    let dispatcher: Dispatcher = home.serve();
    assert_eq!(diagnosed(&home), Vec::<Value>::new());
    home.stop(dispatcher.process());
    let task = home.add(&[], &["exit", "0"]);
    let explained = home.tenure(&["explain", &task.to_string(), "--json"]);
    let reason = &explained.ok().json()["reasons"][0];
    assert_eq!(reason["code"], "dispatcher_stopped", "{reason:#}");
    mended(&home, "stranded_in_ready", task);
    home.until(task, "done");
    assert_eq!(diagnosed(&home), Vec::<Value>::new());
}

fn what_waits_by_design_is_no_warning_and_a_profile_that_cannot_start_says_why(on: Database) {
    let home = on.home_with(
        "[dispatcher]\nslots = 1\n[profiles.absent]\ncommand = ['/no/such/program']\n\
        max_failures = 20\nbackoff = { base = '1h', max = '1h' }",
    );
    let _dispatcher = home.serve();
    let tasks: Vec<i64> = (0..3)
        .map(|_| home.add_for("absent", &["--title", "x"]))
        .collect();
    for task in &tasks {
        home.until(*task, "scheduled");
    }
    let held = home.add_for("absent", &["--title", "x"]);
    wait_until("the profile is held back", || {
        let found = of_rule(&home, "held_back", held)?;
        (found["facts"]["why"] == "cannot_spawn").then_some(())
    });
    home.add(&[], &["append", &home.at("began"), "x", "hang"]);
    home.until_written("began");
    let waits = home.add(&[], &["exit", "0"]);
    hours_ago(&home, waits, 2);
    let full = of_rule(&home, "held_back", waits).expect("all slots are taken");
    assert_eq!(full["facts"]["why"], "slots_full");
    assert_eq!(full["mend"], Value::Null);
    let found = diagnosed(&home);
    let all_by_design = found.iter().all(|one| one["severity"] == "info");
    assert!(all_by_design, "{found:#?}");
    let _ = home.tenure(&["diagnose"]).ok();
    // How long it waits is told too, and grows from one look to the next.
    let of_one = home.tenure(&["diagnose", &waits.to_string(), "--json"]);
    let of_one = of_one.json();
    assert_eq!(of_one.as_array().map(Vec::len), Some(1), "{of_one:#}");
    for key in ["rule", "task", "facts"] {
        assert_eq!(of_one[0][key], full[key], "{of_one:#}");
    }
}

#[test]
fn where_there_is_no_store_nothing_is_wrong_and_no_task_is_known() {
    let home = Home::new();
    let said = home.tenure(&["diagnose"]).ok();
    assert_eq!(said.out, "nothing is wrong\n");
    assert_eq!(
        home.tenure(&["diagnose", "--json"]).ok().json(),
        Value::Array(Vec::new())
    );
    assert_eq!(home.tenure(&["diagnose", "7"]).code, 3);
    home.add(&[], &["exit", "0"]);
    assert_eq!(home.tenure(&["diagnose", "7"]).code, 3);
}
