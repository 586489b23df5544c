//! Many tasks, runs and events, written past every verb: what a store looks like after years.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};
use tenure_store::StoreUrl;
use tenure_store::life::{End, Exit, Limits};
use tenure_tests::Home;

/// A day, in the store's unit.
const DAY_MS: u64 = 86_400_000;

/// How a run ends that did well.
pub(crate) fn well() -> End {
    End::Exited {
        exit: Exit::Code(0),
        interrupted: false,
        stood_down: None,
        tree_unverified: false,
        oom: false,
        core: None,
    }
}

/// Writes rows past every verb, many in a statement.
pub(crate) struct Bulk {
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
    pub(crate) fn of(home: &Home) -> Self {
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

    pub(crate) fn number(&mut self, query: &'static str) -> i64 {
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
            "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO tasks (title, body, cwd, env, skills, limits, priority, created_at,
                 updated_at, since, queued_at, {columns})
             SELECT 'task ' || i, '', '/', '{{}}', '[]', '{{}}', 0, {now} - i * 60000,
                 {now} - i * 60000, {now} - i * 60000, {now} - i * 60000, {values}
             FROM n WHERE {count} > 0"
        ));
    }

    /// So many that may start at once.
    pub(crate) fn ready(&mut self, count: u64) {
        self.tasks(
            count,
            "assignee, status, pending_parents",
            "'plain', 'ready', 0",
        );
    }

    /// What is not finished, of each kind its share.
    pub(crate) fn unfinished(&mut self, count: u64) {
        let now = self.now;
        let own = "assignee, command, status, pending_parents";
        let capped = "assignee, status, pending_parents";
        let later = now + 36_000_000;
        let share = |percent: u64| count * percent / 100;
        self.tasks(share(35), capped, "'capped', 'ready', 0");
        self.tasks(
            share(15),
            &format!("{own}, lane, limit_key, key_limit"),
            r#"'shell', '["sleep", "36000"]', 'ready', 0, '{"limit_key":"one","limit":1}', 'one', 1"#,
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
    pub(crate) fn finish(&mut self, count: u64, events: u64) {
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
        let seen = serde_json::to_string(&well()).expect("an end is JSON");
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

    /// What a store that grew by itself would have: tallies, everything where it belongs, and on a server
    /// its statistics.
    pub(crate) fn settle(&mut self) {
        self.execute("DELETE FROM tallies".to_owned());
        self.execute(format!(
            "INSERT INTO tallies (day, profile, outcome, runs, run_ms)
             SELECT ended_at / {DAY_MS}, profile, outcome, count(*), sum(ended_at - claimed_at)
             FROM runs WHERE ended_at IS NOT NULL GROUP BY 1, 2, 3"
        ));
        let kept = match &self.connection {
            // What was written so fast is neither folded in nor on the disk, and the next one who commits
            // would pay for all of it.
            Open::Sqlite(_) => {
                "PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE);
                                PRAGMA synchronous = OFF"
            }
            Open::Postgres(_) => "VACUUM ANALYZE; CHECKPOINT",
        };
        for statement in kept.split(';') {
            self.execute(statement.to_owned());
        }
    }

    /// One task of each kind.
    pub(crate) fn specimens(&mut self) -> Vec<(&'static str, i64)> {
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
