//! Runs of dispatchers that are gone: asked for before the first claim, so that room is not given
//! away twice, and again while something of them cannot be proved yet.

use std::time::{Duration, Instant};

use tenure_guard::{RunId, TaskId};
use tenure_store::life::{Ask, End};

use super::run::{Origin, Run, Stage};
use super::{Core, Mode};
use crate::action::Action;

/// How long after a look that left something unproved the next one comes.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How often it is looked whether another dispatcher of this host died, where several share a store.
/// Nothing waits for that: its workers have their wardens.
const LOOK_AFTER_OTHERS: Duration = Duration::from_secs(30);

/// A run that came into our hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orphaned {
    /// Which.
    pub(crate) run: RunId,
    /// Its task.
    pub(crate) task: TaskId,
    /// Its profile.
    pub(crate) profile: String,
    /// What was found of it.
    pub(crate) found: Found,
}

/// What was found of a run whose dispatcher is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its warden lives, and its lifeline is being taken up.
    Standing {
        /// The warden.
        warden: i32,
        /// What the store says was asked of the run.
        ask: Option<Ask>,
    },
    /// Nothing of it ever ran.
    Unstarted,
    /// Its warden is dead.
    Dead {
        /// The warden.
        warden: i32,
    },
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Standing { .. } => "standing",
            Self::Unstarted => "unstarted",
            Self::Dead { .. } => "dead",
        })
    }
}

/// Whether orphans are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looking {
    /// Now; nothing is claimed before the first answer.
    UnderWay,
    /// At a time.
    At(Instant),
    /// Not any more: every other dispatcher is dead, and all it left is known.
    Done,
}

impl Core {
    /// Looks for orphans where it is time to.
    pub(super) fn look_for_orphans(&mut self, now: Instant) -> Option<Action> {
        match self.looking {
            Looking::At(at) if now >= at => {
                self.looking = Looking::UnderWay;
                Some(Action::LookForOrphans)
            }
            Looking::At(_) | Looking::UnderWay | Looking::Done => None,
        }
    }

    /// Wardens that do not answer when everything is to end are stopped or hang, and their workers
    /// live on by them: whoever waits for one would wait for ever. One that is ours already may be
    /// busy with an end that takes its time; it is killed only where that was asked for.
    pub(super) fn kill_overdue(&mut self, now: Instant) -> Vec<Action> {
        if self.overdue_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.overdue_at = None;
        let is_killing = self.mode == Mode::Killing;
        let unanswered = |(id, run): (&RunId, &Run)| {
            let is_overdue = match run.stage {
                Stage::Adopting { .. } => true,
                Stage::Open { .. } => is_killing,
                Stage::Spawning
                | Stage::Starting { .. }
                | Stage::Burying { .. }
                | Stage::Closing { .. } => false,
            };
            is_overdue.then_some(Action::KillWarden(*id))
        };
        self.runs.iter().filter_map(unanswered).collect()
    }

    /// What the look brought; `unproved` where something must be looked at again.
    pub(super) fn orphaned(
        &mut self,
        now: Instant,
        orphans: Vec<Orphaned>,
        unproved: bool,
    ) -> Vec<Action> {
        self.looking = match (unproved, self.rules.shared) {
            (true, _) => Looking::At(now + LOOK_AGAIN),
            // Where others dispatch too, each of them may die at any time.
            (false, true) => Looking::At(now + LOOK_AFTER_OTHERS),
            (false, false) => Looking::Done,
        };
        // From now on for those only that are new here: looks come again and again, and must not put
        // off for ever what those before wait for.
        let is_standing = |orphan: &Orphaned| matches!(orphan.found, Found::Standing { .. });
        if self.mode.ends_runs() && orphans.iter().any(is_standing) {
            self.overdue_at = Some(now + self.rules.patience);
        }
        let mut actions: Vec<Action> = orphans
            .into_iter()
            .filter_map(|orphan| self.take_over(orphan))
            .collect();
        actions.extend(self.look(now));
        actions
    }

    fn take_over(&mut self, orphan: Orphaned) -> Option<Action> {
        let (stage, action) = match orphan.found {
            Found::Standing { warden, ask } => (Stage::Adopting { warden, ask }, None),
            Found::Unstarted => {
                let reason = End::NEVER_LET_GO.to_owned();
                let end = End::NeverStarted { reason };
                (
                    Stage::Closing { warden: None },
                    Some(Action::Close(orphan.run, end)),
                )
            }
            Found::Dead { warden } => (Stage::Burying { warden }, Some(Action::Bury(orphan.run))),
        };
        let run = Run {
            task: orphan.task,
            profile: orphan.profile,
            stage,
            origin: Origin::Adopted,
            line_closed: false,
            reaped: false,
        };
        self.runs.insert(orphan.run, run);
        action
    }

    /// A warden took us as its dispatcher, and said what it was asked before.
    pub(super) fn taken_up(&mut self, id: RunId, asked: Option<Ask>) -> Vec<Action> {
        let ending = self.mode.ends_runs();
        let Some(stage) = self.stage_mut(id) else {
            return Vec::new();
        };
        let Stage::Adopting { warden, ask } = *stage else {
            return Vec::new();
        };
        // Said again, an ask would mean: without grace.
        let unheard = ask.filter(|ask| asked != Some(*ask));
        let known = unheard.or(asked);
        let shutdown = ending && known.is_none();
        *stage = Stage::Open {
            warden,
            asked: if shutdown { Some(Ask::Shutdown) } else { known },
        };
        let end = unheard.map(|ask| Action::End(id, ask));
        let shutdown = shutdown.then_some(Action::Shutdown(id));
        end.into_iter().chain(shutdown).collect()
    }
}
