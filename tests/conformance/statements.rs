//! Every statement is understood by the database it is meant for.

use sqlx::{Connection, Executor, PgConnection, SqlSafeStr, SqliteConnection};
use tenure_store::{StoreUrl, sql};

use crate::world::{World, on_both};

on_both!(every_statement_prepares);

async fn every_statement_prepares(world: World) {
    for statement in sql::ALL {
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

#[test]
fn every_statement_says_on_its_first_line_what_it_is_for() {
    for statement in sql::ALL {
        for text in [statement.sqlite, statement.postgres] {
            assert!(text.starts_with("-- "), "{}", statement.name);
        }
    }
}

#[test]
fn every_file_of_a_statement_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/store/sql");
    for part in ["", "sqlite", "postgres"] {
        for entry in std::fs::read_dir(format!("{folder}/{part}")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = std::fs::read_to_string(&path).unwrap();
                let listed = sql::ALL
                    .iter()
                    .any(|statement| statement.sqlite == text || statement.postgres == text);
                assert!(listed, "{} is used by nobody", path.display());
            }
        }
    }
}
