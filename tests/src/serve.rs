//! A dispatcher that lives no longer than its test, and neither do its wardens and workers.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::home::Home;
use crate::process::{self, Process, Signal};
use crate::slot::Slot;
use crate::wait::{self, wait_until};

/// A running `tenure serve`.
#[derive(Debug)]
pub struct Dispatcher {
    child: Child,
    log: PathBuf,
    /// What stood below it when it was killed: wardens go on by themselves.
    survivors: Vec<Process>,
    home: PathBuf,
    /// Where it says that it is ready.
    notify: UnixDatagram,
    #[expect(dead_code, reason = "held, not read: dropping it makes room")]
    slot: Slot,
}

impl Dispatcher {
    /// Starts one and waits for the word that systemd would wait for.
    #[track_caller]
    pub(crate) fn start(home: &Home, flags: &[&str]) -> Self {
        let slot = Slot::take();
        let log = home.path().join("serve.log");
        let (child, notify) = launch(home, &log, flags);
        let mut dispatcher = Self {
            child,
            log,
            survivors: Vec::new(),
            home: home.path().to_path_buf(),
            notify,
            slot,
        };
        dispatcher.until_ready();
        dispatcher
    }

    /// Waits until it says that it can dispatch.
    #[track_caller]
    pub fn until_ready(&mut self) {
        wait_until("the dispatcher is ready", || self.is_ready());
    }

    /// Starts another one after this one ended, with a log of its own, and does not wait for it.
    #[track_caller]
    pub fn launch_again(&mut self, home: &Home) {
        assert!(
            matches!(self.child.try_wait(), Ok(Some(_))),
            "the dispatcher has not ended"
        );
        // What a dispatcher of a thousand said is of use only while it is the last but one.
        let _ = fs::rename(&self.log, self.log.with_extension("before"));
        (self.child, self.notify) = launch(home, &self.log, &[]);
        // They are the new one's now; the sweep of the home finds whoever is not.
        self.survivors.clear();
    }

    #[track_caller]
    fn is_ready(&mut self) -> Option<()> {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!(
                "the dispatcher ended before it was ready ({status}):\n{}",
                self.log()
            );
        }
        let mut message = [0; 512];
        let length = self.notify.recv(&mut message).ok()?;
        message[..length]
            .split(|byte| *byte == b'\n')
            .any(|line| line == b"READY=1")
            .then_some(())
    }

    /// Its process.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn process(&self) -> Process {
        Process::now(self.pid()).expect("the dispatcher lives")
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid is an i32")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Waits for its end; the exit code.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        wait_until("the dispatcher ended", || {
            self.child.try_wait().ok().flatten()
        })
        .code()
    }

    /// Kills it as a crash would. Its wardens live on until this is dropped.
    #[track_caller]
    pub fn crash(&mut self) {
        self.survivors = process::tree(self.pid());
        self.signal(Signal::KILL);
        wait_until("the dispatcher is dead", || {
            self.child.try_wait().ok().flatten()
        });
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the dispatcher's log\n{}", self.log());
        }
        let mut doomed = std::mem::take(&mut self.survivors);
        if let Ok(None) = self.child.try_wait() {
            doomed.extend(process::tree(self.pid()));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        for process in doomed {
            process.signal(Signal::KILL);
        }
        sweep(&self.home);
    }
}

/// Starts one; where it says that it is ready.
fn launch(home: &Home, log: &Path, flags: &[&str]) -> (Child, UnixDatagram) {
    let notify = home.path().join("notify");
    // The socket of an earlier dispatcher of this home.
    let _ = fs::remove_file(&notify);
    let socket = UnixDatagram::bind(&notify).expect("the notify socket can be bound");
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .expect("a socket takes a timeout");
    let output = File::options()
        .create(true)
        .append(true)
        .open(log)
        .expect("the dispatcher's log can be written");
    let mut arguments = vec!["serve"];
    arguments.extend(flags);
    let child = home
        .command(&arguments)
        .env("NOTIFY_SOCKET", &notify)
        .env("TENURE_LOG", "debug")
        // What no worker may ever see.
        .env("A_SECRET_OF_THE_DAEMON", "do not pass on")
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a file can be shared"))
        .stderr(output)
        .spawn()
        .expect("the dispatcher can be started");
    (child, socket)
}

/// Ends what runs with this home in its environment: whatever escaped every tree.
pub(crate) fn sweep(home: &Path) {
    let left = wait::within(Duration::from_secs(10), || {
        let left = process::with_in_environment(home);
        for process in &left {
            process.signal(Signal::KILL);
        }
        left.is_empty().then_some(())
    });
    if left.is_none() {
        eprintln!("processes of {} could not be ended", home.display());
    }
}
