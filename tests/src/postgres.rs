//! Throwaway PostgreSQL servers from the installed programs: one for each test process, with a
//! database for each test, and [`Server`] for those that do harm to theirs.

mod server;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use server::{Server, Setup};

/// `require` makes a missing server a failure instead of a loud skip.
const REQUIRE: &str = "TENURE_TEST_POSTGRES";

/// Said once by each test program.
const SKIPPED: &str = "
************************************************************************************
SKIPPED: PostgreSQL is not installed (initdb is neither in PATH nor below
/usr/lib/postgresql), so NOTHING WAS TESTED ON POSTGRESQL: `apt-get install postgresql`.
************************************************************************************
";

/// The server that all tests of a process share is never killed, so its commits need not wait.
const SHARED: &str = "synchronous_commit = off\nmax_connections = 300\n";

/// The address of a new, empty database on this process's server; `None`, after saying so loudly,
/// where none is installed.
///
/// # Panics
/// When the server is installed but does not start, or when it is missing although
/// `TENURE_TEST_POSTGRES=require`.
pub fn database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        Server::start(&Setup {
            settings: SHARED,
            ..Setup::default()
        })
    });
    server.as_ref().map(Server::database)
}

/// Whether a server is installed; says so loudly where none is.
///
/// # Panics
/// When it is missing although `TENURE_TEST_POSTGRES=require`.
pub fn is_there() -> bool {
    programs().is_some()
}

/// The folder of the server's programs; `None`, after saying so loudly, where there is none.
fn programs() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let look = || {
        let found = server_programs();
        if found.is_none() {
            assert!(
                std::env::var(REQUIRE).as_deref() != Ok("require"),
                "{REQUIRE}=require, but initdb and postgres are neither in PATH nor below /usr/lib/postgresql"
            );
            // Not by `eprintln!`, which the test runner keeps to itself where a test passes.
            let _ = std::io::stderr().write_all(SKIPPED.as_bytes());
        }
        found
    };
    FOUND.get_or_init(look).clone()
}

/// The folder of the server's programs: from `PATH`, else the newest below `/usr/lib/postgresql`.
pub fn server_programs() -> Option<PathBuf> {
    let complete = |bin: &Path| {
        ["initdb", "postgres", "pg_isready", "createdb"]
            .iter()
            .all(|program| bin.join(program).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(bin) = std::env::split_paths(&path).find(|bin| complete(bin)) {
        return Some(bin);
    }
    let version = |bin: &PathBuf| {
        let folder = bin.parent()?.file_name()?.to_str()?;
        folder.parse::<u32>().ok()
    };
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| complete(bin))
        .collect();
    found.sort_by_key(version);
    found.pop()
}
