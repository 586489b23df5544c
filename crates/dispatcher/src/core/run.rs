//! A run in our hands, from its warden's making to its written end. What a tree's death and a
//! run's outcome are is the warden's and the store's to say.
//!
//! **Invariant:** a run leaves `runs` only when its end is written, or is not ours to write.

use std::time::Instant;

use tenure_guard::{RunId, TaskId};
use tenure_store::end::Ended;
use tenure_store::life::{Ask, End, Outcome};
use tenure_store::start::Started;

use super::Core;
use crate::action::Action;
use crate::event::Unstarted;

/// A run in our hands.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) task: TaskId,
    pub(super) profile: String,
    pub(super) stage: Stage,
    pub(super) origin: Origin,
    pub(super) line_closed: bool,
    pub(super) reaped: bool,
}

/// How a run came into our hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// We claimed it, and its warden is our child.
    Claimed,
    /// Its dispatcher is gone. Its warden may be anybody's child, and its death is told apart.
    Adopted,
}

/// How far a run is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its warden is being made.
    Spawning,
    /// Its start is being committed.
    Starting { warden: i32 },
    /// Its warden was asked to take us as its dispatcher; it knows perhaps less than the store was
    /// asked for.
    Adopting { warden: i32, ask: Option<Ask> },
    /// The gate was opened, or told to stay shut.
    Open { warden: i32, asked: Option<Ask> },
    /// What its killed warden left is being ended.
    Burying { warden: i32 },
    /// Its end is being written.
    Closing { warden: Option<i32> },
}

impl Stage {
    pub(super) fn warden(&self) -> Option<i32> {
        match self {
            Self::Spawning => None,
            Self::Starting { warden }
            | Self::Adopting { warden, .. }
            | Self::Open { warden, .. }
            | Self::Burying { warden } => Some(*warden),
            Self::Closing { warden } => *warden,
        }
    }
}

impl Core {
    pub(super) fn stage_mut(&mut self, run: RunId) -> Option<&mut Stage> {
        self.runs.get_mut(&run).map(|run| &mut run.stage)
    }

    pub(super) fn spawned(
        &mut self,
        now: Instant,
        id: RunId,
        warden: Result<i32, String>,
    ) -> Vec<Action> {
        let Some(run) = self.runs.get_mut(&id) else {
            return Vec::new();
        };
        let actions = match warden {
            Ok(warden) => {
                run.reaped = self.unknown.remove(&warden);
                run.stage = Stage::Starting { warden };
                vec![Action::Start(id)]
            }
            Err(reason) => {
                self.held.own_fault(&run.profile, reason.clone(), now);
                run.stage = Stage::Closing { warden: None };
                vec![Action::Close(id, End::NeverStarted { reason })]
            }
        };
        if !self.is_spawning() {
            // Nobody is left to claim these: they were strangers.
            self.unknown.clear();
        }
        actions
    }

    fn is_spawning(&self) -> bool {
        let mut runs = self.runs.values();
        runs.any(|run| matches!(run.stage, Stage::Spawning))
    }

    pub(super) fn started(&mut self, id: RunId, answer: Result<Started, Unstarted>) -> Vec<Action> {
        let Some(run) = self.runs.get_mut(&id) else {
            return Vec::new();
        };
        let Stage::Starting { warden } = run.stage else {
            return Vec::new();
        };
        let dead = run.reaped || run.line_closed;
        match answer {
            Ok(_) if dead => {
                run.stage = Stage::Closing {
                    warden: Some(warden),
                };
                let reason = "the warden died at the gate".to_owned();
                vec![Action::Close(id, End::NeverStarted { reason })]
            }
            Ok(started) => {
                run.stage = Stage::Open {
                    warden,
                    asked: None,
                };
                let shutdown = self.mode.ends_runs().then_some(Action::Shutdown(id));
                std::iter::once(Action::Go(id, started))
                    .chain(shutdown)
                    .collect()
            }
            Err(Unstarted::NotOwner(reason)) => {
                run.stage = Stage::Open {
                    warden,
                    asked: None,
                };
                vec![Action::StandDown(id, reason)]
            }
            Err(Unstarted::Unanswered(reason)) => {
                run.stage = Stage::Closing {
                    warden: Some(warden),
                };
                vec![
                    Action::Hang(id),
                    Action::Close(id, End::NeverStarted { reason }),
                ]
            }
        }
    }

    pub(super) fn asks(&mut self, asks: &[(RunId, Ask)]) -> Vec<Action> {
        let mut actions = Vec::new();
        for &(id, ask) in asks {
            match self.stage_mut(id) {
                Some(Stage::Open { asked, .. }) if *asked != Some(ask) => {
                    *asked = Some(ask);
                    actions.push(Action::End(id, ask));
                }
                Some(Stage::Adopting { ask: known, .. }) => *known = Some(ask),
                Some(
                    Stage::Spawning
                    | Stage::Starting { .. }
                    | Stage::Open { .. }
                    | Stage::Burying { .. }
                    | Stage::Closing { .. },
                )
                | None => {}
            }
        }
        actions
    }

    pub(super) fn close(&mut self, id: RunId, end: End) -> Vec<Action> {
        let Some(stage) = self.stage_mut(id) else {
            return Vec::new();
        };
        if matches!(stage, Stage::Closing { .. }) {
            return Vec::new();
        }
        *stage = Stage::Closing {
            warden: stage.warden(),
        };
        vec![Action::Close(id, end)]
    }

    pub(super) fn reaped(&mut self, pid: i32) -> Vec<Action> {
        if self.leaving.remove(&pid) {
            return Vec::new();
        }
        let known = self
            .runs
            .iter_mut()
            .find(|(_, run)| run.stage.warden() == Some(pid));
        let Some((&id, run)) = known else {
            // Only while a warden is being made can it be one; a stranger's number may come back.
            if self.is_spawning() {
                self.unknown.insert(pid);
            }
            return Vec::new();
        };
        run.reaped = true;
        self.bury_if_killed(id)
    }

    /// A warden that is reaped and whose line has nothing more to say did not hand over its end.
    pub(super) fn bury_if_killed(&mut self, id: RunId) -> Vec<Action> {
        let Some(run) = self.runs.get_mut(&id) else {
            return Vec::new();
        };
        match run.stage {
            Stage::Adopting { warden, .. } | Stage::Open { warden, .. }
                if run.reaped && run.line_closed =>
            {
                run.stage = Stage::Burying { warden };
                vec![Action::Bury(id)]
            }
            Stage::Spawning
            | Stage::Starting { .. }
            | Stage::Adopting { .. }
            | Stage::Open { .. }
            | Stage::Burying { .. }
            | Stage::Closing { .. } => Vec::new(),
        }
    }

    pub(super) fn ended(&mut self, now: Instant, id: RunId, ended: Option<&Ended>) -> Vec<Action> {
        let Some(run) = self.runs.remove(&id) else {
            return Vec::new();
        };
        if let Some(warden) = run.stage.warden()
            && !run.reaped
            && run.origin == Origin::Claimed
        {
            self.leaving.insert(warden);
        }
        match ended.map(|ended| (ended.outcome, ended.reason.as_str())) {
            Some((Outcome::SpawnFailed, why)) => {
                self.held.spawn_failed(&run.profile, run.task, why, now);
            }
            Some((Outcome::NeverStarted, _)) | None => {}
            Some(_) => self.held.ran(&run.profile),
        }
        let mut actions = vec![Action::Acknowledge(id)];
        actions.extend(self.look(now));
        actions
    }
}
