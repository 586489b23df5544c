//! A throwaway PostgreSQL cluster from the installed server: one for each test process, a database
//! for each test.
//!
//! The cluster belongs to a small shell that holds the reading end of a pipe. The writing end is
//! this process's alone, so however it ends, by returning, panicking or SIGKILL, the shell reads
//! end of file, stops the server and removes the folder. Nothing listens on TCP.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{Uid, User};

/// `require` makes a missing server a failure instead of a loud skip.
const REQUIRE: &str = "TENURE_TEST_POSTGRES";

/// Said once by each test program.
const SKIPPED: &str = "
************************************************************************************
SKIPPED: PostgreSQL is not installed (initdb is neither in PATH nor below
/usr/lib/postgresql), so NOTHING WAS TESTED ON POSTGRESQL: `apt-get install postgresql`.
************************************************************************************
";

/// Makes, serves and removes the cluster; see the module. `$1` is the server's `bin`, `$2` the
/// cluster's folder. A test database need not survive a power cut, hence no fsync.
///
/// The tests may be killed while the server starts: then nobody reads "ready", and writing it must
/// not end the keeper.
const KEEPER: &str = r#"
trap '' PIPE
cd "$2" || exit 1
"$1/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --locale=C \
    --no-sync --no-instructions >log 2>&1 || exit 1
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c synchronous_commit=off -c max_connections=300 -c shared_buffers=32MB >>log 2>&1 </dev/null &
server=$!
while kill -0 $server && ! "$1/pg_isready" -q -h "$2"; do sleep 0.05; done 2>/dev/null
kill -0 $server 2>/dev/null && echo ready 2>/dev/null
cat >/dev/null
kill -QUIT $server
wait $server
cd / && rm -rf "$2"
"#;

/// A running cluster.
#[derive(Debug)]
struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    databases: AtomicU32,
    #[expect(dead_code, reason = "held, not read: its closing stops the server")]
    alive: ChildStdin,
}

/// The address of a new, empty database on this process's cluster; `None`, after saying so loudly,
/// where no server is installed.
///
/// # Panics
/// When the server is installed but does not start, or when it is missing although
/// `TENURE_TEST_POSTGRES=require`.
pub fn database() -> Option<String> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let Some(bin) = server_programs() else {
            assert!(
                std::env::var(REQUIRE).as_deref() != Ok("require"),
                "{REQUIRE}=require, but initdb and postgres are neither in PATH nor below /usr/lib/postgresql"
            );
            // Not by `eprintln!`, which the test runner keeps to itself where a test passes.
            let _ = std::io::stderr().write_all(SKIPPED.as_bytes());
            return None;
        };
        Some(Cluster::start(bin))
    });
    cluster.as_ref().map(Cluster::create_database)
}

impl Cluster {
    #[expect(
        clippy::zombie_processes,
        reason = "the keeper outlives this process: that is what it is for"
    )]
    fn start(bin: PathBuf) -> Self {
        let folder = PathBuf::from(format!("/tmp/tenure-pg-{}", std::process::id()));
        // A recycled pid may meet the folder of a machine that lost its power.
        let _ = fs::remove_dir_all(&folder);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));

        let mut keeper = Command::new("/bin/sh");
        // PostgreSQL refuses to run as root.
        if Uid::effective().is_root() {
            let user = User::from_name("postgres")
                .ok()
                .flatten()
                .expect("root needs the user `postgres` to run a server as");
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                .expect("root may give a folder away");
            keeper.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut child = keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(&bin)
            .arg(&folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A Ctrl-C is for the tests; the keeper sees them end.
            .process_group(0)
            .spawn()
            .expect("/bin/sh starts");
        let alive = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        assert!(
            read.is_ok() && line == "ready\n",
            "PostgreSQL did not start:\n{}",
            fs::read_to_string(folder.join("log")).unwrap_or_default()
        );
        Self {
            bin,
            folder,
            databases: AtomicU32::new(0),
            alive,
        }
    }

    fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let output = Command::new(self.bin.join("createdb"))
            .arg("-h")
            .arg(&self.folder)
            .args(["-U", "postgres", "-T", "template0", &name])
            .output()
            .expect("createdb lies beside the server");
        assert!(
            output.status.success(),
            "createdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{host}/{name}")
    }
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
