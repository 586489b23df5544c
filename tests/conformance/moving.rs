//! A store moves to another database: whole, once, and from wherever it was broken off.

use std::collections::BTreeMap;

use sqlx::{Connection, Executor, PgConnection, SqlSafeStr, SqliteConnection};
use tenure_store::copy::{self, Begun, Compared, CopyError, Kind, Layout, Move, NAME, TABLES};
use tenure_store::dispatcher::Dispatcher;
use tenure_store::life::TaskStatus;
use tenure_store::pause::Pausable;
use tenure_store::{DispatcherId, Error, OpenError, Store, StoreUrl, sql};

use crate::world::{World, after, complete, exit, on_both, report_id, reporting, task, warden};

on_both!(
    all_tables_and_columns_that_there_are_are_copied,
    every_statement_that_copies_prepares,
    a_store_moves_whole_and_goes_on_above_its_highest_numbers,
    broken_off_after_any_step_it_goes_on_where_it_was,
    from_the_beginning_on_nobody_changes_the_source,
    a_move_that_was_undone_leaves_everything_where_it_was,
    what_is_in_use_does_not_move,
    a_target_that_holds_anything_else_is_left_alone,
    what_differs_is_found_and_neither_end_is_in_use,
    a_move_whose_last_word_was_lost_is_finished_by_the_next_attempt,
    there_and_back_again_it_is_the_same,
);

/// The columns of each table of a database, and what they hold.
type Schema = BTreeMap<String, BTreeMap<String, Kind>>;

fn listed<'a>(tables: impl Iterator<Item = &'a Layout>) -> Schema {
    let columns = |table: &Layout| {
        let columns = table.columns();
        columns.map(|column| (column.name.to_owned(), column.kind))
    };
    tables
        .map(|table| (table.name.to_owned(), columns(table).collect()))
        .collect()
}

const SQLITE_SCHEMA: &str = "SELECT m.name, p.name, p.type FROM sqlite_schema m, pragma_table_info(m.name) p \
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
const POSTGRES_SCHEMA: &str = "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
     WHERE table_schema = current_schema()";

async fn found(url: &StoreUrl) -> Schema {
    let rows: Vec<(String, String, String)> = match url {
        StoreUrl::Sqlite(path) => {
            let url = format!("sqlite://{}", path.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query_as(SQLITE_SCHEMA)
                .fetch_all(&mut connection)
                .await
                .unwrap()
        }
        StoreUrl::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_as(POSTGRES_SCHEMA)
                .fetch_all(&mut connection)
                .await
                .unwrap()
        }
    };
    let mut schema = Schema::new();
    for (table, column, kind) in rows {
        let kind = match kind.to_lowercase().as_str() {
            "bigint" | "integer" => Kind::Number,
            "text" => Kind::Text,
            other => panic!("{table}.{column} is {other}: a move knows numbers and texts only"),
        };
        schema.entry(table).or_default().insert(column, kind);
    }
    schema
}

async fn all_tables_and_columns_that_there_are_are_copied(world: World) {
    let listed = listed(TABLES.iter().chain([&NAME]));
    assert_eq!(
        found(&world.url).await,
        listed,
        "left: the database; right: `copy/layout.rs`, which says what a move copies"
    );
}

async fn every_statement_that_copies_prepares(world: World) {
    let (make, about) = sql::MOVING.split_first().unwrap();
    world.execute(make.sqlite).await;
    for statement in copy::statements().iter().chain(about) {
        let prepared = match &world.url {
            StoreUrl::Sqlite(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                let text = statement.sqlite.into_sql_str();
                connection.prepare(text).await.map(|_| ())
            }
            StoreUrl::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let text = statement.postgres.into_sql_str();
                connection.prepare(text).await.map(|_| ())
            }
        };
        prepared.unwrap_or_else(|error| panic!("{}: {error}", statement.name));
    }
}

/// Another place, on the other database than the world's; nothing where there is no server.
fn elsewhere(world: &World, name: &str) -> Option<StoreUrl> {
    if world.is_shared() {
        return Some(StoreUrl::Sqlite(world.folder().join(name)));
    }
    tenure_tests::postgres::database().map(StoreUrl::Postgres)
}

/// A store with something in every table: texts of all kinds, a table of several pages, and numbers
/// whose rows are gone.
async fn fill(world: &World) {
    let store = &world.store;
    let parent = world.add(task()).await;
    let child = world.add(after(&[parent])).await;
    store.submit("a file", vec![task(), task()]).await.unwrap();
    for number in 0..5 {
        let mut large = task();
        large.body = format!("{number}: 'quoted' \"twice\" \\ \u{1} \u{1F600}\r\n").repeat(25_000);
        large.key = Some(format!("key {number}"));
        world.add(large).await;
    }
    world.run_to(exit(0)).await;
    world.run_to(exit(7)).await;
    let reporting = world.running(reporting_first()).await;
    store
        .comment_as_worker(reporting.clone(), "on my way".into())
        .await
        .unwrap();
    store
        .report(reporting.clone(), report_id("r"), complete())
        .await
        .unwrap();
    world.end(&reporting, exit(0)).await;
    store
        .comment(child, "me".into(), "Größe ✓".into())
        .await
        .unwrap();
    store
        .pause(Pausable::Store, "me".into(), None)
        .await
        .unwrap();
    let dispatcher = DispatcherId::random();
    store
        .hold_hooks(dispatcher, std::time::Duration::ZERO)
        .await
        .unwrap();
    store.publish(published(dispatcher)).await.unwrap();
    store.retire(dispatcher).await.unwrap();
    // What was given out last is gone, and never to be given out again.
    let gone = world.add(task()).await;
    for table in ["events", "comments"] {
        let statement = format!("DELETE FROM {table} WHERE task_id = {gone}");
        world.execute(&statement).await;
    }
    world
        .execute(&format!("DELETE FROM tasks WHERE id = {gone}"))
        .await;
}

/// Before everything else that is ready.
fn reporting_first() -> tenure_store::task::NewTask {
    let mut task = reporting();
    task.priority = 100;
    task
}

fn published(id: DispatcherId) -> Dispatcher {
    Dispatcher {
        id,
        process: warden(),
        host_name: "host".into(),
        socket: "/run/socket".into(),
        version: "1".into(),
        knows: tenure_store::known_schema(),
        slots: 1,
        labels: Vec::new(),
        profiles: Vec::new(),
        batch: None,
        drain_at: None,
        held: Vec::new(),
    }
}

async fn begun(from: &StoreUrl, to: &StoreUrl) -> Move {
    match Move::begin(from, to).await.unwrap() {
        Begun::Under(moving) => *moving,
        Begun::Over { at } => panic!("it was over at {at}"),
    }
}

async fn refusal(from: &StoreUrl, to: &StoreUrl) -> CopyError {
    match Move::begin(from, to).await {
        Err(error) => error,
        Ok(begun) => panic!("{begun:?}"),
    }
}

/// Copies what is left to be copied, and compares all of it.
async fn copied(moving: &mut Move) -> Vec<Compared> {
    while moving.step().await.unwrap().is_some() {}
    let mut compared = Vec::new();
    while let Some(table) = moving.compare().await.unwrap() {
        compared.push(table);
    }
    assert_eq!(compared.len(), TABLES.len());
    compared
}

/// Moves all of it.
async fn moved(from: &StoreUrl, to: &StoreUrl) -> Vec<Compared> {
    let mut moving = begun(from, to).await;
    let compared = copied(&mut moving).await;
    assert!(compared.iter().all(|table| table.equal), "{compared:#?}");
    moving.finish().await.unwrap();
    compared
}

/// Why nobody may open a store, to write or to read.
async fn closed(url: &StoreUrl) -> OpenError {
    let to_write = Store::open(url).await.expect_err("nobody may open it");
    let to_read = Store::open_existing(url).await;
    let to_read = to_read.expect_err("nobody may read it");
    assert_eq!(to_write.to_string(), to_read.to_string());
    to_write
}

async fn a_store_moves_whole_and_goes_on_above_its_highest_numbers(world: World) {
    let Some(to) = elsewhere(&world, "new/target.db") else {
        return;
    };
    fill(&world).await;
    let highest = world.number("SELECT max(id) FROM tasks").await;
    let newest_run = world.number("SELECT max(run_id) FROM runs").await;
    let shown = world.store.show(tenure_guard::TaskId(1)).await.unwrap();
    let compared = moved(&world.url, &to).await;
    for table in &compared {
        assert!(table.source.rows > 0, "nothing was in {}", table.table);
    }
    assert!(matches!(closed(&world.url).await, OpenError::Moved { .. }));

    let target = Store::open(&to).await.unwrap();
    assert_eq!(target.instance(), world.store.instance());
    let there = target.show(tenure_guard::TaskId(1)).await.unwrap();
    assert_eq!(
        serde_json::to_value(&there).unwrap(),
        serde_json::to_value(&shown).unwrap()
    );
    target
        .resume(Pausable::Store, "me".into(), None)
        .await
        .unwrap();
    let added = target.add(task()).await.unwrap().id;
    assert_eq!(
        added.0,
        highest + 2,
        "the number of a row that is gone came again"
    );
    let claims = target.claim(world.wanted(1)).await.unwrap();
    assert!(claims.claimed[0].tenure.run.0 > newest_run);
}

async fn broken_off_after_any_step_it_goes_on_where_it_was(world: World) {
    let Some(to) = elsewhere(&world, "target.db") else {
        return;
    };
    fill(&world).await;
    let mut pages = 0;
    for steps in 0.. {
        let mut moving = begun(&world.url, &to).await;
        assert_eq!(moving.is_resumed(), steps > 0);
        let mut more = true;
        for _ in 0..steps {
            let step = moving.step().await.unwrap();
            pages += u32::from(step.is_some_and(|step| step.rows > 0));
            more = step.is_some();
        }
        drop(moving);
        assert!(matches!(closed(&world.url).await, OpenError::Moving { .. }));
        assert!(matches!(closed(&to).await, OpenError::Unfinished { .. }));
        if !more {
            break;
        }
    }
    assert!(pages > 10, "{pages} pages leave little to break off");
    let rows: u64 = moved(&world.url, &to)
        .await
        .iter()
        .map(|table| table.target.rows)
        .sum();
    assert!(rows > 0);
}

async fn from_the_beginning_on_nobody_changes_the_source(world: World) {
    let Some(to) = elsewhere(&world, "target.db") else {
        return;
    };
    let id = world.add(task()).await;
    // Open before, as a dispatcher may have it that was stopped and goes on later.
    let moving = begun(&world.url, &to).await;
    let refused = [
        world.store.add(task()).await.map(|_| ()),
        world.store.claim(world.wanted(1)).await.map(|_| ()),
        world.store.comment(id, "me".into(), "x".into()).await,
    ];
    for refused in refused {
        match refused {
            Err(Error::Unavailable(why)) => assert!(why.contains("being moved"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    drop(moving);
    moved(&world.url, &to).await;
    assert!(world.store.claim(world.wanted(1)).await.is_err());
    let target = Store::open(&to).await.unwrap();
    assert_eq!(
        target.claim(world.wanted(1)).await.unwrap().claimed.len(),
        1
    );
}

async fn a_move_that_was_undone_leaves_everything_where_it_was(world: World) {
    let Some(to) = elsewhere(&world, "target.db") else {
        return;
    };
    assert!(matches!(
        copy::undo(&world.url).await,
        Err(CopyError::NotMoving { .. })
    ));
    world.add(task()).await;
    let mut moving = begun(&world.url, &to).await;
    for _ in 0..5 {
        moving.step().await.unwrap();
    }
    drop(moving);
    copy::undo(&world.url).await.unwrap();
    world.run_to(exit(0)).await;
    // What it left there is of a time that is over.
    assert!(matches!(closed(&to).await, OpenError::Unfinished { .. }));
    assert!(matches!(
        refusal(&world.url, &to).await,
        CopyError::Taken { .. }
    ));
    world.add(task()).await;
    let Some(empty) = elsewhere(&world, "another.db") else {
        return;
    };
    // Nor is it the target of a later one.
    drop(begun(&world.url, &empty).await);
    assert!(matches!(
        refusal(&world.url, &to).await,
        CopyError::Taken { .. }
    ));
    moved(&world.url, &empty).await;
    match copy::undo(&world.url).await {
        Err(CopyError::Open(OpenError::Moved { .. })) => {}
        other => panic!("{other:?}"),
    }
}

async fn what_is_in_use_does_not_move(world: World) {
    let Some(to) = elsewhere(&world, "target.db") else {
        return;
    };
    let running = world.running(task()).await;
    let refused = refusal(&world.url, &to).await;
    let CopyError::OpenRuns { runs, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(runs[0].tenure, running);
    assert!(copy::plan(&world.url, &to).await.is_err());
    world.end(&running, exit(0)).await;

    let hold = world.store.hold().await.unwrap();
    if world.is_shared() {
        // The server's clock says whether it was seen lately.
        let store = Store::open(&world.url).await.unwrap();
        store.publish(published(world.dispatcher)).await.unwrap();
    }
    assert!(matches!(
        refusal(&world.url, &to).await,
        CopyError::Served { .. }
    ));
    assert!(matches!(
        copy::plan(&world.url, &to).await,
        Err(CopyError::Served { .. })
    ));
    drop(hold);
    world.store.retire(world.dispatcher).await.unwrap();

    // A task that says it runs, and nothing of it is open.
    let stuck = world.add(task()).await;
    let residue = format!(
        "UPDATE tasks SET status = 'running', current_run_id = {} WHERE id = {stuck}",
        running.run
    );
    world.execute(&residue).await;
    let refused = refusal(&world.url, &to).await;
    assert!(
        matches!(refused, CopyError::Residue { task, .. } if task == stuck),
        "{refused}"
    );
    let freed =
        format!("UPDATE tasks SET status = 'ready', current_run_id = NULL WHERE id = {stuck}");
    world.execute(&freed).await;
    assert!(Store::open_existing(&to).await.unwrap().is_none());
    // Whatever was refused, it is a store like any.
    world
        .store
        .comment(stuck, "me".into(), "x".into())
        .await
        .unwrap();
    let planned = copy::plan(&world.url, &to).await.unwrap();
    let compared = moved(&world.url, &to).await;
    for (planned, compared) in planned.iter().zip(&compared) {
        assert_eq!(
            (planned.table, planned.rows),
            (compared.table, compared.source.rows)
        );
    }
}

async fn a_target_that_holds_anything_else_is_left_alone(world: World) {
    let Some(to) = elsewhere(&world, "target.db") else {
        return;
    };
    world.add(task()).await;
    let another = Store::open(&to).await.unwrap();
    another.add(task()).await.unwrap();
    let instance = another.instance();
    drop(another);
    let refused = refusal(&world.url, &to).await;
    assert!(
        matches!(refused, CopyError::Taken { holds, .. } if holds == "a store"),
        "{refused}"
    );
    let there = Store::open(&to).await.unwrap();
    assert_eq!(there.instance(), instance);

    let Some(foreign) = elsewhere(&world, "foreign.db") else {
        return;
    };
    execute(&foreign, "CREATE TABLE invoices (id BIGINT)").await;
    let refused = refusal(&world.url, &foreign).await;
    assert!(
        matches!(refused, CopyError::Taken { holds, .. } if holds.contains("another program")),
        "{refused}"
    );
    // Nor what is half of another store.
    let Some(half) = elsewhere(&world, "half.db") else {
        return;
    };
    drop(begun(&to, &half).await);
    assert!(matches!(
        refusal(&world.url, &half).await,
        CopyError::Taken { .. }
    ));
    // The half is no source, the source no target, and no store its own copy.
    assert!(matches!(
        refusal(&half, &world.url).await,
        CopyError::Open(OpenError::Unfinished { .. })
    ));
    assert!(matches!(
        refusal(&world.url, &to).await,
        CopyError::Taken { .. }
    ));
    assert!(matches!(
        refusal(&world.url, &world.url).await,
        CopyError::Taken { .. }
    ));
    assert!(matches!(
        refusal(&foreign, &to).await,
        CopyError::Open(OpenError::Foreign { .. })
    ));
    let nowhere = StoreUrl::Sqlite(world.folder().join("nowhere.db"));
    assert!(matches!(
        refusal(&nowhere, &half).await,
        CopyError::NoSource { .. }
    ));
    world.add(task()).await;
}

async fn execute(url: &StoreUrl, statement: &'static str) {
    match url {
        StoreUrl::Sqlite(path) => {
            let url = format!("sqlite://{}?mode=rwc", path.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            connection.execute(statement).await.unwrap();
            connection.close().await.unwrap();
        }
        StoreUrl::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            connection.execute(statement).await.unwrap();
        }
    }
}

async fn what_differs_is_found_and_neither_end_is_in_use(world: World) {
    let Some(to) = elsewhere(&world, "target.db") else {
        return;
    };
    fill(&world).await;
    let spoilt = [
        (
            "comments",
            "UPDATE comments SET text = 'Grösse ✓' WHERE text = 'Größe ✓'",
        ),
        (
            "tasks",
            "UPDATE tasks SET block_reason = NULL, fingerprint = '', request_id = NULL WHERE id = 5",
        ),
        ("pauses", "DELETE FROM pauses"),
        (
            "task_links",
            "UPDATE task_links SET met_at = coalesce(met_at, 0) + 1",
        ),
    ];
    for (_, statement) in spoilt {
        drop(begun(&world.url, &to).await);
        let mut moving = begun(&world.url, &to).await;
        while moving.step().await.unwrap().is_some() {}
        drop(moving);
        execute(&to, statement).await;
    }
    let mut moving = begun(&world.url, &to).await;
    let compared = copied(&mut moving).await;
    let differing: Vec<&str> = compared
        .iter()
        .filter(|table| !table.equal)
        .map(|table| table.table)
        .collect();
    // A row that is gone from the end of its table was copied again.
    assert_eq!(differing, ["tasks", "task_links", "comments"]);
    assert!(matches!(moving.finish().await, Err(CopyError::Differs)));
    assert!(matches!(closed(&world.url).await, OpenError::Moving { .. }));
    assert!(matches!(closed(&to).await, OpenError::Unfinished { .. }));
    // Nor is what was not compared.
    let unread = begun(&world.url, &to).await;
    assert!(matches!(unread.finish().await, Err(CopyError::Differs)));
}

async fn a_move_whose_last_word_was_lost_is_finished_by_the_next_attempt(world: World) {
    let Some(to) = elsewhere(&world, "target.db") else {
        return;
    };
    world.add(task()).await;
    let mut moving = begun(&world.url, &to).await;
    copied(&mut moving).await;
    drop(moving);
    // So far came the one that was killed between its last two transactions.
    world.execute("UPDATE moving SET finished_at = 1").await;
    assert!(matches!(closed(&world.url).await, OpenError::Moved { .. }));
    assert!(matches!(closed(&to).await, OpenError::Unfinished { .. }));
    assert!(copy::undo(&world.url).await.is_err());
    if let Some(empty) = elsewhere(&world, "empty.db") {
        assert!(matches!(
            refusal(&world.url, &empty).await,
            CopyError::Open(OpenError::Moved { .. })
        ));
    }
    moved(&world.url, &to).await;
    Store::open(&to).await.unwrap().add(task()).await.unwrap();
    match Move::begin(&world.url, &to).await.unwrap() {
        Begun::Over { at } => assert_eq!(at.as_millisecond(), 1),
        Begun::Under(moving) => panic!("{moving:?}"),
    }
}

async fn there_and_back_again_it_is_the_same(world: World) {
    let Some(there) = elsewhere(&world, "there.db") else {
        return;
    };
    let back = match &world.url {
        StoreUrl::Sqlite(_) => StoreUrl::Sqlite(world.folder().join("back.db")),
        StoreUrl::Postgres(_) => match tenure_tests::postgres::database() {
            Some(url) => StoreUrl::Postgres(url),
            None => return,
        },
    };
    fill(&world).await;
    let out = moved(&world.url, &there).await;
    let home = moved(&there, &back).await;
    for (out, home) in out.iter().zip(&home) {
        assert_eq!(out.source, home.target, "{}", out.table);
    }
    let all = Store::open(&back).await.unwrap();
    assert_eq!(all.instance(), world.store.instance());
    assert_eq!(
        all.show(tenure_guard::TaskId(1)).await.unwrap().task.status,
        TaskStatus::Done
    );
}
