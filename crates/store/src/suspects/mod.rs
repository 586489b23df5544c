//! suspects: what looks wrong, read for whoever judges it: a moment of the whole store, or of one
//! task. Each reading goes by an index of what is unfinished or in trouble, up to a bound that is
//! said, so that it costs nothing what has ended well.
//!
//! Whether a suspect is a matter at all, and what mends it, is for the rules of `diagnose` to say.

mod read;
mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tenure_guard::{BlockKind, Reason, RunId, TaskId};

use crate::ids::{BatchId, DispatcherId};
use crate::life::{Outcome, Streaks, TaskStatus};
use crate::read::{Pause, Stored};

/// So many suspects of a kind are read; whoever mends those sees the next.
pub const MOST: u32 = 1_000;

/// So many links that are not met are followed to their parents.
pub const MOST_LINKS: u32 = 20_000;

/// What happened within this is too new to have been taken up by everybody.
pub const LATELY: Duration = Duration::from_mins(1);

/// Of so many of a lane's first tasks the longest wait is looked for.
pub const FIRST: u32 = 100;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole store.
    Store,
    /// One task.
    Task(TaskId),
}

/// All of it, of one moment.
#[derive(Clone, Debug)]
pub struct Suspects {
    /// That moment, by the store's clock.
    pub now: Timestamp,
    /// Unfinished tasks with a streak that is not zero.
    pub troubled: Vec<Troubled>,
    /// Tasks that have been blocked for long, with nobody speaking of them.
    pub blocked: Vec<Blocked>,
    /// What is ready and not paused, by lane.
    pub lanes: Vec<Waiting>,
    /// How many scheduled tasks are due, counted up to [`MOST`], and one of them.
    pub overdue: Option<(u32, TaskId)>,
    /// Tasks that a person keeps from starting.
    pub paused: Vec<PausedTask>,
    /// Profiles that tasks name which nobody has started yet.
    pub wanted: Vec<WantedProfile>,
    /// Tasks that wait for a parent which ended otherwise than they ask.
    pub deserted: Vec<Deserted>,
    /// Tasks that are held by a run which is closed, gone or another task's.
    pub residue: Vec<(TaskId, RunId)>,
    /// Closed runs whose tree was not proved dead, and of whose task nobody spoke since.
    pub unverified: Vec<Unverified>,
    /// What people keep from starting.
    pub pauses: Vec<Pause>,
    /// Runs that ended within [`LATELY`], told apart by what room they gave; where something is ready.
    pub freed: Vec<Freed>,
    /// When a person let the store or a profile start things again for the last time, if lately.
    pub resumed_at: Option<Timestamp>,
    /// How many run of each profile for which something is ready.
    pub running_of: BTreeMap<String, u32>,
    /// How many run with each limit key.
    pub running_with: BTreeMap<String, u32>,
    /// What was read up to its bound, so that more may be wrong than is seen.
    pub cut: Vec<&'static str>,
}

/// An unfinished task with a streak that is not zero.
#[derive(Clone, Debug)]
pub struct Troubled {
    /// Which.
    pub task: TaskId,
    /// Where it stands.
    pub status: TaskStatus,
    /// Its profile.
    pub profile: String,
    /// Not before when it starts.
    pub not_before: Option<Timestamp>,
    /// Its streaks.
    pub streaks: Streaks,
    /// The newest run that has ended, of the newest two.
    pub newest: Option<EndedRun>,
    /// How many of the newest runs that have ended crashed in a row; at most three are looked at.
    pub crashes: u32,
    /// Of the blocks in its streak, those in which its worker said which task it waits for.
    pub waits: u32,
}

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct EndedRun {
    /// Which.
    pub run: RunId,
    /// How.
    pub outcome: Stored<Outcome>,
    /// Why it is that outcome.
    pub reason: String,
    /// Why a guard in it stood down.
    pub stood_down: Option<Reason>,
}

/// A task that has been blocked for long.
#[derive(Clone, Debug)]
pub struct Blocked {
    /// Which.
    pub task: TaskId,
    /// For what it waits.
    pub kind: BlockKind,
    /// In words.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// What is ready in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Of which profile.
    pub profile: String,
    /// What the profile must offer.
    pub skills: Vec<String>,
    /// Which labels the dispatcher must have.
    pub requires: Vec<String>,
    /// By what it is counted how many may run at once.
    pub limit_key: Option<String>,
    /// And how many may, as the first task says.
    pub limit: Option<u32>,
    /// The task that starts first.
    pub first: TaskId,
    /// The batch of that task, which a dispatcher of its own may serve.
    pub batch: Option<BatchId>,
    /// How many there are, counted up to [`MOST`].
    pub number: u32,
    /// Since when the longest of the first [`FIRST`] waits.
    pub since: Timestamp,
    /// When the first task was changed for the last time.
    pub changed_at: Timestamp,
    /// What they ask that this program, and any that knows no later schema version, does not understand:
    /// of the first [`FIRST`] of a lane those that do so stand apart from the others.
    pub beyond: Option<String>,
}

/// Room that a run gave when it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freed {
    /// Whose slot.
    pub dispatcher: DispatcherId,
    /// Of which profile.
    pub profile: String,
    /// With which limit key.
    pub limit_key: Option<String>,
}

/// A task that a person keeps from starting.
#[derive(Clone, Copy, Debug)]
pub struct PausedTask {
    /// Which.
    pub task: TaskId,
    /// Where it stands.
    pub status: TaskStatus,
    /// Since when.
    pub since: Timestamp,
}

/// A profile that tasks name which nobody has started yet.
#[derive(Clone, Debug)]
pub struct WantedProfile {
    /// Its name.
    pub name: String,
    /// One of the tasks.
    pub first: TaskId,
}

/// A task that waits for a parent which cannot come by itself any more.
#[derive(Clone, Debug)]
pub struct Deserted {
    /// Which.
    pub task: TaskId,
    /// The parent.
    pub parent: TaskId,
    /// What the parent is.
    pub parent_title: String,
    /// How it stands: cancelled, or given up.
    pub parent_status: TaskStatus,
    /// For how many other parents it waits.
    pub others: u32,
}

/// A closed run whose tree was not proved dead.
#[derive(Clone, Debug)]
pub struct Unverified {
    /// Which.
    pub run: RunId,
    /// Of which task.
    pub task: TaskId,
    /// Where its warden was, and in which boot of that host.
    pub host: Option<(String, String)>,
    /// Its warden's pid there.
    pub warden: Option<i32>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Whether the task was started again since, or is finished.
    pub has_moved_on: bool,
}
