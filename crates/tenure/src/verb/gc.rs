//! `gc`: clears away what is old, from the store and from its folder. Files go first, so that none is
//! left whose row could no longer say whose it was; each step is small, and a gc that was broken off has
//! done what it did. It may run beside a dispatcher.

mod sockets;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tenure_guard::{RunId, TaskId};
use tenure_store::gc::{Amount, RunFolder, TaskWalk, Walk};
use tenure_store::{Error, Store};
use tenure_warden::cgroup::Cgroup;
use tenure_warden::workspace::remove_run_folder;

use crate::cli::{Gc, Global};
use crate::failure::Failure;
use crate::place::{self, Place};
use crate::{escape, folders, output};

/// How many folders are judged in one look at the store.
const PAGE: usize = 200;

/// What went, or would go: `gc --json`.
#[derive(Debug, Default, Serialize)]
struct Cleared {
    /// Whether nothing was removed.
    dry_run: bool,
    /// Events of finished tasks and of the store, with those of the tasks that go.
    events: Amount,
    /// Folders of runs: logs, contexts, what workers left in their rooms.
    run_folders: Amount,
    /// Archived tasks; their events and folders are counted where others are.
    tasks: Amount,
    /// Rows of dispatchers that signed off, or died long ago.
    dispatchers: Amount,
    /// Sockets that nobody listens on.
    sockets: Amount,
    /// Cgroups of runs that nobody is in.
    cgroups: Amount,
    /// What could not be removed, and why.
    problems: Vec<String>,
    /// Runs whose folder was looked at: each counts once, also where its task goes, too.
    #[serde(skip)]
    looked_at: BTreeSet<RunId>,
}

/// Up to which times what is cleared away, in milliseconds since 1970.
#[derive(Clone, Copy)]
struct Before {
    events: i64,
    logs: i64,
    archived: i64,
}

/// Clears away.
pub async fn run(global: &Global, args: &Gc) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let store = match place.read().await? {
        None => None,
        Some(looked) if args.dry_run => Some(looked),
        Some(_) => Some(place.open().await?),
    };
    let mut cleared = Cleared {
        dry_run: args.dry_run,
        ..Cleared::default()
    };
    if let Some(store) = &store {
        clear(store, args, &mut cleared).await?;
    }
    if args.json {
        return output::json(&cleared);
    }
    tell(&cleared)
}

async fn clear(store: &Store, args: &Gc, cleared: &mut Cleared) -> Result<(), Failure> {
    let now = store.time().await?;
    let before = |age: Duration| {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        now.as_millisecond().saturating_sub(age)
    };
    let state = folders::state()?;
    let folder = folders::of_store(&state, store.instance());
    let before = Before {
        events: before(args.events_older),
        logs: before(args.logs_older),
        archived: before(args.archived_older),
    };
    clear_folders(store, &folder, before.logs, cleared).await?;
    clear_events(store, before.events, cleared).await?;
    clear_tasks(store, &folder, before, cleared).await?;
    cleared.dispatchers = store.clear_dispatchers(before.events, args.dry_run).await?;
    cleared.sockets = sockets::clear(&state, &folder, args.dry_run);
    if !args.dry_run {
        let what = serde_json::to_value(&*cleared).unwrap_or_default();
        store.note_cleared(place::by(), what).await?;
    }
    Ok(())
}

async fn clear_events(store: &Store, before: i64, cleared: &mut Cleared) -> Result<(), Failure> {
    let mut walk = Some(Walk::default());
    while let Some(from) = walk {
        let piece = store.clear_events(from, before, cleared.dry_run).await?;
        cleared.events.add(piece.amount);
        walk = piece.next;
    }
    Ok(())
}

/// Folders of runs that ended long ago. Those of killed wardens hold rooms of workers, too.
async fn clear_folders(
    store: &Store,
    folder: &Path,
    before: i64,
    cleared: &mut Cleared,
) -> Result<(), Failure> {
    let runs = folder.join("runs");
    let ids = run_ids(&runs);
    for page in ids.chunks(PAGE) {
        let judged = store.judge_run_folders(page, before).await?;
        for (run, folder) in page.iter().zip(judged) {
            match folder {
                RunFolder::Old => clear_folder(&runs, *run, cleared),
                RunFolder::Needed | RunFolder::Unknown => {}
            }
        }
    }
    Ok(())
}

/// The runs that have a folder here, oldest first.
fn run_ids(runs: &Path) -> Vec<RunId> {
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let mut ids: Vec<RunId> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    ids.sort_unstable();
    ids
}

fn clear_folder(runs: &Path, run: RunId, cleared: &mut Cleared) {
    let folder = &runs.join(run.to_string());
    let Ok(metadata) = std::fs::symlink_metadata(folder) else {
        return;
    };
    if !cleared.looked_at.insert(run) {
        return;
    }
    if !metadata.is_dir() || metadata.uid() != nix::unistd::geteuid().as_raw() {
        let problem = "it is not a folder of this user's";
        cleared
            .problems
            .push(format!("{}: {problem}", folder.display()));
        return;
    }
    let cgroup = Cgroup::left_in(folder);
    let amount = Amount {
        count: 1,
        bytes: size(folder),
    };
    if !cleared.dry_run {
        if cgroup.is_some_and(|cgroup| cgroup.remove_if_empty()) {
            cleared.cgroups.count += 1;
        }
        if let Err(error) = remove_run_folder(folder) {
            cleared
                .problems
                .push(format!("{}: {error}", folder.display()));
            return;
        }
    }
    cleared.run_folders.add(amount);
}

/// What a folder holds on its disk; links are not followed.
fn size(folder: &Path) -> u64 {
    /// A block, whatever the filesystem's own are.
    const BLOCK: u64 = 512;
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            bytes += metadata.blocks() * BLOCK;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}

async fn clear_tasks(
    store: &Store,
    folder: &Path,
    before: Before,
    cleared: &mut Cleared,
) -> Result<(), Failure> {
    let runs = folder.join("runs");
    let mut walk = Some(TaskWalk::default());
    while let Some(from) = walk {
        let clearable = store.clearable_tasks(from, before.archived).await?;
        for task in clearable.tasks {
            for run in store.runs_to_clear(task).await? {
                clear_folder(&runs, run, cleared);
            }
            if let Some(events) = clear_task(store, task, before, cleared.dry_run).await? {
                cleared.events.add(events);
                cleared.tasks.count += 1;
            }
        }
        walk = clearable.next;
    }
    Ok(())
}

/// The events that go with a task, where it goes. Older ones were counted before.
async fn clear_task(
    store: &Store,
    task: TaskId,
    before: Before,
    dry_run: bool,
) -> Result<Option<Amount>, Failure> {
    if dry_run {
        return Ok(Some(store.events_with_task(task, before.events).await?));
    }
    match store.clear_task(task, before.archived).await {
        Ok(events) => Ok(Some(events)),
        // Somebody wants it again.
        Err(Error::Refused { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn tell(cleared: &Cleared) -> Result<(), Failure> {
    let what = if cleared.dry_run {
        "would clear away"
    } else {
        "cleared away"
    };
    for (kind, amount) in [
        ("events", cleared.events),
        ("run folders", cleared.run_folders),
        ("archived tasks", cleared.tasks),
        ("dispatchers", cleared.dispatchers),
        ("sockets", cleared.sockets),
        ("cgroups", cleared.cgroups),
    ] {
        let Amount { count, bytes } = amount;
        output::line(format!("{what} {count} {kind}, {bytes} bytes"))?;
    }
    for problem in &cleared.problems {
        output::message(format_args!("tenure: left: {}", escape::line(problem)));
    }
    Ok(())
}
