//! The server: a PostgreSQL cluster of the program's own, which it stops, kills and starts again.

use std::fs::File;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::User;
use tenure_tests::process::{self, Process, Signal};
use tenure_tests::{Said, postgres, wait, wait_until};

/// The database, and the role that everybody has.
const NAME: &str = "postgres";

/// How long it may take to be there again after a crash.
const START: Duration = Duration::from_mins(1);

/// A cluster.
#[derive(Debug)]
pub struct Server {
    bin: PathBuf,
    folder: PathBuf,
    user: User,
    process: Option<Child>,
}

impl Server {
    /// Makes the cluster and starts it.
    pub fn make(folder: PathBuf) -> Self {
        let user = User::from_name("postgres").ok().flatten();
        let user = user.expect("root needs the user `postgres` to run a server as");
        chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .expect("root may give a folder away");
        let bin = postgres::server_programs().expect("PostgreSQL is installed");
        let mut server = Self {
            bin,
            folder,
            user,
            process: None,
        };
        let mut initdb = server.program("initdb");
        initdb.args(["--pgdata=data", "--username=postgres", "--auth=trust"]);
        initdb.args([
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]);
        drop(Said::by(&mut initdb).ok());
        std::fs::write(
            server.folder.join("data/pg_hba.conf"),
            "local all all trust\nhost all all 10.77.0.0/16 trust\n",
        )
        .expect("root may write a file of the cluster");
        server.start();
        server
    }

    /// Where it is, for whoever is at this address of its network.
    pub fn url(host: &str) -> String {
        format!("postgres://{NAME}@{host}/{NAME}")
    }

    /// Where it is, past every link.
    pub fn own_url(&self) -> String {
        Self::url(&self.folder.display().to_string().replace('/', "%2F"))
    }

    /// Starts it, where it does not run, and waits until it answers.
    ///
    /// A commit is durable as far as a killed server goes; nobody pulls this machine's plug.
    pub fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        let mut postgres = self.program("postgres");
        postgres.arg("-D").arg(self.folder.join("data"));
        postgres.arg("-k").arg(&self.folder);
        for setting in [
            "listen_addresses=*",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=200",
            // Nothing of it in what other programs share.
            "dynamic_shared_memory_type=mmap",
        ] {
            postgres.args(["-c", setting]);
        }
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.expect("the server's log can be written");
        postgres
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(postgres.spawn().expect("the server can be started"));
        let ready = wait::within(START, || {
            let mut ask = self.program("pg_isready");
            ask.args(["-q", "-t", "1", "-h"]).arg(&self.folder);
            ask.status()
                .is_ok_and(|status| status.success())
                .then_some(())
        });
        assert!(
            ready.is_some(),
            "the server did not start: {}",
            self.log().display()
        );
    }

    /// Kills all of it at once.
    pub fn kill(&mut self) {
        let Some(mut postmaster) = self.process.take() else {
            return;
        };
        let all = tree_of(&postmaster);
        for process in &all {
            process.signal(Signal::KILL);
        }
        postmaster.wait().expect("a child can be waited for");
        wait_until("the server is dead", || {
            all.iter().all(|process| !process.lives()).then_some(())
        });
    }

    /// The postmaster first, then everything that it started; nothing where it does not run.
    pub fn processes(&self) -> Vec<Process> {
        self.process.as_ref().map(tree_of).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .env_clear()
            .current_dir(&self.folder)
            .uid(self.user.uid.as_raw())
            .gid(self.user.gid.as_raw());
        command
    }
}

fn tree_of(postmaster: &Child) -> Vec<Process> {
    process::tree(i32::try_from(postmaster.id()).expect("a pid is an i32"))
}
