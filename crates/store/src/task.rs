//! A task as somebody wants it: what `add` and `submit` hand over.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenure_guard::TaskId;

use crate::life::LimitsLayer;

/// The reserved profile that runs a task's own command, with protocol `exit`.
pub const SHELL: &str = "shell";

/// What a task runs: its own command, or what a profile says. Never both, never neither.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// An argv, never a shell line.
    Command(Vec<String>),
    /// The name of a profile.
    Assignee(String),
}

impl Work {
    /// The profile that does it.
    pub fn profile(&self) -> &str {
        match self {
            Self::Command(_) => SHELL,
            Self::Assignee(profile) => profile,
        }
    }
}

/// When a task may start at the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotBefore {
    /// At a time.
    At(jiff::Timestamp),
    /// So long after it was added, by the store's clock.
    In(Duration),
}

/// A task that must be done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parent {
    /// One that is in the store.
    Task(TaskId),
    /// The one at this place of the same submission, from 0.
    Sibling(usize),
}

/// A task to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTask {
    /// Its name in the file it came from.
    pub name: Option<String>,
    /// What people see; without one the command line or the assignee stands in.
    pub title: Option<String>,
    /// What the worker is to do, in words.
    pub body: String,
    /// What it runs.
    pub work: Work,
    /// What must be done first.
    pub after: Vec<Parent>,
    /// Higher first.
    pub priority: i32,
    /// What its profile must offer.
    pub skills: Vec<String>,
    /// When it may start at the earliest.
    pub not_before: Option<NotBefore>,
    /// Where it runs; absolute.
    pub cwd: PathBuf,
    /// Added to the worker's environment; never `TENURE_*`.
    pub env: BTreeMap<String, String>,
    /// The same key is the same task, for ever.
    pub key: Option<String>,
    /// What this task says about its limits.
    pub limits: LimitsLayer,
}

impl NewTask {
    /// The longest title that is made from a command line, in characters.
    const TITLE_CHARS: usize = 80;

    /// The title, or what stands in for it.
    pub fn title(&self) -> String {
        match (&self.title, &self.work) {
            (Some(title), _) => title.clone(),
            (None, Work::Command(argv)) => argv.join(" ").chars().take(Self::TITLE_CHARS).collect(),
            (None, Work::Assignee(profile)) => profile.clone(),
        }
    }
}
