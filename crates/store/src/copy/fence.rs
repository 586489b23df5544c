//! The fence around a source: from the moment at which a migration begins nothing in it changes any
//! more, whoever has it open, of whatever version, until the migration is undone.
//!
//! **Invariant:** it is put up in the transaction that finds that no dispatcher lives and no run is
//! open. So what is copied is at rest, and no claim is ever made in both places.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::layout::TABLES;
use super::{CopyError, Marker};
use crate::connection::Connection;
use crate::dispatcher::{Living, WhoMayLive, living};
use crate::error::Error;
use crate::orphan::open_runs;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// Scripts of one database.
struct Scripts {
    /// Waits for whoever writes, and keeps others from it until the end of the transaction.
    lock: String,
    put_up: String,
    take_down: String,
}

/// What whoever writes to it is told; it was open before, or the next opening would have said more.
const WORDS: &str = "this store is being moved, or was: open it again, which says where";

static SQLITE: LazyLock<Scripts> = LazyLock::new(|| {
    let (mut put_up, mut take_down) = (String::new(), String::new());
    for table in TABLES {
        let table = table.name;
        for act in ["INSERT", "UPDATE", "DELETE"] {
            let name = format!("moving_{table}_{}", act.to_lowercase());
            // Writing to a string cannot fail.
            let _ = writeln!(
                put_up,
                "CREATE TRIGGER {name} BEFORE {act} ON {table} BEGIN SELECT RAISE(ABORT, '{WORDS}'); END;"
            );
            let _ = writeln!(take_down, "DROP TRIGGER {name};");
        }
    }
    Scripts {
        lock: "SELECT 1".to_owned(),
        put_up,
        take_down,
    }
});

static POSTGRES: LazyLock<Scripts> = LazyLock::new(|| {
    let mut put_up = format!(
        "CREATE FUNCTION refuse_moving() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{WORDS}'; END $$;\n"
    );
    let mut take_down = String::new();
    let tables: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    for table in &tables {
        // Writing to a string cannot fail.
        let _ = writeln!(
            put_up,
            "CREATE TRIGGER moving BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_moving();"
        );
        let _ = writeln!(take_down, "DROP TRIGGER moving ON {table};");
    }
    take_down.push_str("DROP FUNCTION refuse_moving();");
    Scripts {
        lock: format!(
            "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
            tables.join(", ")
        ),
        put_up,
        take_down,
    }
});

fn scripts(connection: &Connection) -> &'static Scripts {
    match connection {
        Connection::Sqlite(_) => &SQLITE,
        Connection::Postgres(_) => &POSTGRES,
    }
}

/// Puts it up, and writes down where everything goes. `what` is the source.
pub(super) async fn put_up(
    tx: &mut Transaction,
    marker: &Marker,
    what: &str,
) -> Result<(), CopyError> {
    let scripts = scripts(tx.connection());
    run(tx, &scripts.lock).await?;
    at_rest(tx, what).await?;
    // They are all dead, so that is the last thing there is to say of them.
    let now = tx.now().await?;
    tx.execute(&sql::RETIRE_ALL, values![now]).await?;
    run(tx, &scripts.put_up).await?;
    marker.write(tx).await?;
    Ok(())
}

/// Whether nobody dispatches, and nothing is open that somebody would still want to close. A SQLite
/// store's lock is the caller's.
pub(super) async fn at_rest(tx: &mut Transaction, what: &str) -> Result<(), CopyError> {
    let is_shared = tx.is_shared();
    if let Some(Living { dispatcher, .. }) =
        living(tx, &WhoMayLive::by_signs(is_shared)).await?.first()
    {
        return Err(CopyError::Served {
            what: what.to_owned(),
            by: format!(
                "dispatcher {} on {} (pid {}), which was seen within the last half minute",
                dispatcher.id, dispatcher.host_name, dispatcher.process.pid
            ),
        });
    }
    let runs = open_runs(tx).await?;
    if !runs.is_empty() {
        return Err(CopyError::OpenRuns {
            what: what.to_owned(),
            runs,
        });
    }
    let held = tx.number(&sql::HELD_TASK, Vec::new()).await?;
    if held != 0 {
        return Err(CopyError::Residue {
            what: what.to_owned(),
            task: tenure_guard::TaskId(held),
        });
    }
    Ok(())
}

/// Takes it down: the store is one like any again.
pub(super) async fn take_down(tx: &mut Transaction) -> Result<(), CopyError> {
    let scripts = scripts(tx.connection());
    run(tx, &scripts.take_down).await?;
    tx.execute(&sql::UNMARK, Vec::new()).await?;
    Ok(())
}

async fn run(tx: &mut Transaction, script: &'static str) -> Result<(), Error> {
    Ok(tx.connection().run(script).await?)
}
