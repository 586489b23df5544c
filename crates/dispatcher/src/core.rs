//! What this dispatcher knows, and what follows from what happened: event in, actions out.
//!
//! No I/O and no clock: the loop passes the time with each event. The store knows what is legal and
//! what an end means; the wardens know when a tree is dead. The core knows which runs are in whose
//! hands, and how much room there is.
//!
//! **Invariant:** a run leaves `runs` only when its end is written, or is not ours to write.
//! **Invariant:** at most one claim is under way, so that room is never given away twice.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tenure_guard::{RunId, TaskId};
use tenure_store::claim::{Claimed, Claims, Offer};
use tenure_store::end::Ended;
use tenure_store::life::{Ask, End, Outcome};
use tenure_store::read::Counts;
use tenure_store::start::Started;

use crate::Control;
use crate::action::Action;
use crate::event::{Event, Unstarted};
use crate::hold_back::HoldBack;

/// How long after a store that did not answer it is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How often the store is told that we live: three times within the half minute for which it
/// believes that.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What a core is told at its start.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Workers at once.
    pub(crate) slots: u32,
    /// What can be claimed.
    pub(crate) offers: Vec<Offer>,
    /// The net beneath the pokes.
    pub(crate) poll: Duration,
    /// From one renewal to the next.
    pub(crate) renew_every: Duration,
    /// Whether to finish when the batch is over.
    pub(crate) one_batch: bool,
}

/// The state of a dispatcher.
#[derive(Debug)]
pub(crate) struct Core {
    rules: Rules,
    mode: Mode,
    claim: Claiming,
    /// An unanswered claim may have left runs that nobody knows of.
    recover: bool,
    runs: HashMap<RunId, Run>,
    /// Wardens whose run is closed, not reaped yet.
    leaving: HashSet<i32>,
    /// Children that were reaped before we were told what they are.
    unknown: HashSet<i32>,
    held: HoldBack,
    /// When something is known to be due: a scheduled task, a profile's return, another try.
    look_at: Option<Instant>,
    poll_at: Instant,
    renew_at: Instant,
    live_at: Instant,
}

/// How a dispatcher is minded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Claims.
    Serving,
    /// Claims nothing new and waits for its runs.
    Draining,
    /// Ends its runs.
    Ending,
}

/// Whether a claim is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claiming {
    Idle,
    /// And the store changed meanwhile: `again`.
    UnderWay {
        again: bool,
    },
}

/// A run in our hands.
#[derive(Debug)]
struct Run {
    task: TaskId,
    profile: String,
    stage: Stage,
    line_closed: bool,
    reaped: bool,
}

/// How far a run is.
#[derive(Debug)]
enum Stage {
    /// Its warden is being made.
    Spawning,
    /// Its start is being committed.
    Starting { warden: i32 },
    /// The gate was opened, or told to stay shut.
    Open { warden: i32, asked: Option<Ask> },
    /// What its killed warden left is being ended.
    Burying { warden: i32 },
    /// Its end is being written.
    Closing { warden: Option<i32> },
}

impl Stage {
    fn warden(&self) -> Option<i32> {
        match self {
            Self::Spawning => None,
            Self::Starting { warden } | Self::Open { warden, .. } | Self::Burying { warden } => {
                Some(*warden)
            }
            Self::Closing { warden } => *warden,
        }
    }
}

impl Core {
    pub(crate) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            mode: Mode::Serving,
            claim: Claiming::Idle,
            recover: false,
            runs: HashMap::new(),
            leaving: HashSet::new(),
            unknown: HashSet::new(),
            held: HoldBack::default(),
            look_at: None,
            poll_at: now + rules.poll,
            renew_at: now + rules.renew_every,
            live_at: now + SIGN_OF_LIFE,
            rules,
        }
    }

    /// When the core wants to be woken, if nothing happens before.
    pub(crate) fn wake_at(&self) -> Instant {
        let next = self.poll_at.min(self.live_at);
        let next = self.look_at.map_or(next, |look_at| look_at.min(next));
        if self.runs.is_empty() {
            next
        } else {
            next.min(self.renew_at)
        }
    }

    /// Decides what follows from `event`.
    pub(crate) fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = self.follow(now, event);
        if now >= self.renew_at {
            self.renew_at = now + self.rules.renew_every;
            let runs: Vec<RunId> = self.runs.keys().copied().collect();
            if !runs.is_empty() {
                actions.push(Action::Renew(runs));
            }
        }
        if now >= self.live_at {
            self.live_at = now + SIGN_OF_LIFE;
            actions.push(Action::SignOfLife);
        }
        if self.mode != Mode::Serving && self.runs.is_empty() && self.claim == Claiming::Idle {
            actions.push(Action::Finish);
        }
        actions
    }

    fn follow(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Look | Event::MayClaim => self.look(now),
            Event::Time => self.time(now),
            Event::Claimed(answer) => self.claimed(now, answer),
            Event::Spawned { run, warden } => self.spawned(now, run, warden),
            Event::Started { run, answer } => self.started(run, answer),
            Event::Asked { run, ask } => {
                if let Some(Stage::Open { asked, .. }) = self.stage_mut(run) {
                    *asked = Some(ask);
                }
                Vec::new()
            }
            Event::Asks(asks) => self.asks(&asks),
            Event::Over { run, end } => self.close(run, end),
            Event::LineClosed { run } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.line_closed = true;
                }
                self.bury_if_killed(run)
            }
            Event::Reaped { pid } => self.reaped(pid),
            Event::Buried { run } => {
                let reason = "the warden was killed, and nobody saw the worker's end".to_owned();
                self.close(run, End::Unseen { reason })
            }
            Event::Ended { run, ended } => self.ended(now, run, ended.as_ref()),
            Event::Counted(counts) => self.counted(counts),
            Event::Control(control) => self.control(control),
        }
    }

    fn stage_mut(&mut self, run: RunId) -> Option<&mut Stage> {
        self.runs.get_mut(&run).map(|run| &mut run.stage)
    }

    /// Reads what was asked, and claims where there is room.
    fn look(&mut self, now: Instant) -> Vec<Action> {
        self.poll_at = now + self.rules.poll;
        self.look_at = self.held.next(now);
        let mut actions = self.claim(now);
        actions.extend(self.read_asks());
        actions
    }

    fn read_asks(&self) -> Option<Action> {
        let open = |run: &Run| matches!(run.stage, Stage::Open { .. });
        self.runs.values().any(open).then_some(Action::ReadAsks)
    }

    /// Looks where something is known to be due; else, at the poll, only whether there is reason to.
    fn time(&mut self, now: Instant) -> Vec<Action> {
        if self.look_at.is_some_and(|look_at| now >= look_at) {
            return self.look(now);
        }
        if now < self.poll_at {
            return Vec::new();
        }
        if self.rules.one_batch {
            // A batch that is over has nothing to claim, and must be seen to be over.
            return self.look(now);
        }
        self.poll_at = now + self.rules.poll;
        let may_claim = (self.mode == Mode::Serving).then_some(Action::AskWhetherToClaim);
        may_claim.into_iter().chain(self.read_asks()).collect()
    }

    /// Something is due at a time, perhaps before what is known to be.
    fn look_by(&mut self, time: Instant) {
        self.look_at = Some(self.look_at.map_or(time, |look_at| look_at.min(time)));
    }

    fn claim(&mut self, now: Instant) -> Vec<Action> {
        let taken = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let room = self.rules.slots.saturating_sub(taken);
        if self.mode != Mode::Serving || room == 0 {
            return Vec::new();
        }
        if let Claiming::UnderWay { again } = &mut self.claim {
            *again = true;
            return Vec::new();
        }
        let offers = self.rules.offers.iter();
        let offers = offers
            .filter(|offer| self.held.allows(&offer.profile, now))
            .cloned()
            .collect();
        self.claim = Claiming::UnderWay { again: false };
        vec![Action::Claim {
            room,
            offers,
            recover: std::mem::take(&mut self.recover),
        }]
    }

    fn claimed(
        &mut self,
        now: Instant,
        answer: Result<Claims, tenure_store::Error>,
    ) -> Vec<Action> {
        let again = self.claim == Claiming::UnderWay { again: true };
        self.claim = Claiming::Idle;
        let Ok(claims) = answer else {
            self.recover = true;
            self.look_by(now + STORE_PAUSE);
            return Vec::new();
        };
        if let Some(due) = claims.next_due {
            self.look_by(now + due);
        }
        let nothing_left = claims.claimed.is_empty() && self.runs.is_empty() && !again;
        let mut actions: Vec<Action> = claims
            .claimed
            .into_iter()
            .map(|claimed| self.take(claimed))
            .collect();
        if again {
            actions.extend(self.claim(now));
        } else if nothing_left && self.rules.one_batch {
            actions.push(Action::Count);
        }
        actions
    }

    fn take(&mut self, claimed: Claimed) -> Action {
        let run = Run {
            task: claimed.tenure.task,
            profile: claimed.profile.clone(),
            stage: Stage::Spawning,
            line_closed: false,
            reaped: false,
        };
        self.runs.insert(claimed.tenure.run, run);
        Action::Spawn(Box::new(claimed))
    }

    fn spawned(&mut self, now: Instant, id: RunId, warden: Result<i32, String>) -> Vec<Action> {
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
                self.held.own_fault(&run.profile, now);
                run.stage = Stage::Closing { warden: None };
                vec![Action::Close(id, End::NeverStarted { reason })]
            }
        };
        if !self
            .runs
            .values()
            .any(|run| matches!(run.stage, Stage::Spawning))
        {
            // Nobody is left to claim these: they were strangers.
            self.unknown.clear();
        }
        actions
    }

    fn started(&mut self, id: RunId, answer: Result<Started, Unstarted>) -> Vec<Action> {
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
                let shutdown = (self.mode == Mode::Ending).then_some(Action::Shutdown(id));
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

    fn asks(&mut self, asks: &[(RunId, Ask)]) -> Vec<Action> {
        let mut actions = Vec::new();
        for &(id, ask) in asks {
            if let Some(Stage::Open { asked, .. }) = self.stage_mut(id)
                && *asked != Some(ask)
            {
                *asked = Some(ask);
                actions.push(Action::End(id, ask));
            }
        }
        actions
    }

    fn close(&mut self, id: RunId, end: End) -> Vec<Action> {
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

    fn reaped(&mut self, pid: i32) -> Vec<Action> {
        if self.leaving.remove(&pid) {
            return Vec::new();
        }
        let known = self
            .runs
            .iter_mut()
            .find(|(_, run)| run.stage.warden() == Some(pid));
        let Some((&id, run)) = known else {
            self.unknown.insert(pid);
            return Vec::new();
        };
        run.reaped = true;
        self.bury_if_killed(id)
    }

    /// A warden that is reaped and whose line has nothing more to say did not hand over its end.
    fn bury_if_killed(&mut self, id: RunId) -> Vec<Action> {
        let Some(run) = self.runs.get_mut(&id) else {
            return Vec::new();
        };
        match run.stage {
            Stage::Open { warden, .. } if run.reaped && run.line_closed => {
                run.stage = Stage::Burying { warden };
                vec![Action::Bury(id)]
            }
            Stage::Spawning
            | Stage::Starting { .. }
            | Stage::Open { .. }
            | Stage::Burying { .. }
            | Stage::Closing { .. } => Vec::new(),
        }
    }

    fn ended(&mut self, now: Instant, id: RunId, ended: Option<&Ended>) -> Vec<Action> {
        let Some(run) = self.runs.remove(&id) else {
            return Vec::new();
        };
        if let Some(warden) = run.stage.warden()
            && !run.reaped
        {
            self.leaving.insert(warden);
        }
        match ended.map(|ended| ended.outcome) {
            Some(Outcome::SpawnFailed) => {
                self.held.spawn_failed(&run.profile, run.task, now);
            }
            Some(Outcome::NeverStarted) | None => {}
            Some(_) => self.held.ran(&run.profile),
        }
        let mut actions = vec![Action::Acknowledge(id)];
        actions.extend(self.look(now));
        actions
    }

    fn counted(&self, counts: Counts) -> Vec<Action> {
        let moves_by_itself = counts.ready + counts.scheduled + counts.running;
        if moves_by_itself == 0 && self.runs.is_empty() && self.claim == Claiming::Idle {
            return vec![Action::Finish];
        }
        Vec::new()
    }

    fn control(&mut self, control: Control) -> Vec<Action> {
        match control {
            Control::Detach => return vec![Action::Finish],
            Control::Drain => {
                if self.mode == Mode::Serving {
                    self.mode = Mode::Draining;
                }
                return Vec::new();
            }
            Control::Terminate | Control::Kill => self.mode = Mode::Ending,
        }
        let mut actions = Vec::new();
        for (&id, run) in &self.runs {
            if let Stage::Open { asked, .. } = run.stage {
                // A second order to end, while the tree is being ended, means: without grace.
                let times = match (control, asked) {
                    (Control::Kill, None) => 2,
                    (Control::Kill, Some(_)) | (_, None) => 1,
                    (_, Some(_)) => 0,
                };
                actions.extend((0..times).map(|_| Action::Shutdown(id)));
            }
        }
        for run in self.runs.values_mut() {
            if let Stage::Open {
                asked: asked @ None,
                ..
            } = &mut run.stage
            {
                *asked = Some(Ask::Shutdown);
            }
        }
        actions
    }
}

#[cfg(test)]
mod tests;
