//! From the configuration to what a dispatcher is told at its start.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use tenure_dispatcher::{Host, Settings, WardenProgram};
use tenure_store::{BatchId, DispatcherId, Store};

use crate::answer;
use crate::config::Config;
use crate::failure::Failure;
use crate::folders;

/// What stands over workers: looked for once, before anything is dispatched. Whoever dispatches reaps
/// every child, and could not wait for one of its own.
static WARDEN: OnceLock<WardenProgram> = OnceLock::new();

/// Settings for a dispatcher of this process.
///
/// # Errors
/// Where there is no state folder, or it cannot be written.
pub fn settings(
    config: &Config,
    store: &Store,
    batch: Option<BatchId>,
) -> Result<Settings, Failure> {
    let state = folders::state()?;
    folders::make_private(&state)?;
    let folder = folders::of_store(&state, store.instance());
    folders::make_private(&folder)?;
    let bin = own_program()?;
    let id = tenure_warden::process::host_id(&state)
        .map_err(|error| Failure::io(format!("the host's id in {}", state.display()), error))?;
    Ok(Settings {
        id: DispatcherId::random(),
        host: Host {
            id,
            name: host_name(),
        },
        slots: config.slots,
        labels: config.labels.clone(),
        lease: config.lease,
        kill_grace: config.kill_grace,
        finish_grace: config.finish_grace,
        poll: config.poll,
        log_max_bytes: config.log_max_bytes,
        on_stop: config.on_stop,
        defaults: config.defaults.clone(),
        profiles: config.profiles.clone(),
        hooks: config.hooks.clone(),
        // Nothing of Tenure's own is passed on, however wide a `pass_env` is: TENURE_DB may hold a
        // password. Nor is what the service manager tells the dispatcher alone, nor what leads libpq's
        // likes to the server.
        environment: std::env::vars_os()
            .filter(|(name, _)| !(is_ours(name) || store.is_shared() && is_of_a_server(name)))
            .collect(),
        state,
        folder,
        open_files: getrlimit(Resource::RLIMIT_NOFILE).map_or(RLIM_INFINITY, |(soft, _)| soft),
        cgroups: tenure_warden::cgroup::open().cgroups,
        warden: WARDEN.get_or_init(|| warden_program(&bin)).clone(),
        bin,
        batch,
    })
}

/// Where this program was started from, as it was at the first question: what lies there by now may
/// be a newer one.
///
/// # Errors
/// Where the kernel does not tell.
pub fn own_program() -> Result<PathBuf, Failure> {
    static AT_START: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = AT_START.get() {
        return Ok(path.clone());
    }
    let shown = std::env::current_exe()
        .map_err(|error| Failure::io("the path of this program is not known", error))?;
    // So the kernel says that another file lies there by now.
    let replaced = shown
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"));
    let path = replaced.map_or_else(|| shown.clone(), PathBuf::from);
    Ok(AT_START.get_or_init(|| path).clone())
}

/// What a service manager tells the dispatcher and no worker of it: where its secrets lie, and where
/// to say how it is.
const FROM_THE_MANAGER: [&str; 4] = [
    "CREDENTIALS_DIRECTORY",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

fn is_ours(name: &OsString) -> bool {
    name.as_encoded_bytes()
        .starts_with(tenure_guard::env::PREFIX.as_bytes())
        || FROM_THE_MANAGER.iter().any(|known| name == known)
}

/// `PGPASSWORD` and its kind. Where the store is a file they are nothing of ours.
fn is_of_a_server(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(b"PG")
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// The small program beside this one, where it is of the same build; else this one itself.
pub fn warden_program(bin: &Path) -> WardenProgram {
    match sibling(bin).filter(|path| reports_our_build(path)) {
        Some(path) => WardenProgram {
            path,
            args: Vec::new(),
        },
        None => WardenProgram {
            path: bin.to_owned(),
            args: vec!["guard", "exec"],
        },
    }
}

fn sibling(bin: &Path) -> Option<PathBuf> {
    let mut name = bin.file_name()?.to_owned();
    name.push("-warden");
    Some(bin.with_file_name(name)).filter(|path| path.is_file())
}

fn reports_our_build(program: &Path) -> bool {
    let output = answer::of(Command::new(program).arg("--build").env_clear());
    output.is_ok_and(|output| {
        output.status.success()
            && String::from_utf8_lossy(&output.stdout).trim() == tenure_warden::build_id()
    })
}
