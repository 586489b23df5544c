//! `tenure guard exec -- COMMAND`: a warden without a dispatcher. The start on the store is the
//! check, and the end is written by the warden itself.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tenure_guard::{Guard, Identity, Reason, Verdict, env};
use tenure_store::life::{End, Protocol};
use tenure_store::start::{Start, Started};
use tenure_store::{Error, Store, StoreUrl};

use crate::broker::Broker;
use crate::clock::BootInstant;
use crate::command::{self, Input};
use crate::desk;
use crate::dispatched::{not_owner, reach_of};
use crate::ending::Graces;
use crate::lease::Lease;
use crate::process::Process;
use crate::socket_path::socket_path;
use crate::stand::{Limits, Post, stand};
use crate::uplink::Uplink;
use crate::wake::Signals;

/// What a warden by hand needs to be told; a dispatcher would say it at the gate.
#[derive(Clone, Debug)]
pub struct ByHand {
    /// The store.
    pub store: StoreUrl,
    /// The state folder: it has the host's id, and room for a socket.
    pub state_folder: PathBuf,
    /// How long a lease is.
    pub lease: Duration,
    /// From SIGTERM to SIGKILL.
    pub kill_grace: Duration,
    /// From a report to the end of the tree.
    pub finish_grace: Duration,
    /// How long the worker may be silent.
    pub heartbeat_timeout: Option<Duration>,
}

/// Starts `argv` as the worker of `identity` where the store says that it owns its task, and stands
/// over it; else stands down: says why, exits 79, and starts nothing.
///
/// # Errors
/// When something of the machine fails before the start; nothing was started or written then.
pub fn exec_by_hand(
    identity: Identity,
    argv: Vec<OsString>,
    settings: &ByHand,
) -> io::Result<ExitCode> {
    if let Some(reason) = refused_by_warden(&identity) {
        eprintln!("stand down: {reason}");
        tenure_guard::stand_down(&reason);
    }
    let signals = Signals::take_over()?;
    // At a terminal we stay in the person's session, or Ctrl-C would not reach us. The tree is found
    // by descent then, as where we cannot lead a session.
    if !io::stdin().is_terminal() {
        let _ = nix::unistd::setsid();
    }
    nix::sys::prctl::set_dumpable(false)?;
    let pid = nix::unistd::getpid().as_raw();
    let name = format!("by-hand-{pid}.sock");
    let socket = socket_path(&settings.state_folder, &name)?;
    let host_id = crate::host::host_id(&settings.state_folder)?;
    let broker = Broker::bind(&socket)?;
    let start = Start {
        tenure: identity.tenure.clone(),
        warden: Process::of(pid, &host_id)?.id().clone(),
        socket: socket.clone(),
        log: None,
        lease: settings.lease,
    };
    let sent = BootInstant::now();
    let started = match desk::runtime()?.block_on(begin(&settings.store, start)) {
        Ok(started) => started,
        Err(reason) => {
            eprintln!("stand down: {reason}");
            return Ok(not_owner());
        }
    };
    let mut uplink = Uplink::new(
        None,
        None,
        settings.store.clone(),
        identity.tenure.clone(),
        settings.lease,
    );
    uplink.renewed_at(sent);
    let post = Post {
        tenure: identity.tenure,
        graces: Graces {
            kill: settings.kill_grace,
            finish: settings.finish_grace,
        },
        protocol: Protocol::Exit,
        limits: Limits {
            max_runtime: started.deadline.map(|at| until(at.as_millisecond())),
            heartbeat_timeout: settings.heartbeat_timeout,
        },
        lease: Lease::new(
            settings.lease,
            reach_of(&settings.store),
            sent + settings.lease,
        ),
        signals,
        broker,
        uplink,
        cgroup: None,
        log: None,
    };
    let command = command::Start {
        argv,
        env: environment(socket),
        cwd: None,
        // Whoever calls us by hand has made the surroundings of its worker itself.
        confinement: Arc::default(),
        input: Input::Callers,
    };
    stand(post, None, command)
}

/// Where a warden stands over us already, the run was started: a second start of it is refused.
fn refused_by_warden(identity: &Identity) -> Option<Reason> {
    identity.socket.as_ref()?;
    match Guard::new(identity.clone()).check() {
        Ok(Verdict::Owned) => Some(Reason::AlreadyStarted),
        Ok(Verdict::StandDown { reason }) => Some(reason),
        // Nobody answers there: the store knows.
        Err(_) => None,
    }
}

/// Commits the start, or finds out why not and writes that down where it belongs.
async fn begin(url: &StoreUrl, start: Start) -> Result<Started, Reason> {
    let tenure = start.tenure.clone();
    let Ok(store) = desk::open(url).await else {
        return Err(Reason::StoreUnreachable);
    };
    match store.start(start).await {
        Ok(started) => Ok(started),
        Err(Error::NotOwner { reason }) => {
            note(&store, tenure, &reason).await;
            Err(reason)
        }
        Err(_) => Err(Reason::StoreUnreachable),
    }
}

/// Best effort: that we stand down does not hang on it.
async fn note(store: &Store, tenure: tenure_guard::Tenure, reason: &Reason) {
    let own = store
        .stood_down(tenure.clone(), reason.clone())
        .await
        .unwrap_or(false);
    // A claim that ran out before its start would wait for somebody to take it back; we know best
    // that nothing of it runs.
    if own && *reason == Reason::LeaseExpired {
        let end = End::StoodDown {
            reason: reason.clone(),
        };
        let _ = store.end(tenure, end).await;
    }
}

/// How long until a time in milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the deadline is a time of the store, and this host's clock is what there is to count down by"
)]
fn until(at: i64) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Duration::from_millis(u64::try_from(at).unwrap_or_default()).saturating_sub(now)
}

/// The caller's environment with our socket in it, and without what leads to the store.
fn environment(socket: PathBuf) -> Vec<(OsString, OsString)> {
    let leads_to_store = |name: &OsString| {
        let name = name.to_string_lossy();
        name == "TENURE_DB" || name.starts_with("TENURE__")
    };
    std::env::vars_os()
        .filter(|(name, _)| name != env::SOCKET && !leads_to_store(name))
        .chain([(env::SOCKET.into(), socket.into())])
        .collect()
}
