//! Makes wardens, on threads of its own: making a process blocks its caller until the program is
//! loaded, and the loop shall not wait for that.
//!
//! The standard library takes its `posix_spawn` path here (no `pre_exec`, descriptors 0 to 2 only),
//! so that a large dispatcher is never copied. There is no parent-death signal: it would fire when
//! the spawning *thread* ends, and workers outlive their dispatcher.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tenure_store::claim::Claimed;
use tenure_store::process::ProcessId;
use tenure_warden::account::Account;
use tenure_warden::gate::{self, Brief};
use tenure_warden::process::Process;
use tenure_warden::socket_path;
use tokio::sync::mpsc::UnboundedSender;

use crate::environment::{self, Places};
use crate::folder::Folder;
use crate::settings::{Profile, Settings};
use crate::template::Facts;
use crate::wake::Wake;

/// Two threads keep two cores busy; more only wait for the kernel.
const THREADS: usize = 2;

/// What these threads are called, and for a moment whatever they make.
pub(crate) const SPAWNER: &str = "spawner";

/// A run whose warden is to be made.
#[derive(Debug)]
pub(crate) struct Order {
    /// The claim.
    pub(crate) claimed: Box<Claimed>,
    /// What the worker will be told, as JSON.
    pub(crate) context: Vec<u8>,
    /// What was in force when it was claimed.
    pub(crate) settings: Arc<Settings>,
}

/// A warden that waits at its gate.
#[derive(Debug)]
pub(crate) struct Made {
    /// Who it is.
    pub(crate) process: ProcessId,
    /// The gate, and the lifeline after.
    pub(crate) stream: UnixStream,
    /// Where it answers its worker.
    pub(crate) socket: PathBuf,
    /// Where the worker's output goes.
    pub(crate) log: PathBuf,
}

/// Starts the spawner threads; they end when the returned end is dropped.
pub(crate) fn start(store: &str, wakes: &UnboundedSender<Wake>) -> io::Result<Sender<Order>> {
    let (orders, queue) = channel();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..THREADS {
        let (store, queue, wakes) = (store.to_owned(), Arc::clone(&queue), wakes.clone());
        std::thread::Builder::new()
            .name(SPAWNER.to_owned())
            .spawn(move || {
                while let Some(order) = next(&queue) {
                    let run = order.claimed.tenure.run;
                    let made = make(&store, &order);
                    if wakes.send(Wake::Made { run, made }).is_err() {
                        return;
                    }
                }
            })?;
    }
    Ok(orders)
}

fn next(queue: &Mutex<Receiver<Order>>) -> Option<Order> {
    // A thread that panicked while it waited has left the queue as it was.
    queue
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .recv()
        .ok()
}

/// Makes one warden. An error is a fault of our own side, and says nothing about the task.
fn make(store: &str, order: &Order) -> Result<Made, String> {
    let (claimed, settings) = (&order.claimed, &*order.settings);
    let run = claimed.tenure.run;
    let profile = settings
        .profiles
        .get(&claimed.profile)
        .ok_or_else(|| format!("profile {:?} is not configured here", claimed.profile))?;
    let folder = Folder::make(&settings.folder, run)?;
    folder.write_context(&order.context)?;
    let account = account(profile)?;
    if let Some(account) = account.as_ref().filter(|account| !account.is_ours()) {
        folder.give_to(account)?;
    }
    let log = folder.open_log()?;
    let socket = socket_path(folder.path(), "warden.sock").map_err(|error| {
        format!(
            "no place for a socket of {}: {error}",
            folder.path().display()
        )
    })?;
    let account = account.as_ref();
    let brief = brief(
        settings,
        profile,
        account,
        store,
        claimed,
        &folder,
        socket.clone(),
    )?;
    let (ours, theirs) =
        UnixStream::pair().map_err(|error| format!("cannot make a socket pair: {error}"))?;
    let pid = spawn(settings, theirs, log)?;
    let process = Process::of(pid, &settings.host.id)
        .map_err(|error| format!("the warden was gone at once: {error}"))?
        .id()
        .clone();
    let mut stream = ours;
    let mut line = serde_json::to_vec(&brief).map_err(|error| error.to_string())?;
    line.push(b'\n');
    stream
        .write_all(&line)
        .map_err(|error| format!("the warden does not listen: {error}"))?;
    stream
        .set_nonblocking(true)
        .map_err(|error| error.to_string())?;
    Ok(Made {
        process,
        stream,
        socket,
        log: folder.log(),
    })
}

/// Starts the program with the gate as its standard input and the log as its output.
fn spawn(settings: &Settings, gate: UnixStream, log: std::fs::File) -> Result<i32, String> {
    let program = &settings.warden.path;
    let failed = |error: std::io::Error| format!("cannot start {}: {error}", program.display());
    let second = log.try_clone().map_err(failed)?;
    let child = Command::new(program)
        .args(&settings.warden.args)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(gate)))
        .stdout(log)
        .stderr(second)
        .spawn()
        .map_err(failed)?;
    i32::try_from(child.id()).map_err(|error| error.to_string())
}

fn brief(
    settings: &Settings,
    profile: &Profile,
    account: Option<&Account>,
    store: &str,
    claimed: &Claimed,
    folder: &Folder,
    socket: PathBuf,
) -> Result<Brief, String> {
    let context = folder.context();
    let workspace = profile.workspace.place(folder.path(), &claimed.cwd);
    let places = Places {
        socket: &socket,
        context: &context,
        workspace: &workspace,
    };
    Ok(Brief {
        v: gate::VERSION,
        argv: argv(profile.command.as_deref(), claimed, places)?,
        env: environment::build(settings, profile, account, claimed, places),
        tenure: claimed.tenure.clone(),
        cwd: claimed.cwd.clone(),
        folder: folder.path().to_owned(),
        log_max_bytes: settings.log_max_bytes,
        open_files: Some(settings.open_files),
        isolation: profile.isolation.clone(),
        cgroups: settings.cgroups.clone(),
        workspace: profile.workspace,
        lease: settings.lease,
        kill_grace: settings.kill_grace,
        finish_grace: settings.finish_grace,
        protocol: claimed.limits.protocol,
        max_runtime: claimed.limits.max_runtime,
        heartbeat_timeout: claimed.limits.heartbeat_timeout,
        store: store.to_owned(),
        socket,
    })
}

/// Who its workers are, where the profile says. That there is no such user is the profile's fault,
/// and the warden says it where the command would have begun.
fn account(profile: &Profile) -> Result<Option<Account>, String> {
    let Some(user) = &profile.isolation.user else {
        return Ok(None);
    };
    Account::find(user).map_err(|error| format!("user {user:?} cannot be looked up: {error}"))
}

fn argv(
    templates: Option<&[crate::template::Template]>,
    claimed: &Claimed,
    places: Places<'_>,
) -> Result<Vec<String>, String> {
    match (templates, &claimed.command) {
        (None, Some(command)) => Ok(command.clone()),
        (Some(templates), None) => {
            let facts = Facts {
                task_id: &claimed.tenure.task.to_string(),
                task_title: &claimed.title,
                task_body: &claimed.body,
                run_id: &claimed.tenure.run.to_string(),
                workspace: &places.workspace.display().to_string(),
                context: &places.context.display().to_string(),
            };
            Ok(templates
                .iter()
                .map(|template| template.render(&facts))
                .collect())
        }
        (None, None) | (Some(_), Some(_)) => Err(format!(
            "profile {:?} and its task disagree about whose the command is",
            claimed.profile
        )),
    }
}
