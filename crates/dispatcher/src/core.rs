//! What this dispatcher knows, and what follows from what happened: event in, actions out.
//!
//! No I/O and no clock: the loop passes the time with each event. The store knows what is legal and
//! what an end means; the wardens know when a tree is dead. The core knows which runs are in whose
//! hands, and how much room there is.

mod adopt;
mod claim;
mod lapse;
mod run;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tenure_guard::RunId;
use tenure_store::claim::Offer;
use tenure_store::life::Ask;

use self::adopt::Looking;
pub(crate) use self::adopt::{Found, Orphaned};
use self::claim::{Asking, Claiming};
pub(crate) use self::lapse::TakenBack;
use self::lapse::Watch;
use self::run::{Run, Stage};
use crate::action::Action;
use crate::event::Event;
use crate::hold_back::HoldBack;
use crate::{Control, Finished};

/// How long after a store that did not answer it is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How often the store is told that we live: twice within the half minute for which it believes
/// that.
const SIGN_OF_LIFE: Duration = Duration::from_secs(14);

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
    /// Whether others dispatch from the same store.
    pub(crate) shared: bool,
    /// How long a run that another host claims now stands, its margin included; `None` where there is
    /// no other host.
    pub(crate) lease_of_others: Option<Duration>,
    /// How long a warden may take to answer when everything is to end.
    pub(crate) patience: Duration,
}

/// The state of a dispatcher.
#[derive(Debug)]
pub(crate) struct Core {
    rules: Rules,
    mode: Mode,
    claim: Claiming,
    asks: Asking,
    looking: Looking,
    /// When leases of other hosts are looked at.
    watch: Watch,
    /// When wardens that have not answered by then are killed, since everything is to end.
    overdue_at: Option<Instant>,
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
    /// When a scheduled task is due. Its time comes also where there is no room for it: what recurs has
    /// a next time, and may be to replace what runs.
    due_at: Option<Instant>,
    poll_at: Instant,
    renew_at: Instant,
    live_at: Instant,
}

/// How a dispatcher is minded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Claims.
    Serving,
    /// Claims nothing new until the store has let it go, then finishes, whatever runs.
    HandingOn,
    /// Claims nothing new and waits for its runs.
    Draining,
    /// Ends its runs.
    Ending,
    /// The same, and waits for no warden that hangs.
    Killing,
}

impl Mode {
    /// Whether runs are to end.
    fn ends_runs(self) -> bool {
        match self {
            Self::Serving | Self::HandingOn | Self::Draining => false,
            Self::Ending | Self::Killing => true,
        }
    }

    /// Whether it finishes as soon as nothing is in its hands.
    fn is_leaving(self) -> bool {
        match self {
            Self::Serving | Self::HandingOn => false,
            Self::Draining | Self::Ending | Self::Killing => true,
        }
    }
}

impl Core {
    pub(crate) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            mode: Mode::Serving,
            claim: Claiming::Idle,
            asks: Asking::Idle,
            looking: Looking::At(now),
            watch: match rules.lease_of_others {
                Some(_) => Watch::At(now),
                None => Watch::Off,
            },
            overdue_at: None,
            recover: false,
            runs: HashMap::new(),
            leaving: HashSet::new(),
            unknown: HashSet::new(),
            held: HoldBack::default(),
            look_at: None,
            due_at: None,
            poll_at: now + rules.poll,
            renew_at: now + rules.renew_every,
            live_at: now + SIGN_OF_LIFE,
            rules,
        }
    }

    /// How many runs are in our hands.
    pub(crate) fn held(&self) -> usize {
        self.runs.len()
    }

    /// When the core wants to be woken, if nothing happens before.
    pub(crate) fn wake_at(&self) -> Instant {
        let next = self.poll_at.min(self.live_at);
        let next = self.look_at.map_or(next, |look_at| look_at.min(next));
        let next = self.overdue_at.map_or(next, |at| at.min(next));
        let next = match self.looking {
            Looking::At(at) => at.min(next),
            Looking::UnderWay | Looking::Done => next,
        };
        let next = match self.watch {
            Watch::At(at) => at.min(next),
            Watch::UnderWay | Watch::Off => next,
        };
        if self.runs.is_empty() {
            next
        } else {
            next.min(self.renew_at)
        }
    }

    /// Decides what follows from `event`.
    pub(crate) fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = self.follow(now, event);
        actions.extend(self.look_for_orphans(now));
        actions.extend(self.watch_leases(now));
        actions.extend(self.kill_overdue(now));
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
        actions.extend(self.held.take_news().map(Action::TellHeld));
        if self.mode.is_leaving() && self.has_nothing_in_hand() {
            actions.push(Action::Finish(Finished::ForGood));
        }
        actions
    }

    fn has_nothing_in_hand(&self) -> bool {
        self.runs.is_empty() && self.claim == Claiming::Idle && self.looking != Looking::UnderWay
    }

    fn follow(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Look => self.look(now),
            Event::MayClaim => {
                self.due_at = Some(now);
                self.look(now)
            }
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
            Event::Draining => self.drain(),
            Event::Asks(asks) => self.asks(&asks),
            Event::AsksRead(asks) => self.asks_read(&asks),
            Event::Orphans { orphans, unproved } => self.orphaned(now, orphans, unproved),
            Event::TakenBack(back) => self.taken_back(now, back),
            Event::TakenUp { run, asked } => self.taken_up(run, asked),
            Event::WardenDied { run } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.reaped = true;
                }
                self.bury_if_killed(run)
            }
            Event::Over { run, end } => self.close(run, end),
            Event::LineClosed { run } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.line_closed = true;
                }
                self.bury_if_killed(run)
            }
            Event::Reaped { pid } => self.reaped(pid),
            Event::Buried { run, end } => self.close(run, end),
            Event::Ended { run, ended } => self.ended(now, run, ended.as_ref()),
            Event::BatchRests => self.batch_rests(),
            Event::Control(control) => self.control(now, control),
            Event::HandOn => self.hand_on(),
            Event::SignedOff(answer) => self.signed_off(now, answer),
            // What runs is its warden's, until a newer dispatcher adopts it.
            Event::Outgrown(error) => vec![Action::GiveUp(error)],
            Event::Reloaded(rules) => {
                self.rules = rules;
                // What kept a profile from starting may be what was mended.
                self.held.forget();
                self.look(now)
            }
        }
    }

    /// Somebody asked for it by the store, and may be heard more than once.
    fn drain(&mut self) -> Vec<Action> {
        if self.mode != Mode::Serving {
            return Vec::new();
        }
        self.mode = Mode::Draining;
        vec![Action::TellOfDraining]
    }

    /// Who was asked to leave hands its place on to nobody: that one would not know of it.
    fn hand_on(&mut self) -> Vec<Action> {
        if self.mode != Mode::Serving {
            return vec![Action::KeepPlace("asked to leave before".to_owned())];
        }
        self.mode = Mode::HandingOn;
        vec![Action::SignOff]
    }

    fn signed_off(
        &mut self,
        now: Instant,
        answer: Result<bool, tenure_store::Error>,
    ) -> Vec<Action> {
        if self.mode != Mode::HandingOn {
            // It was told to end meanwhile.
            return Vec::new();
        }
        self.mode = Mode::Serving;
        match answer {
            Ok(true) => vec![Action::Finish(Finished::ForTheNext)],
            Ok(false) => {
                let mut actions = self.drain();
                actions.push(Action::KeepPlace("asked to leave before".to_owned()));
                actions
            }
            Err(error) => {
                // It may have been written all the same, and then nobody would know of us.
                let mut actions = vec![Action::Publish, Action::KeepPlace(error.to_string())];
                actions.extend(self.look(now));
                actions
            }
        }
    }

    fn control(&mut self, now: Instant, control: Control) -> Vec<Action> {
        match control {
            Control::Detach => return vec![Action::Finish(Finished::ForGood)],
            Control::Drain => {
                if self.mode == Mode::Serving {
                    self.mode = Mode::Draining;
                }
                return Vec::new();
            }
            Control::Terminate if self.mode == Mode::Killing => {}
            Control::Terminate => self.mode = Mode::Ending,
            Control::Kill => self.mode = Mode::Killing,
        }
        self.overdue_at = Some(now + self.rules.patience);
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
