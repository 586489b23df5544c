//! The promises, from outside: the programs as people use them, with real processes on real stores.
//!
//! Each module is a chapter; each test is a sentence that holds. What needs a claim that no
//! dispatcher made takes it through the store itself, and goes on with the real warden.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps fails with the line it happened in"
)]

/// Tells each of these on both databases, as `NAME::on_sqlite` and `NAME::on_postgresql`.
macro_rules! on_both {
    ($($told:ident),+ $(,)?) => {$(
        mod $told {
            use tenure_tests::Database;

            #[test]
            fn on_sqlite() {
                super::$told(Database::Sqlite);
            }

            #[test]
            fn on_postgresql() {
                if Database::Postgresql.is_there() {
                    super::$told(Database::Postgresql);
                }
            }
        }
    )+};
}

mod claimed;
mod ways;

mod adopt;
mod bad_input;
mod bad_store;
mod care;
mod crash;
mod cut_off;
mod diagonal;
mod dispatch;
mod doctor;
mod ends;
mod environment;
mod experiments;
mod explain;
mod fence;
mod fleet;
mod freeing;
mod guard;
mod hooks;
mod hosts;
mod inside;
mod isolation;
mod late_finish;
mod logs;
mod mischief;
mod moving;
mod people;
mod policies;
mod proofs;
mod readme;
mod recur;
mod reload;
mod reports;
mod run_file;
mod server;
mod specimens;
mod verbs;
mod versions;
mod workspaces;
