//! What people want of a task, and what each wish means where a run has the task.

use tenure_guard::{BlockKind, Report, TaskId};

use crate::error::Error;
use crate::life::{Ask, Move};
use crate::task::SHELL;

/// What a person wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// The task is not wanted any more.
    Cancel,
    /// End its run and keep it from starting again. Refused where nothing runs.
    Stop,
    /// Take it back and leave it ready. Refused where nothing runs.
    Reclaim,
    /// Let it wait.
    Block {
        /// Why it waits; [`BlockKind::GaveUp`] is the breaker's alone.
        kind: BlockKind,
    },
    /// Let it go on; all streaks start anew.
    Unblock,
    /// Try it again from a clean slate, also where it was over: parents and time still count,
    /// streaks start anew.
    Retry,
    /// The work is done, by whomever. Refused while a run has it.
    Complete {
        /// What came of it, for people and for the task's children.
        summary: Option<String>,
        /// The same for programs.
        metadata: Option<serde_json::Value>,
        /// Files that came of it, by absolute paths.
        artifacts: Vec<String>,
    },
    /// Let it start now instead of at its time.
    Promote {
        /// Without its parents too.
        force: bool,
    },
    /// Put it away; what is not finished is not wanted any more.
    Archive,
    /// Another profile is to do it. Refused for a task that has a command of its own.
    Reassign {
        /// Which.
        profile: String,
        /// Take it back first, where a run has it; else that is refused.
        reclaim: bool,
    },
}

/// What a wish means where a run has the task.
pub(super) enum OnRun<'a> {
    /// The run is asked, and the holder's side carries it out.
    Asked(Ask),
    /// It makes no sense.
    Illegal(Move),
    /// It must wait: what leads there, for the task that it is.
    Refused(Box<dyn Fn(TaskId) -> String + 'a>),
}

impl Wish {
    /// What a wish asks of a run that has the task, where it asks anything.
    pub fn ask(&self) -> Option<Ask> {
        match self.on_run() {
            OnRun::Asked(ask) => Some(ask),
            OnRun::Illegal(_) | OnRun::Refused(_) => None,
        }
    }

    pub(super) fn on_run(&self) -> OnRun<'_> {
        match self {
            Self::Cancel => OnRun::Asked(Ask::Cancel),
            Self::Stop => OnRun::Asked(Ask::Stop),
            Self::Reclaim | Self::Reassign { reclaim: true, .. } => OnRun::Asked(Ask::Reclaim),
            Self::Block { .. } => OnRun::Asked(Ask::Block),
            Self::Archive => OnRun::Asked(Ask::Archive),
            Self::Unblock => OnRun::Illegal(Move::Unblocked),
            Self::Retry => OnRun::Illegal(Move::Retried),
            Self::Promote { .. } => OnRun::Illegal(Move::Promoted),
            Self::Complete { .. } => OnRun::Refused(Box::new(|id| {
                format!("say `tenure stop {id}` first, then `tenure complete {id}`")
            })),
            Self::Reassign {
                reclaim: false,
                profile,
            } => OnRun::Refused(Box::new(move |id| {
                format!("`tenure reassign {id} {profile} --reclaim` takes it back first")
            })),
        }
    }

    /// Whether it can be wanted at all, of whatever task.
    pub(super) fn check(&self, reason: Option<&str>) -> Result<(), Error> {
        match self {
            Self::Block { kind } => check_block(*kind, reason),
            Self::Complete { .. } => match self.result() {
                Some(report) => report
                    .validate()
                    .map_err(|error| Error::Invalid(error.to_string())),
                None => Ok(()),
            },
            Self::Reassign { profile, .. } if profile.is_empty() || profile == SHELL => {
                Err(Error::Invalid(format!(
                    "profile: {profile:?} takes only tasks with a command of their own: name another profile"
                )))
            }
            Self::Cancel
            | Self::Stop
            | Self::Reclaim
            | Self::Unblock
            | Self::Retry
            | Self::Promote { .. }
            | Self::Archive
            | Self::Reassign { .. } => Ok(()),
        }
    }

    /// What a completion says, in the words of a worker.
    pub(super) fn result(&self) -> Option<Report> {
        match self {
            Self::Complete {
                summary,
                metadata,
                artifacts,
            } => Some(Report::Complete {
                summary: summary.clone(),
                metadata: metadata.clone(),
                artifacts: artifacts.clone(),
            }),
            Self::Cancel
            | Self::Stop
            | Self::Reclaim
            | Self::Block { .. }
            | Self::Unblock
            | Self::Retry
            | Self::Promote { .. }
            | Self::Archive
            | Self::Reassign { .. } => None,
        }
    }

    /// Which kind of block a run is asked for.
    pub(super) fn block_kind(&self) -> Option<BlockKind> {
        match self {
            Self::Block { kind } => Some(*kind),
            Self::Cancel
            | Self::Stop
            | Self::Reclaim
            | Self::Unblock
            | Self::Retry
            | Self::Complete { .. }
            | Self::Promote { .. }
            | Self::Archive
            | Self::Reassign { .. } => None,
        }
    }

    /// To whom a task goes that is taken back.
    pub(super) fn assignee(&self) -> Option<&str> {
        match self {
            Self::Reassign { profile, .. } => Some(profile),
            Self::Cancel
            | Self::Stop
            | Self::Reclaim
            | Self::Block { .. }
            | Self::Unblock
            | Self::Retry
            | Self::Complete { .. }
            | Self::Promote { .. }
            | Self::Archive => None,
        }
    }
}

/// A person who lets a task wait says why, or nobody will know when to let it go on.
fn check_block(kind: BlockKind, reason: Option<&str>) -> Result<(), Error> {
    match kind {
        BlockKind::NeedsInput | BlockKind::Capability | BlockKind::Operator => {}
        BlockKind::GaveUp => {
            return Err(Error::Invalid(
                "kind gave_up is the breaker's alone: use needs_input, capability or operator"
                    .into(),
            ));
        }
    }
    match reason {
        Some(reason) if !reason.is_empty() => Ok(()),
        Some(_) | None => Err(Error::Invalid(
            "a block needs a reason: say what the task waits for".into(),
        )),
    }
}
