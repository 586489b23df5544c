//! A claim costs what it takes and a page what it shows, however many tasks there are: on a server the
//! planner decides that, by its statistics, so it is asked for its plans on a store of a million tasks.

use std::fmt::Write as _;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tenure_store::{StoreUrl, sql};

use crate::world::World;

/// A million tasks: most of them done, the newest tenth ready in three lanes of one profile, some of
/// them in a batch; the others blocked or scheduled.
const MILLION: &str = "
    INSERT INTO batches (source, created_at) VALUES ('bulk', 0);
    INSERT INTO tasks (title, body, assignee, cwd, env, skills, limits, priority, status,
                       pending_parents, created_at, updated_at, since, queued_at, attempts, lane,
                       batch_id, not_before, block_kind, block_reason)
    SELECT 'task', '', 'plain', '/', '{}', '[]', '{}', i % 3, status, 0, i, i, i, i,
           CASE WHEN status = 'ready' THEN 0 ELSE 1 END, repeat('x', i % 3),
           CASE WHEN status = 'ready' AND i % 7 = 0 THEN 1 END,
           CASE WHEN status = 'scheduled' THEN 4000000000000 END,
           CASE WHEN status = 'blocked' THEN 'gave_up' END,
           CASE WHEN status = 'blocked' THEN 'max_failures' END
    FROM (SELECT i, CASE WHEN i > 900000 THEN 'ready' WHEN i % 100 = 1 THEN 'blocked'
                         WHEN i % 100 = 2 THEN 'scheduled' ELSE 'done' END AS status
          FROM generate_series(1, 1000000) AS i) AS each";

/// The statements of a claim and of a page of tasks: the types of what they take, examples of it, and
/// the index by which they find it.
const ASKED: [(&str, &str, &str, &str); 12] = [
    (
        "candidates",
        "TEXT, BIGINT, TEXT, TEXT",
        r#"'plain', 8, '["","x","xx"]', '[900001]'"#,
        "ready_by_lane",
    ),
    (
        "candidates_of_batch",
        "TEXT, BIGINT, TEXT, TEXT, BIGINT",
        r#"'plain', 8, '["","x","xx"]', '[900001]', 1"#,
        "ready_by_batch",
    ),
    ("lanes", "TEXT", "'plain'", "ready_by_lane"),
    (
        "lanes_of_batch",
        "TEXT, BIGINT",
        "'plain', 1",
        "ready_by_batch",
    ),
    ("may_claim", "BIGINT", "1000", "ready_by_lane"),
    ("due", "BIGINT, BIGINT", "1000, 256", "scheduled_by_time"),
    ("next_due", "", "", "scheduled_by_time"),
    (
        "list",
        "TEXT, BIGINT, BIGINT",
        "'ready', 50, 0",
        "tasks_by_status",
    ),
    (
        "list_of_assignee",
        "TEXT, BIGINT, TEXT, BIGINT",
        "'ready', 50, 'plain', 0",
        "tasks_by_assignee",
    ),
    (
        "list_of_batch",
        "TEXT, TEXT, BIGINT, BIGINT",
        "'ready', NULL, 50, 1",
        "tasks_by_batch",
    ),
    (
        "count_of_assignee",
        "TEXT, BIGINT, TEXT, BIGINT",
        "'ready', 101, 'plain', 0",
        "tasks_by_assignee",
    ),
    (
        "count_of_batch",
        "TEXT, TEXT, BIGINT, BIGINT",
        "'ready', NULL, 101, 1",
        "tasks_by_batch",
    ),
];

/// The most pages that one of them may look at; the table alone has tens of thousands.
const PAGES: i64 = 500;

#[tokio::test]
async fn at_a_million_tasks_claims_and_pages_find_what_they_take_by_their_indexes() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let StoreUrl::Postgres(url) = &world.url else {
        panic!("a server was asked for");
    };
    let mut connection = PgConnection::connect(url).await.unwrap();
    fill(&mut connection).await;
    for (name, types, values, index) in ASKED {
        let statement = sql::ALL.iter().find(|one| one.name == name).unwrap();
        let types = if types.is_empty() {
            String::new()
        } else {
            format!("({types})")
        };
        let prepare = format!("PREPARE asked {types} AS {}", statement.postgres);
        run(&mut connection, prepare).await;
        // What is executed often has a plan that knows no values.
        for mode in ["force_custom_plan", "force_generic_plan"] {
            run(&mut connection, format!("SET plan_cache_mode = {mode}")).await;
            let plan = explained(&mut connection, values).await;
            let told = format!("{name}, {mode}: {plan:#}");
            let nodes = nodes(&plan[0]["Plan"]);
            assert!(
                nodes.iter().any(|node| node["Index Name"] == index),
                "{told}"
            );
            let scans =
                |node: &&Value| node["Node Type"] == "Seq Scan" && node["Relation Name"] == "tasks";
            assert!(!nodes.iter().any(scans), "{told}");
            let pages = |key: &str| plan[0]["Plan"][key].as_i64().unwrap();
            let looked_at = pages("Shared Hit Blocks") + pages("Shared Read Blocks");
            assert!(looked_at < PAGES, "{looked_at} pages: {told}");
        }
        run(&mut connection, "DEALLOCATE asked".into()).await;
    }
}

/// A node of a plan and all beneath it.
fn nodes(node: &Value) -> Vec<&Value> {
    let beneath = node["Plans"].as_array().into_iter().flatten();
    let mut all = vec![node];
    all.extend(beneath.flat_map(nodes));
    all
}

async fn run(connection: &mut PgConnection, text: String) {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await;
    done.unwrap();
}

/// The plan of the prepared statement, and what carrying it out cost; nothing of that stays.
async fn explained(connection: &mut PgConnection, values: &str) -> Value {
    let values = if values.is_empty() {
        String::new()
    } else {
        format!("({values})")
    };
    let mut tx = connection.begin().await.unwrap();
    let text = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked{values}");
    let rows = tx.fetch_one(sqlx::raw_sql(AssertSqlSafe(text))).await;
    let plan = rows.unwrap().try_get_unchecked::<String, _>(0).unwrap();
    tx.rollback().await.unwrap();
    serde_json::from_str(&plan).unwrap()
}

/// Fills the tables, their indexes made anew afterwards, which costs less than keeping them meanwhile;
/// then does what the server's own housekeeping does.
async fn fill(connection: &mut PgConnection) {
    let indexes = sqlx::query(
        "SELECT indexname, indexdef FROM pg_indexes
         WHERE tablename = 'tasks' AND indexdef NOT LIKE 'CREATE UNIQUE%'",
    );
    let indexes = indexes.fetch_all(&mut *connection).await.unwrap();
    let (mut before, mut after) = (String::new(), String::new());
    for row in indexes {
        let (name, made): (String, String) = (row.get(0), row.get(1));
        let _ = write!(before, "DROP INDEX {name};");
        let _ = write!(after, "{made};");
    }
    run(connection, before).await;
    // Foreign keys are kept by triggers, and a million of those take their time.
    run(connection, "SET session_replication_role = replica".into()).await;
    run(connection, MILLION.into()).await;
    run(connection, "SET session_replication_role = origin".into()).await;
    run(connection, after).await;
    run(connection, "VACUUM ANALYZE tasks".into()).await;
}
