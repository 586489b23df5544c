//! A PostgreSQL server that a test may stop, kill and start again at will.
//!
//! It belongs to a small shell that holds the reading end of a pipe. The writing end is this
//! process's alone, so however it ends, by returning, panicking or SIGKILL, the shell reads end of
//! file, ends the server and removes its folder.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{Uid, User};
use sqlx::{Connection as _, PgConnection};

use crate::process::{self, Process, Signal};
use crate::wait::wait_until;

/// Makes, serves and removes a server; see the module. `$1` is the folder of its programs, `$2` its
/// own. Each line on the standard input starts it, after the one before came to its end, and is
/// answered with its pid, or with nothing where it does not start.
///
/// The tests may be killed while the server starts: then nobody reads the answer, and writing it
/// must not end the keeper. The server may be stopped as they end.
const KEEPER: &str = r#"
trap '' PIPE
cd "$2" || exit 1
"$1/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --locale=C \
    --no-sync --no-instructions >log 2>&1 || exit 1
cat settings >>data/postgresql.conf
[ -s hba ] && cat hba >data/pg_hba.conf
server=
while read -r word; do
    [ -z "$server" ] || wait $server
    "$1/postgres" -D "$2/data" -k "$2" >>log 2>&1 </dev/null &
    server=$!
    while kill -0 $server && ! "$1/pg_isready" -q -h "$2"; do sleep 0.05; done 2>/dev/null
    kill -0 $server 2>/dev/null && echo $server 2>/dev/null || echo 2>/dev/null
done
if [ -n "$server" ]; then
    kill -QUIT $server 2>/dev/null
    kill -CONT $server 2>/dev/null
    wait $server
fi
cd / && rm -rf "$2"
"#;

/// What every server of the tests is like: nothing here has to survive a power cut, so nothing is
/// forced onto a disk. What was committed survives the death of the server all the same.
const SETTINGS: &str = "fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\n";

/// How a server is made.
#[derive(Clone, Debug, Default)]
pub struct Setup<'a> {
    /// Where it listens beside its Unix socket, on a port that is free; nowhere else where there is none.
    pub listen: Option<IpAddr>,
    /// More lines of `postgresql.conf`.
    pub settings: &'a str,
    /// The whole of `pg_hba.conf`; where it is empty everybody is let in.
    pub hba: &'a str,
    /// Files beside the folder of its data, named `../NAME` in the settings: name and content.
    pub files: &'a [(&'a str, &'a [u8])],
}

/// Everybody is let in, from everywhere it listens.
const TRUST: &str = "local all all trust\nhost all all all trust\n";

/// A server and its folder.
#[derive(Debug)]
pub struct Server {
    bin: PathBuf,
    folder: PathBuf,
    /// Over TCP.
    listen: Option<SocketAddr>,
    databases: AtomicU32,
    keeper: Mutex<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    /// Its closing ends the server.
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
    postmaster: Option<Process>,
}

impl Server {
    /// Makes one and starts it; `None`, after saying so loudly, where no server is installed.
    ///
    /// # Panics
    /// When it does not start, or is missing although `TENURE_TEST_POSTGRES=require`.
    pub fn start(setup: &Setup<'_>) -> Option<Self> {
        super::programs().map(|bin| Self::start_by(bin, setup))
    }

    #[expect(
        clippy::zombie_processes,
        reason = "the keeper outlives this process: that is what it is for"
    )]
    pub(super) fn start_by(bin: PathBuf, setup: &Setup<'_>) -> Self {
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(format!("/tmp/tenure-pg-{}-{number}", std::process::id()));
        // A recycled pid may meet the folder of a machine that lost its power.
        let _ = fs::remove_dir_all(&folder);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
        let listen = setup.listen.map(free_port);
        let address = listen.map(|listen| listen.ip().to_string());
        let settings = format!(
            "{SETTINGS}listen_addresses = '{}'\n{}",
            address.unwrap_or_default(),
            setup.settings
        );
        let hba = if setup.hba.is_empty() {
            TRUST
        } else {
            setup.hba
        };
        let mut files = vec![("settings", settings.as_bytes()), ("hba", hba.as_bytes())];
        files.extend(setup.files);
        let written = files
            .iter()
            .map(|(name, content)| write_own(&folder.join(name), content));
        let mut given: Vec<PathBuf> = written.collect();
        given.push(folder.clone());

        let mut keeper = Command::new("/bin/sh");
        // PostgreSQL refuses to run as root.
        if Uid::effective().is_root() {
            let user = User::from_name("postgres")
                .ok()
                .flatten()
                .expect("root needs the user `postgres` to run a server as");
            for path in &given {
                chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                    .expect("root may give a file away");
            }
            keeper.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut child = keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(&bin)
            .arg(&folder)
            .env("PGPORT", port(listen).to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A Ctrl-C is for the tests; the keeper sees them end.
            .process_group(0)
            .spawn()
            .expect("/bin/sh starts");
        let keeper = Keeper {
            words: child.stdin.take().expect("stdin is piped"),
            answers: BufReader::new(child.stdout.take().expect("stdout is piped")),
            postmaster: None,
        };
        let server = Self {
            bin,
            folder,
            listen,
            databases: AtomicU32::new(0),
            keeper: Mutex::new(keeper),
        };
        server.start_again();
        server
    }

    /// A new, empty database; its address over the Unix socket.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let output = Command::new(self.bin.join("createdb"))
            .arg("-h")
            .arg(&self.folder)
            .args(["-U", "postgres", "-T", "template0", &name])
            .env("PGPORT", port(self.listen).to_string())
            .output()
            .expect("createdb lies beside the server");
        assert!(
            output.status.success(),
            "createdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let host = self.folder.display().to_string().replace('/', "%2F");
        let port = self.listen.map(|listen| format!(":{}", listen.port()));
        format!(
            "postgres://postgres@{host}{}/{name}",
            port.unwrap_or_default()
        )
    }

    /// The same database over TCP, where the server listens there.
    ///
    /// # Panics
    /// Where it does not, or the address is none of [`Server::database`].
    pub fn over_tcp(&self, database: &str) -> String {
        let listen = self.listen.expect("the server listens on TCP");
        let (_, name) = database
            .rsplit_once('/')
            .expect("an address of this server");
        format!("postgres://postgres@{listen}/{name}")
    }

    /// Executes statements on a database of this server, past every rule of ours.
    ///
    /// # Panics
    /// Where the server refuses one.
    pub fn execute(&self, database: &str, statements: &str) {
        let statements = sqlx::AssertSqlSafe(statements.to_owned());
        runtime().block_on(async {
            let mut connection = PgConnection::connect(database)
                .await
                .expect("it lets us in");
            let done = sqlx::raw_sql(statements).execute(&mut connection).await;
            done.expect("the statements are right");
        });
    }

    /// The one number that a query answers.
    ///
    /// # Panics
    /// Where the server refuses it.
    pub fn number(&self, database: &str, query: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(query.to_owned());
        runtime().block_on(async {
            let mut connection = PgConnection::connect(database)
                .await
                .expect("it lets us in");
            let number = sqlx::query_scalar(query).fetch_one(&mut connection).await;
            number.expect("the query is right")
        })
    }

    /// Stops all of it: what is asked of it waits, as on a link that is down.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Server::stop`].
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills all of it, and waits until it is dead.
    pub fn kill(&self) {
        let processes = self.signal(Signal::KILL);
        wait_until("the server is dead", || {
            processes
                .iter()
                .all(|process| !process.lives())
                .then_some(())
        });
    }

    /// Lets it end by itself, its connections cut, and waits until it did.
    pub fn shut_down(&self) {
        let postmaster = self.postmaster();
        postmaster.signal(Signal::INT);
        wait_until("the server ended", || (!postmaster.lives()).then_some(()));
    }

    /// Starts it after [`Server::kill`] or [`Server::shut_down`]; answers when it can be asked.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        let mut keeper = self.keeper.lock().expect("no test panicked with it");
        let mut line = String::new();
        let asked = keeper.words.write_all(b"start\n");
        let read = asked.and_then(|()| keeper.answers.read_line(&mut line));
        let postmaster = line.trim().parse().ok().and_then(Process::now);
        assert!(
            postmaster.is_some(),
            "PostgreSQL did not start ({read:?}):\n{}",
            self.log()
        );
        keeper.postmaster = postmaster;
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn postmaster(&self) -> Process {
        let keeper = self.keeper.lock().expect("no test panicked with it");
        keeper.postmaster.expect("the server was started")
    }

    /// Sends it to every process, while the first of them makes no more.
    fn signal(&self, signal: Signal) -> Vec<Process> {
        let postmaster = self.postmaster();
        postmaster.signal(Signal::STOP);
        let processes = process::tree(postmaster.pid);
        for process in processes.iter().rev() {
            process.signal(signal);
        }
        processes
    }
}

impl Drop for Server {
    /// Whoever is stopped cannot end.
    fn drop(&mut self) {
        let keeper = self.keeper.lock().ok();
        let postmaster = keeper.and_then(|keeper| keeper.postmaster);
        for process in postmaster.iter().flat_map(|first| process::tree(first.pid)) {
            process.signal(Signal::CONT);
        }
    }
}

/// A port of this address that nobody listens on; the kernel chooses it, and does not soon choose it again.
fn free_port(address: IpAddr) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).expect("the address is one of this host's");
    listener.local_addr().expect("it is bound")
}

/// By which its Unix socket is called as well.
fn port(listen: Option<SocketAddr>) -> u16 {
    listen.map_or(5432, |listen| listen.port())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

/// Writes a file that is its owner's alone, as PostgreSQL wants its key.
fn write_own(path: &Path, content: &[u8]) -> PathBuf {
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path.to_owned()
}
