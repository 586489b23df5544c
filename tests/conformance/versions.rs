//! Programs of several versions on one store: the newer one is played by statements that an additive migration
//! and a newer program would carry out, the older one by the tables that shipped before.

use std::fs::File;

use sqlx::{Connection, Executor, PgConnection};
use tenure_guard::TaskId;
use tenure_store::copy::{self, CopyError};
use tenure_store::life::{Outcome, Recurrence, TaskStatus};
use tenure_store::read::{EventFilter, Stored, TaskFilter};
use tenure_store::suspects::Scope;
use tenure_store::{Error, EventId, OpenError, Store, StoreUrl, known_schema};

use crate::opening::execute;
use crate::world::{World, after, complete, exit, on_both, report_id, task};

on_both!(
    a_newer_store_that_lets_us_is_worked_on_and_stays_as_new,
    who_was_shut_out_meanwhile_writes_nothing,
    what_a_newer_version_wrote_is_shown_as_it_stands,
    a_task_that_asks_what_we_do_not_know_is_left_alone_and_holds_up_nobody,
    more_of_those_than_a_look_finds_hold_up_nobody,
    what_recurs_in_a_way_that_we_do_not_know_is_left_alone_and_not_looked_for_without_end,
);

/// What the next version does to a store that programs of ours may go on with.
async fn make_newer(world: &World) {
    for statement in [
        "ALTER TABLE tasks ADD COLUMN budget BIGINT",
        "ALTER TABLE runs ADD COLUMN cost BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE dispatchers ADD COLUMN zone TEXT NOT NULL DEFAULT ''",
        "CREATE TABLE budgets (task_id BIGINT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE)",
        "UPDATE store SET schema_version = schema_version + 1",
    ] {
        world.execute(statement).await;
    }
}

/// And to one that they may not.
async fn shut_us_out(world: &World) {
    make_newer(world).await;
    world
        .execute("UPDATE store SET compatible_from = schema_version")
        .await;
}

async fn a_newer_store_that_lets_us_is_worked_on_and_stays_as_new(world: World) {
    let before = world.claimed(task()).await.tenure;
    make_newer(&world).await;
    let reader = Store::open_existing(&world.url).await.unwrap().unwrap();
    assert_eq!(
        reader.show(before.task).await.unwrap().task.status,
        TaskStatus::Running
    );
    let store = Store::open(&world.url).await.unwrap();
    assert_eq!(store.instance(), world.store.instance());
    world.start(&before).await.unwrap();
    world.end(&before, exit(0)).await;
    let child = world.add(after(&[before.task])).await;
    world.run_to(exit(0)).await;
    assert_eq!(world.status(child).await, TaskStatus::Done);
    let version = world.number("SELECT schema_version FROM store").await;
    assert_eq!(version, known_schema() + 1);
    let from = world.number("SELECT compatible_from FROM store").await;
    assert_eq!(from, known_schema());
    // Moved by us it would lose what we do not know of.
    let to = StoreUrl::Sqlite(world.folder().join("moved.db"));
    for refused in [
        copy::plan(&world.url, &to).await.map(|_| ()),
        copy::Move::begin(&world.url, &to).await.map(|_| ()),
    ] {
        match refused {
            Err(CopyError::NewerTables { found, .. }) => assert_eq!(found, version),
            other => panic!("{other:?}"),
        }
    }
}

async fn who_was_shut_out_meanwhile_writes_nothing(world: World) {
    let tenure = world.running(task()).await;
    world.add(task()).await;
    shut_us_out(&world).await;
    let told = world.count("events").await;
    let writes: [(&str, Result<(), Error>); 6] = [
        ("add", world.store.add(task()).await.map(|_| ())),
        (
            "claim",
            world.store.claim(world.wanted(1)).await.map(|_| ()),
        ),
        (
            "renew",
            world
                .store
                .renew(vec![tenure.clone()], crate::world::LEASE)
                .await
                .map(|_| ()),
        ),
        (
            "report",
            world
                .store
                .report(tenure.clone(), report_id("one"), complete())
                .await,
        ),
        (
            "end",
            world.store.end(tenure.clone(), exit(0)).await.map(|_| ()),
        ),
        (
            "comment",
            world
                .store
                .comment(tenure.task, "me".into(), "?".into())
                .await,
        ),
    ];
    for (what, written) in writes {
        match written {
            Err(Error::Outgrown {
                found,
                compatible_from,
                known,
            }) => assert_eq!(
                (found, compatible_from, known),
                (known_schema() + 1, known_schema() + 1, known_schema()),
                "{what}"
            ),
            other => panic!("{what}: {other:?}"),
        }
    }
    // Together they are written in one transaction, and each is told.
    let (one, two, three) = tokio::join!(
        world.store.add(task()),
        world.store.add(task()),
        world.store.add(task())
    );
    for together in [one, two, three] {
        assert!(
            matches!(together, Err(Error::Outgrown { .. })),
            "{together:?}"
        );
    }
    assert_eq!(world.count("events").await, told, "something was written");
    assert_eq!(world.count("runs WHERE ended_at IS NULL").await, 1);
}

/// What a newer program wrote of a task whose run has ended, and of the store.
async fn write_as_newer(world: &World, id: TaskId) {
    let unhindered = match &world.url {
        StoreUrl::Sqlite(_) => {
            "PRAGMA ignore_check_constraints = ON; DROP TRIGGER closed_run_stays_closed;"
        }
        StoreUrl::Postgres(_) => {
            "ALTER TABLE runs DROP CONSTRAINT runs_outcome_check;
             DROP TRIGGER closed_run_stays_closed ON runs;"
        }
    };
    let written = format!(
        r#"{unhindered}
        UPDATE runs SET outcome = 'preempted', seen = '{{"end":"preempted","by":9}}',
               limits = '{{"protocol":"telepathy"}}' WHERE task_id = {id};
        UPDATE tasks SET limits = '{{"max_cost":7}}', env = '{{"A":{{"secret":"b"}}}}' WHERE id = {id};
        UPDATE tallies SET outcome = 'preempted';
        INSERT INTO events (task_id, kind, at, payload)
        VALUES ({id}, 'budgeted', 0, '{{"budget":7}}');
        INSERT INTO dispatchers (id, host_id, host_name, boot_id, pid, socket, version, slots, profiles,
                                 started_at, seen_at, schema_version)
        VALUES ('00000000-0000-4000-8000-000000000001', '', '', '', 7, '', '9.0.0', 1,
                '[{{"name":"p","skills":[],"limits":{{"max_cost":7}},"zone":"b"}}]', 0, {now}, {newer})"#,
        now = world.now(),
        newer = known_schema() + 1,
    );
    execute(&world.url, &written).await;
}

async fn what_a_newer_version_wrote_is_shown_as_it_stands(world: World) {
    let _hold = world.store.hold().await.unwrap();
    let id = world.add(task()).await;
    let child = world.add(after(&[id])).await;
    let ended = world.run_to(exit(0)).await;
    assert_eq!(ended.outcome, Outcome::Completed);
    make_newer(&world).await;
    write_as_newer(&world, id).await;

    let store = &world.store;
    let shown = serde_json::to_value(store.show(id).await.unwrap()).unwrap();
    assert_eq!(shown["task"]["limits"]["max_cost"], 7);
    assert_eq!(shown["task"]["env"]["A"]["secret"], "b");
    let run = &shown["runs"][0];
    assert_eq!(run["outcome"], "preempted");
    assert_eq!(run["seen"]["by"], 9);
    assert_eq!(run["limits"]["protocol"], "telepathy");
    let last = shown["events"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["payload"]["budget"]),
        (&"budgeted".into(), &7.into())
    );

    let all = TaskFilter {
        all: true,
        ..TaskFilter::default()
    };
    let listed = store.list(&all).await.unwrap();
    assert_eq!(
        listed.rows[0].limits,
        store.show(id).await.unwrap().task.limits
    );
    let filter = EventFilter {
        after: EventId(0),
        task: None,
        batch: None,
        kind: None,
        limit: 100,
    };
    let events = store.events(&filter).await.unwrap();
    assert!(
        events
            .iter()
            .any(|event| event.kind.to_string() == "budgeted")
    );
    let ends = store.stats().await.unwrap().ends;
    assert_eq!(ends[0].outcome.to_string(), "preempted");
    let situation = store.situation(id).await.unwrap();
    assert_eq!(situation.runs[0].known_outcome(), None);
    assert!(situation.beyond.unwrap().contains("env"));
    let long = std::time::Duration::from_secs(1);
    for scope in [Scope::Store, Scope::Task(id)] {
        store.suspects(scope, long).await.unwrap();
    }
    // A worker of ours is told so too, and who lives is known.
    let tenure = world.claim_one().await.tenure;
    assert_eq!(tenure.task, child);
    let context = store.context(child, tenure.run).await.unwrap();
    let parent = &context.parents[0];
    assert_eq!(parent.outcome.as_ref().unwrap().to_string(), "preempted");
    let living = store.living_dispatchers().await.unwrap();
    assert_eq!(
        (living[0].knows, living[0].version.as_str()),
        (known_schema() + 1, "9.0.0")
    );
    // Whoever did not hear that its run is closed learns it, and nothing else of it.
    let again = store.end(tenure.clone(), exit(0)).await.unwrap();
    assert_eq!(again.outcome, Outcome::Completed);
}

/// What only a newer program knows how to run.
const BEYOND: [&str; 4] = [
    r#"limits = '{"max_cost":7}'"#,
    r#"env = '{"A":{"secret":"b"}}'"#,
    r#"command = '{"wasm":"a.wasm"}'"#,
    r#"lane = '{"budget":true}'"#,
];

async fn a_task_that_asks_what_we_do_not_know_is_left_alone_and_holds_up_nobody(world: World) {
    let mut beyond = Vec::new();
    for forged in BEYOND {
        let id = world.add(task()).await;
        let forged = format!("UPDATE tasks SET {forged}, priority = 9 WHERE id = {id}");
        world.execute(&forged).await;
        beyond.push(id);
    }
    let (one, two) = (world.add(task()).await, world.add(task()).await);
    assert_eq!(world.claim_all(world.wanted(1)).await, [one]);
    assert_eq!(world.claim_all(world.wanted(4)).await, [two]);
    assert!(world.claim_all(world.wanted(4)).await.is_empty());
    for (id, word) in beyond
        .into_iter()
        .zip(["max_cost", "env", "command", "budget"])
    {
        let row = world.task(id).await;
        assert_eq!((row.status, row.attempts), (TaskStatus::Ready, 0));
        let situation = world.store.situation(id).await.unwrap();
        let why = situation.beyond.unwrap();
        assert!(why.contains(word), "{why}");
    }
    let long = std::time::Duration::from_secs(1);
    let suspects = world.store.suspects(Scope::Store, long).await.unwrap();
    let told: Vec<(bool, u32)> = suspects
        .lanes
        .iter()
        .map(|lane| (lane.beyond.is_some(), lane.number))
        .collect();
    assert_eq!(told, [(true, 3), (true, 1)], "{:?}", suspects.lanes);
    // Of a lane that has both, each is told apart.
    let three = world.add(task()).await;
    let suspects = world.store.suspects(Scope::Store, long).await.unwrap();
    let ours = suspects.lanes.iter().find(|lane| lane.beyond.is_none());
    let ours = ours.map(|lane| (lane.first, lane.number));
    assert_eq!(ours, Some((three, 1)));
}

async fn more_of_those_than_a_look_finds_hold_up_nobody(world: World) {
    world
        .execute(
            r#"INSERT INTO tasks (title, body, assignee, command, cwd, env, skills, limits, priority,
                                  status, pending_parents, created_at, updated_at)
               SELECT 'beyond', '', 'shell', '["true"]', '/', '{}', '[]', '{"max_cost":7}', 9,
                      'ready', 0, 0, 0
               FROM (WITH RECURSIVE count (n) AS
                     (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 500)
                     SELECT n FROM count) AS counted"#,
        )
        .await;
    let one = world.add(task()).await;
    assert_eq!(world.claim_all(world.wanted(2)).await, [one]);
    assert_eq!(world.count("tasks WHERE status = 'ready'").await, 500);
}

async fn what_recurs_in_a_way_that_we_do_not_know_is_left_alone_and_not_looked_for_without_end(
    world: World,
) {
    let id = world.add(task()).await;
    let forged = format!(
        r#"UPDATE tasks SET status = 'scheduled', not_before = 1, recurrence = '{{"moon":"full"}}'
           WHERE id = {id}"#
    );
    world.execute(&forged).await;
    let one = world.add(task()).await;
    let claims = world.store.claim(world.wanted(2)).await.unwrap();
    let claimed: Vec<TaskId> = claims.claimed.iter().map(|one| one.tenure.task).collect();
    assert_eq!(claimed, [one]);
    assert_eq!(
        claims.next_due, None,
        "it would be claimed for again at once"
    );
    let row = world.task(id).await;
    assert_eq!(row.status, TaskStatus::Scheduled);
    let recurrence: Stored<Recurrence> = row.recurrence.unwrap();
    let shown = serde_json::to_value(&recurrence).unwrap();
    assert_eq!(shown["moon"], "full");
}

/// The tables of version 3, as they shipped.
const VERSION_3: [[&str; 3]; 2] = [
    [
        include_str!("../../crates/store/migrations/sqlite/0001_tasks.sql"),
        include_str!("../../crates/store/migrations/sqlite/0002_adoption.sql"),
        include_str!("../../crates/store/migrations/sqlite/0003_care.sql"),
    ],
    [
        include_str!("../../crates/store/migrations/postgres/0001_tasks.sql"),
        include_str!("../../crates/store/migrations/postgres/0002_adoption.sql"),
        include_str!("../../crates/store/migrations/postgres/0003_care.sql"),
    ],
];

const ID: &str = "00000000-0000-4000-8000-000000000003";

/// A dispatcher of version 3 signs on.
const SIGN_ON: &str =
    "INSERT INTO dispatchers (id, host_id, host_name, boot_id, pid, socket, version, slots,
                                                profiles, started_at, seen_at)
    VALUES ('00000000-0000-4000-8000-000000000003', '', 'attic', '', 77, '', '0.0.3', 1, '[]', 0, ";

async fn version_3(url: &StoreUrl) {
    let of_database = usize::from(matches!(url, StoreUrl::Postgres(_)));
    for script in VERSION_3[of_database] {
        execute(url, script).await;
    }
    let named = "INSERT INTO store VALUES (1, '00000000-0000-4000-8000-000000000000', 3)";
    execute(url, named).await;
}

#[track_caller]
fn shuts_out(refused: Result<Store, OpenError>) -> String {
    match refused {
        Err(refused @ OpenError::ShutsOut { .. }) => refused.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn on_a_server_a_living_dispatcher_is_named_and_not_shut_out() {
    let Some(address) = tenure_tests::postgres::database() else {
        return;
    };
    let url = StoreUrl::Postgres(address);
    version_3(&url).await;
    let now = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
    execute(&url, &format!("{SIGN_ON} {now})")).await;
    let shown = shuts_out(Store::open(&url).await);
    for word in [
        ID,
        "attic",
        "0.0.3",
        "pid 77",
        "version 3",
        "last seen",
        "half a minute",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let version = Store::open_existing(&url).await;
    assert!(
        matches!(version, Err(OpenError::Older { found: 3, .. })),
        "{version:?}"
    );
    // One that was killed, and whose time is over.
    execute(
        &url,
        &format!("UPDATE dispatchers SET seen_at = {now} - 31000"),
    )
    .await;
    Store::open(&url).await.unwrap();
}

/// Waits until this waits for a lock in that database.
async fn until_it_waits<T>(waiting: &tokio::task::JoinHandle<T>, address: &str) {
    let mut looking = PgConnection::connect(address).await.unwrap();
    let waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                 AND datname = current_database()";
    while looking.fetch_optional(waits).await.unwrap().is_none() {
        assert!(!waiting.is_finished(), "it did not wait");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// What each of our writers begins with on a server.
const SHARE: &str = include_str!("../../crates/store/sql/postgres/share_tables.sql");
const ALONE: &str = include_str!("../../crates/store/sql/postgres/have_tables_alone.sql");

#[tokio::test]
async fn on_a_server_whoever_signs_on_meanwhile_is_seen() {
    // One of before version 4 is in the middle of it, one of later has only begun to write.
    for first in [true, false] {
        let Some(address) = tenure_tests::postgres::database() else {
            return;
        };
        let url = StoreUrl::Postgres(address.clone());
        version_3(&url).await;
        let now = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT))";
        let sign_on = || sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{SIGN_ON} {now}")));
        let mut signing_on = PgConnection::connect(&address).await.unwrap();
        let mut tx = signing_on.begin().await.unwrap();
        if first {
            tx.execute(sign_on()).await.unwrap();
        } else {
            tx.execute(sqlx::raw_sql(SHARE)).await.unwrap();
        }
        let migrating = tokio::spawn(async move { Store::open(&url).await });
        until_it_waits(&migrating, &address).await;
        if !first {
            tx.execute(sign_on()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let shown = shuts_out(migrating.await.unwrap());
        assert!(shown.contains(ID), "{shown}");
    }
}

#[tokio::test]
async fn on_a_server_whoever_begins_to_write_while_it_is_shut_out_writes_nothing() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let StoreUrl::Postgres(address) = &world.url else {
        panic!("a server");
    };
    let mut cutting = PgConnection::connect(address).await.unwrap();
    let mut tx = cutting.begin().await.unwrap();
    tx.execute(sqlx::raw_sql(ALONE)).await.unwrap();
    let cut = "UPDATE store SET schema_version = schema_version + 1, \
                   compatible_from = schema_version + 1";
    tx.execute(cut).await.unwrap();
    let store = world.store.clone();
    let adding = tokio::spawn(async move { store.add(task()).await });
    until_it_waits(&adding, address).await;
    tx.commit().await.unwrap();
    let added = adding.await.unwrap();
    assert!(matches!(added, Err(Error::Outgrown { .. })), "{added:?}");
    assert_eq!(world.count("tasks").await, 0);
}

#[tokio::test]
async fn of_a_file_the_living_dispatcher_is_named_and_not_shut_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenure.db");
    let url = StoreUrl::Sqlite(path.clone());
    version_3(&url).await;
    execute(&url, &format!("{SIGN_ON} 1)")).await;
    let lock = File::create(folder.path().join("tenure.db.lock")).unwrap();
    lock.lock().unwrap();
    let shown = shuts_out(Store::open(&url).await);
    for word in [ID, "attic", "0.0.3", "pid 77", "version 3"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    drop(lock);
    Store::open(&url).await.unwrap();
}
