//! A server that hangs, dies or comes back under running workers: nothing starts without it, what runs
//! lives exactly as long as its lease, and nothing that was said or seen meanwhile is lost.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::Connection as _;
use tenure_store::task::{NewTask, Work};
use tenure_tests::home::{Home, event_kinds, outcomes, runs};
use tenure_tests::postgres::{Server, Setup};
use tenure_tests::process::Process;
use tenure_tests::{program, wait_until};

/// The shortest lease that a configuration may have.
const SHORT: &str = "[dispatcher]\nlease = '6s'\nslots = 8";

/// The same as a duration.
const LEASE: Duration = Duration::from_secs(6);

/// A home on a server of its own.
fn home(config: &str) -> Option<(Server, Home)> {
    let server = Server::start(&Setup::default())?;
    let home = Home::on(&server.database(), config);
    Some((server, home))
}

/// Adds a task whose worker is this script; its id.
#[track_caller]
fn script(home: &Home, script: &str) -> i64 {
    let said = home.tenure(&["add", "--json", "--", "sh", "-c", script]);
    said.ok().json()["id"].as_i64().unwrap()
}

/// The worker of a task's newest run.
#[track_caller]
fn worker(home: &Home, task: i64) -> Process {
    let pid = wait_until("the worker's pid is written", || {
        runs(&home.show(task)).last()?["pid"].as_i64()
    });
    Process::now(i32::try_from(pid).unwrap()).expect("it lives")
}

#[test]
fn a_worker_whose_server_hangs_is_dead_before_its_lease_is_over_and_its_task_runs_again() {
    let Some((server, home)) = home(SHORT) else {
        return;
    };
    let dispatcher = home.serve();
    let times = home.at("times");
    let task = script(
        &home,
        &format!(
            "trap '' TERM; [ $TENURE_ATTEMPT = 1 ] || exit 0
             while :; do date +%s.%N >> {times}; sleep 0.05; done"
        ),
    );
    home.until_written("times");
    let first = worker(&home, task);
    let stopped = Timestamp::now();
    server.stop();
    wait_until("the worker is dead", || (!first.lives()).then_some(()));
    let last = home.read("times").lines().last().unwrap().to_owned();
    let last: f64 = last.parse().unwrap();
    let after = last - stopped.as_duration().as_secs_f64();
    // Its last renewal was sent before the server was stopped, so its lease ends before this.
    assert!(after < LEASE.as_secs_f64(), "it worked on for {after} s");
    assert!(after > 3.0, "its lease was not over for long: {after} s");
    server.go_on();
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["interrupted", "completed"], "{shown:#}");
    drop(dispatcher);
}

#[test]
fn what_happens_while_the_server_is_dead_is_known_when_it_is_back() {
    let Some((server, home)) = home("") else {
        return;
    };
    let dispatcher = home.serve();
    let (go, on) = (home.at("go"), home.at("on"));
    let lived = home.add(&[], &["wait-for", &on, "exit", "0"]);
    let failed = home.add(&["--max-failures", "1"], &["wait-for", &go, "exit", "3"]);
    let said = home.at("said");
    let reported = home.add(
        &["--protocol", "report"],
        &[
            "wait-for",
            &go,
            "say",
            &said,
            "complete",
            "without a server",
        ],
    );
    let workers = [lived, failed, reported].map(|task| worker(&home, task));
    server.kill();
    home.touch("go");
    wait_until("two of them ended", || {
        let living = workers.map(Process::lives);
        (living == [true, false, false]).then_some(())
    });
    assert_eq!(home.read("said").trim(), "complete kept");
    server.start_again();
    let shown = home.until(failed, "blocked");
    assert_eq!(outcomes(&shown), ["failed"]);
    assert_eq!(runs(&shown)[0]["exit"]["code"], 3);
    let shown = home.until(reported, "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(runs(&shown)[0]["reason"], "without a server", "{shown:#}");
    home.touch("on");
    let shown = home.until(lived, "done");
    assert_eq!(outcomes(&shown), ["completed"], "it lived through");
    let log = dispatcher.log();
    assert_eq!(log.matches("command started").count(), 3, "{log}");
}

#[test]
fn what_a_warden_without_a_dispatcher_keeps_is_written_when_the_server_is_back() {
    let Some((server, home)) = home("") else {
        return;
    };
    let mut dispatcher = home.serve();
    let (go, said) = (home.at("go"), home.at("said"));
    let task = home.add(
        &["--protocol", "report"],
        &["wait-for", &go, "say", &said, "complete", "all alone"],
    );
    let worker = worker(&home, task);
    server.kill();
    dispatcher.crash();
    home.touch("go");
    wait_until("the worker ended", || (!worker.lives()).then_some(()));
    assert_eq!(home.read("said").trim(), "complete kept");
    server.start_again();
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(runs(&shown)[0]["reason"], "all alone", "{shown:#}");
    assert!(event_kinds(&shown).contains(&"reported"), "{shown:#}");
}

#[test]
fn a_dispatcher_that_is_cut_off_lets_nothing_go_and_every_task_has_its_effect_once() {
    let Some((server, home)) = home(SHORT) else {
        return;
    };
    let dispatcher = home.serve();
    let effects = home.at("effects");
    let line = "{TENURE_TASK_ID} {TENURE_RUN_ID}";
    let worker = program::worker().display().to_string();
    let command = toml::Value::from(vec![worker.as_str(), "append", &effects, line]);
    let file: Vec<String> = (0..40)
        .map(|number| format!("[[task]]\nname = 't{number}'\ncommand = {command}\n"))
        .collect();
    let file = home.write("tasks.toml", &file.concat());
    let file = file.display().to_string();
    let said = home.tenure(&["submit", "--json", &file]).ok().json();
    let tasks: Vec<i64> = said["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["id"].as_i64().unwrap())
        .collect();
    home.until_written("effects");
    server.stop();
    let stopped = Timestamp::now();
    // Longer than any lease that was granted, and its margin.
    wait_until("every lease is over", || {
        let since = Timestamp::now().duration_since(stopped);
        (since > jiff::SignedDuration::from_secs(9)).then_some(())
    });
    let before = home.read("effects");
    server.go_on();
    for task in &tasks {
        let shown = home.until(*task, "done");
        let of_task: Vec<i64> = home
            .read("effects")
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{task} "))?.parse().ok())
            .collect();
        assert_eq!(of_task.len(), 1, "{of_task:?} {shown:#}");
        let started = runs(&shown)
            .iter()
            .find(|run| run["run_id"] == of_task[0])
            .map(|run| run["started_at"].clone());
        assert!(started.is_some_and(|at| !at.is_null()), "{shown:#}");
    }
    assert!(
        before.lines().count() < tasks.len(),
        "it was cut off too late"
    );
    drop(dispatcher);
}

/// How many of these tenure's connections there are, and how many leases end after `after`.
#[derive(Debug)]
struct Seen {
    connections: i64,
    renewed: i64,
}

/// A look at a server past every verb.
struct Look {
    connection: sqlx::PgConnection,
    runtime: tokio::runtime::Runtime,
}

impl Look {
    fn at(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connection = runtime
            .block_on(sqlx::PgConnection::connect(url))
            .expect("the server lets us in");
        Self {
            connection,
            runtime,
        }
    }

    fn number(&mut self, query: &'static str, value: Option<i64>) -> i64 {
        let query = sqlx::query_scalar(query).bind(value);
        self.runtime
            .block_on(query.fetch_one(&mut self.connection))
            .unwrap()
    }

    fn see(&mut self, after: i64) -> Seen {
        let connections = "SELECT count(*) FROM pg_stat_activity
            WHERE application_name LIKE 'tenure%' AND $1 IS NULL";
        let renewed = "SELECT count(*) FROM runs WHERE ended_at IS NULL AND lease_until > $1";
        Seen {
            connections: self.number(connections, None),
            renewed: self.number(renewed, Some(after)),
        }
    }
}

#[test]
fn many_wardens_without_a_dispatcher_hold_hardly_a_connection_and_renew_one_by_one() {
    const WARDENS: i64 = 24;
    let Some(server) = Server::start(&Setup::default()) else {
        return;
    };
    let url = server.database();
    let home = Home::on(&url, "[dispatcher]\nlease = '60s'\nslots = 24");
    let mut dispatcher = home.serve();
    let go = home.at("go");
    let tasks: Vec<i64> = (0..WARDENS)
        .map(|_| home.add(&[], &["wait-for", &go]))
        .collect();
    for task in &tasks {
        worker(&home, *task);
    }
    let mut look = Look::at(&url);
    // Its last word comes to all of them at one moment, so that they would also come at one.
    wait_until("all were renewed together", || {
        let ends = "SELECT count(DISTINCT lease_until) FROM runs WHERE $1 IS NULL";
        (look.number(ends, None) == 1).then_some(())
    });
    dispatcher.crash();
    wait_until("its connections are gone", || {
        (look.see(0).connections == 0).then_some(())
    });
    let last = "SELECT max(lease_until) FROM runs WHERE $1 IS NULL";
    let last = look.number(last, None);
    // Until every warden renewed its lease by itself.
    let mut seen = Vec::new();
    wait_until("all renewed", || {
        let now = look.see(last);
        seen.push(now.connections);
        (now.renewed == WARDENS).then_some(())
    });
    let most = seen.iter().max().unwrap();
    assert!((1..=WARDENS / 3).contains(most), "{seen:?}");
    wait_until("nobody holds a connection", || {
        (look.see(last).connections == 0).then_some(())
    });
    home.touch("go");
    for task in tasks {
        home.until(task, "done");
    }
}

#[test]
fn a_task_that_is_added_on_another_host_starts_at_once() {
    let Some(server) = Server::start(&Setup::default()) else {
        return;
    };
    let home = Home::on(&server.database(), "[dispatcher]\npoll = '1h'");
    let dispatcher = home.serve();
    let store = home.store();
    // By the store alone: nobody pokes.
    let task = || {
        let work = Work::Command(vec!["true".into()]);
        store.wait(store.store.add(NewTask::new(work, "/".into())))
    };
    let first = task().unwrap().id;
    home.until(first.0, "done");
    // Also after the server was away, whatever was added before it can be listened to again.
    server.kill();
    server.start_again();
    let second = task().unwrap().id;
    home.until(second.0, "done");
    drop(dispatcher);
}
