//! What a store holds, read past every verb: whether a file is sound, and whether runs and events tell
//! the same story.

use std::path::Path;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, FromRow, PgConnection, SqliteConnection};
use tenure_store::StoreUrl;

use crate::Home;
use crate::process;

/// What must not be found once nothing runs any more.
const CONTRADICTIONS: [(&str, &str); 7] = [
    (
        "open runs",
        "SELECT count(*) FROM runs WHERE ended_at IS NULL",
    ),
    (
        "tasks that were added not just once",
        "SELECT count(*) FROM tasks t WHERE 1 <> (SELECT count(*) FROM events e
         WHERE e.task_id = t.id AND e.kind = 'added')",
    ),
    (
        "runs that were claimed not just once",
        "SELECT count(*) FROM runs r WHERE 1 <> (SELECT count(*) FROM events e
         WHERE e.task_id = r.task_id AND e.run_id = r.run_id AND e.kind = 'claimed')",
    ),
    (
        "runs that were started without a word, or more than once",
        "SELECT count(*) FROM runs r WHERE CASE WHEN r.started_at IS NULL THEN 0 ELSE 1 END <> (SELECT count(*) FROM events e
         WHERE e.task_id = r.task_id AND e.run_id = r.run_id AND e.kind = 'started')",
    ),
    (
        "runs that ended not just once",
        "SELECT count(*) FROM runs r WHERE 1 <> (SELECT count(*) FROM events e
         WHERE e.task_id = r.task_id AND e.run_id = r.run_id AND e.kind = 'ended')",
    ),
    (
        "runs that came into other hands without a word",
        "SELECT count(*) FROM runs r WHERE r.epoch - 1 <> (SELECT count(*) FROM events e
         WHERE e.task_id = r.task_id AND e.run_id = r.run_id AND e.kind = 'adopted')",
    ),
    (
        "runs that were claimed before the one before them ended",
        "SELECT count(*) FROM events a JOIN events b ON b.task_id = a.task_id AND b.id < a.id
         WHERE a.kind = 'ended' AND b.kind = 'claimed' AND b.run_id > a.run_id",
    ),
];

/// A row that both databases can give.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// An open store.
#[derive(Debug)]
pub struct Ledger {
    book: Book,
    runtime: tokio::runtime::Runtime,
}

#[derive(Debug)]
enum Book {
    File(SqliteConnection),
    Server(PgConnection),
}

impl Ledger {
    /// Opens a home's store, to read.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn of(home: &Home) -> Self {
        Self::at(home.store_url())
    }

    /// Opens a store, to read.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn at(store: &StoreUrl) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let book = runtime.block_on(async {
            match store {
                StoreUrl::Sqlite(path) => {
                    let options = SqliteConnectOptions::new().filename(path).read_only(true);
                    options.connect().await.map(Book::File)
                }
                StoreUrl::Postgres(_) => {
                    let options: PgConnectOptions = store.expose().parse()?;
                    options.connect().await.map(Book::Server)
                }
            }
        });
        Self {
            book: book.expect("the store can be read"),
            runtime,
        }
    }

    /// The one number that a query answers.
    ///
    /// # Panics
    /// Where it answers no number.
    pub fn number(&mut self, query: &'static str) -> i64 {
        let answer = async {
            match &mut self.book {
                Book::File(file) => sqlx::query_scalar(query).fetch_one(file).await,
                Book::Server(server) => sqlx::query_scalar(query).fetch_one(server).await,
            }
        };
        self.runtime.block_on(answer).expect("a number")
    }

    /// The pairs of texts that a query answers.
    ///
    /// # Panics
    /// Where it answers others.
    pub fn pairs(&mut self, query: &'static str) -> Vec<(String, String)> {
        self.rows(query)
    }

    /// The rows that a query answers.
    ///
    /// # Panics
    /// Where it answers others.
    pub fn rows<T: Row>(&mut self, query: &'static str) -> Vec<T> {
        let answer = async {
            match &mut self.book {
                Book::File(file) => sqlx::query_as(query).fetch_all(file).await,
                Book::Server(server) => sqlx::query_as(query).fetch_all(server).await,
            }
        };
        self.runtime
            .block_on(answer)
            .expect("the rows that were asked for")
    }

    /// What is wrong with it once nothing runs any more; nothing, where all is well.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn contradictions(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(unsound) = self.unsound() {
            found.push(format!("integrity: {unsound}"));
        }
        for (what, query) in CONTRADICTIONS {
            let count = self.number(query);
            if count > 0 {
                found.push(format!("{count} {what}"));
            }
        }
        found
    }

    /// What is wrong with a file; a server looks after its own.
    fn unsound(&mut self) -> Option<String> {
        let Book::File(file) = &mut self.book else {
            return None;
        };
        let check = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(file);
        let sound: String = self.runtime.block_on(check).expect("an integrity check");
        (sound != "ok").then_some(sound)
    }

    /// What is left of a home in which nothing should live any more: processes, sockets wherever
    /// they were written down to be, cgroups.
    ///
    /// # Panics
    /// Where the store cannot be read.
    pub fn left(&mut self, home: &Home) -> Vec<String> {
        let written = self.pairs(
            "SELECT 'run ' || run_id, socket FROM runs WHERE socket IS NOT NULL
             UNION ALL SELECT 'dispatcher ' || id, socket FROM dispatchers",
        );
        let mut left = left(home);
        for (whose, socket) in written {
            if Path::new(&socket).exists() && !left.contains(&socket) {
                left.push(format!("{socket} of {whose}"));
            }
        }
        left
    }
}

fn left(home: &Home) -> Vec<String> {
    let processes = process::with_in_environment(home.path());
    let mut left: Vec<String> = processes.iter().map(|one| format!("{one:?}")).collect();
    look_through(&home.state(), &mut left);
    left
}

fn look_through(folder: &Path, found: &mut Vec<String>) {
    use std::os::unix::fs::FileTypeExt;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_socket() => found.push(entry.path().display().to_string()),
            Ok(kind) if kind.is_dir() => look_through(&entry.path(), found),
            // Where a run's cgroup is written down.
            Ok(_) if entry.file_name() == "cgroup.json" => cgroups(&entry.path(), found),
            Ok(_) | Err(_) => {}
        }
    }
}

/// The folders of a run's cgroup that are still there.
fn cgroups(note: &Path, found: &mut Vec<String>) {
    let text = std::fs::read(note).unwrap_or_default();
    let note: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let kept = ["unified", "legacy"].map(|version| format!("/{version}"));
    let places = ["memory", "pids"]
        .iter()
        .flat_map(|limit| kept.iter().map(move |kept| format!("/{limit}{kept}")));
    for place in places.chain(["/tree".to_owned()]) {
        if let Some(folder) = note.pointer(&place).and_then(serde_json::Value::as_str)
            && Path::new(folder).exists()
        {
            found.push(folder.to_owned());
        }
    }
}
