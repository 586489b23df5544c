//! Measures how long verbs take on a store of many tasks, and whether that grows with the number of
//! finished ones. It judges nothing: figures depend on the machine, so no test asserts them.
//!
//! ```text
//! cargo build --release -p tenure -p tenure-tests && target/release/verbs-at-scale \
//!     [--tasks N] [--events N] [--factor N] [--runs N] [--postgres 1]
//! ```
//!
//! A tenth of `--tasks` is unfinished: ready behind a full cap, ready behind a limit key, paused,
//! scheduled, waiting for parents, blocked by people and by the breaker. The rest is finished. A real
//! dispatcher serves the store. Each verb is run `--runs` times, each time as a process of its own;
//! then there are `--factor` times as many finished tasks, and each verb is run again. Beside the time
//! from start to end stands the time that the process had a core for, which other programs on the machine
//! hardly change, and of which the ratio is taken; a server's share of the work is not in it.

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};
use tenure_store::StoreUrl;
use tenure_store::life::{End, Exit, Limits};
use tenure_tests::flags::Flags;
use tenure_tests::{Home, postgres, wait_until};

const FLAGS: [(&str, u64); 5] = [
    ("tasks", 100_000),
    ("events", 1_000_000),
    ("factor", 10),
    ("runs", 20),
    ("postgres", 0),
];

/// Two profiles: one whose cap is full while its first tasks run, and the tasks' own commands.
const CONFIG: &str = r#"
[dispatcher]
slots = 8

[profiles.capped]
command = ["sleep", "36000"]
max_running = 2
"#;

/// A day, in the store's unit.
const DAY_MS: u64 = 86_400_000;

fn main() -> ExitCode {
    let flags = match Flags::given(&FLAGS) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let home = if flags.get("postgres") == 0 {
        Home::with(CONFIG)
    } else {
        let Some(url) = postgres::database() else {
            return ExitCode::FAILURE;
        };
        Home::on(&url, CONFIG)
    };
    measure(&home, &flags);
    ExitCode::SUCCESS
}

fn measure(home: &Home, flags: &Flags) {
    let (tasks, events) = (flags.get("tasks"), flags.get("events"));
    let finished = tasks - tasks / 10;
    let mut bulk = Bulk::of(home);
    bulk.unfinished(tasks / 10);
    bulk.finish(finished, events / tasks.max(1));
    bulk.settle();
    let dispatcher = home.serve();
    wait_until("the caps are full", || {
        let running = bulk.number("SELECT count(*) FROM tasks WHERE status = 'running'");
        (running == 3).then_some(())
    });
    let ids = bulk.specimens();

    let few = round(home, &ids, flags.count("runs"));
    let more = finished * (flags.get("factor").max(1) - 1);
    // What is written for a task that goes straight to its end: four events.
    bulk.finish(more, 4);
    bulk.settle();
    let many = round(home, &ids, flags.count("runs"));

    println!(
        "{} tasks, {} of them finished; then {} more finished ones, {} events in all",
        tasks,
        finished,
        more,
        bulk.number("SELECT count(*) FROM events"),
    );
    println!(
        "{:<32} {:>8} {:>8} {:>8} | {:>8} {:>8} {:>8} | {:>6}",
        "milliseconds", "p50", "p95", "core p50", "p50", "p95", "core p50", "ratio"
    );
    for (few, many) in few.iter().zip(&many) {
        let [few_p50, few_p95, few_core] = few.figures();
        let [many_p50, many_p95, many_core] = many.figures();
        println!(
            "{:<32} {few_p50:>8.1} {few_p95:>8.1} {few_core:>8.1} | \
             {many_p50:>8.1} {many_p95:>8.1} {many_core:>8.1} | {:>6.2}",
            few.verb,
            many_core / few_core,
        );
    }
    drop(dispatcher);
}

/// How long one verb took, each time, and how long it had a core; in milliseconds, sorted.
struct Taken {
    verb: String,
    all: Vec<f64>,
    core: Vec<f64>,
}

impl Taken {
    fn figures(&self) -> [f64; 3] {
        let at = |sorted: &[f64], percent: usize| sorted[(sorted.len() - 1) * percent / 100];
        [at(&self.all, 50), at(&self.all, 95), at(&self.core, 50)]
    }
}

/// Each verb so many times.
fn round(home: &Home, ids: &[(&'static str, i64)], runs: usize) -> Vec<Taken> {
    let mut lines: Vec<(String, Vec<String>)> = [
        "version",
        "list",
        "list --json --limit 50",
        "list --all --limit 50",
        "list --status done --limit 50",
        "list --status ready --limit 50",
        "stats",
        "diagnose",
        "diagnose --json",
        "doctor",
    ]
    .iter()
    .map(|line| {
        let words = line.split(' ').map(str::to_owned).collect();
        ((*line).to_owned(), words)
    })
    .collect();
    for (what, id) in ids {
        for verb in ["show", "explain", "runs", "events", "diagnose"] {
            let words = vec![verb.to_owned(), id.to_string()];
            lines.push((format!("{verb} ({what})"), words));
        }
    }
    // A task that is added, and taken back: what writing costs.
    lines.push((
        "add".to_owned(),
        ["add", "--not-before", "+1000h", "--", "true"]
            .map(str::to_owned)
            .to_vec(),
    ));
    lines
        .into_iter()
        .map(|(verb, words)| {
            // The first one warms the pages of whatever it reads, as anybody's second one finds them.
            time(home, &words);
            let (mut all, mut core): (Vec<f64>, Vec<f64>) =
                (0..runs.max(1)).map(|_| time(home, &words)).unzip();
            all.sort_by(f64::total_cmp);
            core.sort_by(f64::total_cmp);
            Taken { verb, all, core }
        })
        .collect()
}

/// Milliseconds from the start of a process to its end, and those for which it had a core.
fn time(home: &Home, words: &[String]) -> (f64, f64) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = home.command(&words);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let (began, core) = (Instant::now(), childrens_core());
    let status = command.status().expect("tenure can be started");
    let taken = (millis(began.elapsed()), childrens_core() - core);
    // 1 is a finding of `diagnose` or `doctor`.
    assert!(
        matches!(status.code(), Some(0 | 1)),
        "{words:?} ended with {status}"
    );
    taken
}

/// How many milliseconds the children that were waited for had a core.
fn childrens_core() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("one may ask that of oneself");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0)))
        .map(millis)
        .sum()
}

fn millis(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1000.0
}

/// Writes rows past every verb, many in a statement.
struct Bulk {
    connection: Open,
    runtime: tokio::runtime::Runtime,
    /// Now, by this machine's clock.
    now: i64,
}

enum Open {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Bulk {
    fn of(home: &Home) -> Self {
        // It makes the tables.
        drop(home.store());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let connection = runtime.block_on(async {
            match home.store_url() {
                StoreUrl::Sqlite(path) => {
                    let options = sqlx::sqlite::SqliteConnectOptions::new()
                        .filename(path)
                        .busy_timeout(Duration::from_mins(1))
                        .pragma("synchronous", "off");
                    Open::Sqlite(options.connect().await.expect("the store can be opened"))
                }
                StoreUrl::Postgres(url) => Open::Postgres(
                    PgConnection::connect(url)
                        .await
                        .expect("the store can be opened"),
                ),
            }
        });
        Self {
            connection,
            runtime,
            now: jiff::Timestamp::now().as_millisecond(),
        }
    }

    fn execute(&mut self, statement: String) {
        let statement = AssertSqlSafe(statement);
        let done = match &mut self.connection {
            Open::Sqlite(connection) => self
                .runtime
                .block_on(connection.execute(statement))
                .map(drop),
            Open::Postgres(connection) => self
                .runtime
                .block_on(connection.execute(statement))
                .map(drop),
        };
        done.expect("rows can be written");
    }

    fn number(&mut self, query: &'static str) -> i64 {
        let answer = match &mut self.connection {
            Open::Sqlite(connection) => self
                .runtime
                .block_on(sqlx::query_scalar(query).fetch_one(connection)),
            Open::Postgres(connection) => self
                .runtime
                .block_on(sqlx::query_scalar(query).fetch_one(connection)),
        };
        answer.expect("a number")
    }

    /// So many tasks with these columns, minute by minute back from now; `i` counts them.
    fn tasks(&mut self, count: u64, columns: &str, values: &str) {
        let now = self.now;
        self.execute(format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO tasks (title, body, cwd, env, skills, limits, priority, created_at,
                 updated_at, since, queued_at, {columns})
             SELECT 'task ' || i, '', '/', '{{}}', '[]', '{{}}', 0, {now} - i * 60000,
                 {now} - i * 60000, {now} - i * 60000, {now} - i * 60000, {values}
             FROM n WHERE {count} > 0"
        ));
    }

    /// What is not finished, of each kind its share.
    fn unfinished(&mut self, count: u64) {
        let now = self.now;
        let own = "assignee, command, status, pending_parents";
        let capped = "assignee, status, pending_parents";
        let later = now + 36_000_000;
        let share = |percent: u64| count * percent / 100;
        self.tasks(share(35), capped, "'capped', 'ready', 0");
        self.tasks(
            share(15),
            &format!("{own}, lane, limit_key, key_limit"),
            r#"'shell', '["sleep", "36000"]', 'ready', 0, '{"limit_key":"one"}', 'one', 1"#,
        );
        self.tasks(
            share(10),
            &format!("{own}, paused_at"),
            &format!(r#"'shell', '["true"]', 'ready', 0, {now}"#),
        );
        self.tasks(
            share(15),
            &format!("{own}, not_before"),
            &format!(r#"'shell', '["true"]', 'scheduled', 0, {later}"#),
        );
        self.tasks(
            share(10),
            &format!("{capped}, block_kind, block_reason, attempts, failures"),
            "'capped', 'blocked', 0, 'gave_up', 'max_failures: 3 failures in a row', 3, 3",
        );
        self.tasks(
            share(5),
            &format!("{own}, block_kind, block_reason, attempts, blocks"),
            r#"'shell', '["true"]', 'blocked', 0, 'needs_input', 'which one?', 1, 1"#,
        );
        self.tasks(share(10), own, r#"'shell', '["true"]', 'todo', 1"#);
        // Each of those waits for one that gave up.
        self.execute(
            "INSERT INTO task_links (parent_id, child_id)
             SELECT (SELECT min(id) FROM tasks WHERE block_kind = 'gave_up'), id
             FROM tasks WHERE status = 'todo'"
                .to_owned(),
        );
        self.runs_of("status = 'blocked' AND block_kind = 'gave_up'", "failed", 3);
        self.runs_of(
            "status = 'blocked' AND block_kind <> 'gave_up'",
            "blocked",
            1,
        );
        self.events("status NOT IN ('done', 'cancelled')", 6);
    }

    /// More tasks that have run and are done or cancelled, each with its events.
    fn finish(&mut self, count: u64, events: u64) {
        let last = self.number("SELECT coalesce(max(id), 0) FROM tasks");
        let own = "assignee, command, status, pending_parents, attempts";
        let cancelled = count / 50;
        self.tasks(
            count - cancelled,
            own,
            r#"'shell', '["true"]', 'done', 0, 1"#,
        );
        self.tasks(cancelled, own, r#"'shell', '["true"]', 'cancelled', 0, 1"#);
        self.runs_of(&format!("id > {last} AND status = 'done'"), "completed", 1);
        self.runs_of(
            &format!("id > {last} AND status = 'cancelled'"),
            "cancelled",
            1,
        );
        self.events(&format!("id > {last}"), events);
    }

    /// Closed runs of the tasks that these words choose.
    fn runs_of(&mut self, chosen: &str, outcome: &str, each: u64) {
        let limits = serde_json::to_string(&Limits::default()).expect("limits are JSON");
        let seen = End::Exited {
            exit: Exit::Code(0),
            interrupted: false,
            stood_down: None,
            tree_unverified: false,
            oom: false,
        };
        let seen = serde_json::to_string(&seen).expect("an end is JSON");
        for attempt in 1..=each {
            self.execute(format!(
                "INSERT INTO runs (task_id, attempt, dispatcher_id, claim_lock, profile, limits,
                     claimed_at, lease_until, seen, outcome, reason, ended_at)
                 SELECT id, {attempt}, 'bulk', 'bulk:' || id || ':{attempt}', assignee, '{limits}',
                     updated_at - 2000, updated_at, '{seen}',
                     '{outcome}', 'as it was written', updated_at
                 FROM tasks WHERE {chosen}"
            ));
        }
    }

    /// So many events for each of the tasks that these words choose.
    fn events(&mut self, chosen: &str, each: u64) {
        let kinds = ["added", "claimed", "started", "ended"];
        for (number, kind) in (0..each).zip(kinds.iter().cycle()) {
            self.execute(format!(
                "INSERT INTO events (task_id, kind, at, payload)
                 SELECT id, '{kind}', updated_at + {number}, '{{}}' FROM tasks WHERE {chosen}"
            ));
        }
    }

    /// What a store that grew by itself would have: tallies, and on a server its statistics.
    fn settle(&mut self) {
        self.execute("DELETE FROM tallies".to_owned());
        self.execute(format!(
            "INSERT INTO tallies (day, profile, outcome, runs, run_ms)
             SELECT ended_at / {DAY_MS}, profile, outcome, count(*), sum(ended_at - claimed_at)
             FROM runs WHERE ended_at IS NOT NULL GROUP BY 1, 2, 3"
        ));
        if matches!(self.connection, Open::Postgres(_)) {
            self.execute("ANALYZE".to_owned());
        }
    }

    /// One task of each kind.
    fn specimens(&mut self) -> Vec<(&'static str, i64)> {
        [
            (
                "capped",
                "SELECT max(id) FROM tasks WHERE assignee = 'capped' AND status = 'ready'",
            ),
            (
                "limit key",
                "SELECT max(id) FROM tasks WHERE limit_key = 'one' AND status = 'ready'",
            ),
            (
                "paused",
                "SELECT max(id) FROM tasks WHERE paused_at IS NOT NULL",
            ),
            ("todo", "SELECT max(id) FROM tasks WHERE status = 'todo'"),
            (
                "gave up",
                "SELECT max(id) FROM tasks WHERE block_kind = 'gave_up'",
            ),
            ("many children", "SELECT min(parent_id) FROM task_links"),
            ("done", "SELECT max(id) / 2 FROM tasks"),
        ]
        .map(|(what, query)| (what, self.number(query)))
        .to_vec()
    }
}
