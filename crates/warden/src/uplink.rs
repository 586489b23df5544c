//! The way up: to the dispatcher over the lifeline, or, where there is none or it is silent, to the
//! store. Every errand is open until it was answered on either way, and an errand that was under
//! way when one broke is repeated on the other: the store takes each but once.
//!
//! Another dispatcher that takes the lifeline up (adoption) puts new [`Lines`] in the place of the
//! old; nothing else here depends on who is at the other end.

mod adoption;
mod deposit;
mod errands;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tenure_guard::wire::{Answer, Op};
use tenure_guard::{Reason, RunId, Tenure};
use tenure_store::life::{Ask, End};
use tenure_store::{Error, StoreUrl};

use self::deposit::Deposit;
use self::errands::{Open, Place};
use crate::broker::ConnId;
use crate::clock::BootInstant;
use crate::desk::{Desk, Done, Errand, Job};
use crate::lifeline::{Message, Order, RequestId};
use crate::lines::{Lines, Next};

/// How long to wait before the store is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// What came from above.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    /// The lease was renewed until then.
    Lease(BootInstant),
    /// The dispatcher wants the tree to end.
    Ordered(Ask),
    /// The store says that the tree was asked to end, or asked for something else than before.
    Asked(Ask),
    /// The task is somebody else's, or its run is closed.
    Dispossessed(Reason),
    /// The worker's request was answered.
    Answered { to: ConnId, op: Op, answer: Answer },
    /// The end is durable.
    Acknowledged,
}

/// The way up.
#[derive(Debug)]
pub(crate) struct Uplink {
    lifeline: Option<Lines>,
    /// Of the adoption that the lifeline comes from; the claim's is 1.
    epoch: u64,
    heard_at: BootInstant,
    store: StoreUrl,
    tenure: Tenure,
    lease: Duration,
    desk: Option<Desk>,
    open: BTreeMap<RequestId, Open>,
    next_id: RequestId,
    /// What the dispatcher was told without an answer to come: repeated where it dies.
    told: Vec<(Errand, Told)>,
    renewal: Renewal,
    /// When what the dispatcher did is ours to do, since it is gone: not at the same moment for every
    /// warden that it had.
    alone_from: Option<BootInstant>,
    asked: Option<Ask>,
    end: Option<(End, Ended)>,
    /// By hand there is no folder, and so no last resort.
    deposit: Option<Deposit>,
}

/// Who knows what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Dispatcher,
    Store,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    UnderWay,
    Due { at: BootInstant },
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    dispatcher_knows: bool,
    store: Place,
    /// The store did not take it at the first try.
    was_refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Lifeline,
    Store,
}

impl Uplink {
    /// `lifeline` is what the gate became; by hand there is none, nor a folder.
    pub(crate) fn new(
        lifeline: Option<Lines>,
        folder: Option<PathBuf>,
        store: StoreUrl,
        tenure: Tenure,
        lease: Duration,
    ) -> Self {
        let now = BootInstant::now();
        Self {
            lifeline,
            epoch: 1,
            heard_at: now,
            store,
            tenure,
            lease,
            desk: None,
            open: BTreeMap::new(),
            next_id: 1,
            told: Vec::new(),
            renewal: Renewal::Due {
                at: BootInstant::ZERO,
            },
            alone_from: None,
            asked: None,
            end: None,
            deposit: folder.map(Deposit::into),
        }
    }

    /// The lease was just renewed: by hand the start did it.
    pub(crate) fn renewed_at(&mut self, now: BootInstant) {
        self.renewal = Renewal::Due {
            at: now + self.renewal_pause(),
        };
    }

    pub(crate) fn lifeline(&self) -> Option<&Lines> {
        self.lifeline.as_ref()
    }

    pub(crate) fn desk(&self) -> Option<&Desk> {
        self.desk.as_ref()
    }

    /// Silence for a third of the lease counts as gone; a word brings the dispatcher back.
    fn way(&self, now: BootInstant) -> Way {
        match &self.lifeline {
            Some(_) if now < self.silent_at() => Way::Lifeline,
            Some(_) | None => Way::Store,
        }
    }

    /// A sixth of the lease at most, and not the same for all.
    fn renewal_pause(&self) -> Duration {
        self.lease / 8 + spread(self.tenure.run, self.lease / 24)
    }

    /// Notices that there is no dispatcher, or one again. By hand there never was one, and nobody has
    /// to be made room for; nor where nothing is left but the end.
    fn look_around(&mut self, way: Way, now: BootInstant) {
        let hurry = self.end.is_some() || self.deposit.is_none();
        self.alone_from = match (way, self.alone_from) {
            (Way::Lifeline, _) => None,
            (Way::Store, _) if hurry => Some(now),
            (Way::Store, Some(from)) => Some(from),
            (Way::Store, None) => Some(now + spread(self.tenure.run, self.lease / 12)),
        };
    }

    fn is_alone(&self, now: BootInstant) -> bool {
        self.alone_from.is_some_and(|from| now >= from)
    }

    fn silent_at(&self) -> BootInstant {
        self.heard_at + self.lease / 3
    }

    /// The command runs.
    pub(crate) fn started(&mut self, pid: i32, now: BootInstant) {
        self.tell(&Message::Started { pid }, Errand::NoteWorker(pid), now);
    }

    /// A limit was reached. Whether the dispatcher was told, and may answer with an order.
    pub(crate) fn ask(&mut self, ask: Ask, now: BootInstant) {
        self.asked = Some(ask);
        self.tell(&Message::Ask { ask }, Errand::Ask(ask), now);
    }

    fn tell(&mut self, message: &Message, errand: Errand, now: BootInstant) {
        let way = self.way(now);
        if let (Some(lifeline), Way::Lifeline) = (&mut self.lifeline, way) {
            lifeline.send(message);
            self.told.push((errand, Told::Dispatcher));
        } else {
            self.told.push((errand.clone(), Told::Store));
            self.dispatch(errand, None, now);
        }
    }

    /// The tree is dead: hands the end over once everything else was answered.
    pub(crate) fn conclude(&mut self, end: End, now: BootInstant) {
        if self.end.is_none() {
            let ended = Ended {
                dispatcher_knows: false,
                store: Place::Paused { until: now },
                was_refused: false,
            };
            self.end = Some((end, ended));
        }
    }

    /// Reads the lifeline.
    pub(crate) fn hear(&mut self, now: BootInstant) -> Vec<News> {
        let Some(lifeline) = &mut self.lifeline else {
            return Vec::new();
        };
        lifeline.flush();
        lifeline.fill();
        let mut orders = Vec::new();
        loop {
            match lifeline.next() {
                // An order that this version does not know is not for it; its sender speaks this
                // version too.
                Next::Line(line) => {
                    self.heard_at = now;
                    orders.extend(serde_json::from_str::<Order>(&line));
                }
                Next::Nothing => break,
                Next::TooLong | Next::End => {
                    self.lifeline = None;
                    break;
                }
            }
        }
        orders
            .into_iter()
            .filter_map(|order| self.obey(order, now))
            .collect()
    }

    /// Collects what the store answered.
    pub(crate) fn collect(&mut self, now: BootInstant) -> Vec<News> {
        let done = self.desk.as_mut().map(Desk::collect).unwrap_or_default();
        done.into_iter()
            .flat_map(|done| match done {
                Done::Written { id, result } => Vec::from_iter(self.written(id, result, now)),
                Done::Renewed { sent, result } => self.renewed(sent, result, now),
                Done::Ended(result) => Vec::from_iter(self.ended(&result, now)),
                Done::Deposited(result) => {
                    self.deposited(result.is_ok(), now);
                    Vec::new()
                }
            })
            .collect()
    }

    fn renewed(
        &mut self,
        sent: BootInstant,
        result: Result<Option<Ask>, Error>,
        now: BootInstant,
    ) -> Vec<News> {
        let pause = match &result {
            Ok(_) => self.renewal_pause(),
            Err(_) => PAUSE.min(self.lease / 12),
        };
        self.renewal = Renewal::Due { at: now + pause };
        match result {
            Ok(ask) => {
                let news = ask.filter(|ask| self.asked != Some(*ask)).map(News::Asked);
                self.asked = ask.or(self.asked);
                let lease = News::Lease(sent + self.lease);
                std::iter::once(lease).chain(news).collect()
            }
            Err(Error::NotOwner { reason }) => vec![News::Dispossessed(reason)],
            // Whatever it was: without a renewal the lease runs out, and that is what decides.
            Err(_) => Vec::new(),
        }
    }

    fn ended(&mut self, result: &Result<(), Error>, now: BootInstant) -> Option<News> {
        match result {
            // Closed by somebody else is closed.
            Ok(()) | Err(Error::NotOwner { .. }) => Some(News::Acknowledged),
            Err(_) => {
                if let Some((_, ended)) = &mut self.end {
                    ended.store = Place::Paused { until: now + PAUSE };
                    ended.was_refused = true;
                }
                None
            }
        }
    }

    /// Does what is due: repeats on the store what the dispatcher left, renews, hands over the end.
    pub(crate) fn tick(&mut self, now: BootInstant) -> Vec<News> {
        let way = self.way(now);
        self.look_around(way, now);
        if self.is_alone(now) {
            let told = std::mem::take(&mut self.told);
            for (errand, by) in told {
                if by == Told::Dispatcher {
                    self.dispatch(errand.clone(), None, now);
                }
                self.told.push((errand, Told::Store));
            }
            if matches!(self.renewal, Renewal::Due { at } if now >= at) && self.end.is_none() {
                self.renewal = Renewal::UnderWay;
                let job = Job::Renew {
                    length: self.lease,
                    sent: now,
                };
                if !self.submit(job) {
                    self.renewal = Renewal::Due { at: now + PAUSE };
                }
            }
        }
        let news = self.push_on(way, now);
        self.hand_over(way, now);
        self.bring_up_to_date(now);
        news
    }

    fn hand_over(&mut self, way: Way, now: BootInstant) {
        let Some((end, mut ended)) = self.end.clone().filter(|_| self.open.is_empty()) else {
            return;
        };
        match (way, &mut self.lifeline) {
            (Way::Lifeline, Some(lifeline)) if !ended.dispatcher_knows => {
                ended.dispatcher_knows = true;
                // From now on the dispatcher has its time anew.
                self.heard_at = now;
                lifeline.send(&Message::Ended { end: end.clone() });
            }
            (Way::Lifeline, _) => {}
            (Way::Store, _) => {
                if matches!(ended.store, Place::Paused { until } if now >= until) {
                    let submitted = self.submit(Job::End(Box::new(end.clone())));
                    ended.store = if submitted {
                        Place::Desk
                    } else {
                        Place::Paused { until: now + PAUSE }
                    };
                }
            }
        }
        self.end = Some((end, ended));
    }

    fn submit(&mut self, job: Job) -> bool {
        if self.desk.is_none() {
            self.desk = Desk::open(self.store.clone(), self.tenure.clone()).ok();
        }
        self.desk.as_ref().is_some_and(|desk| desk.submit(job))
    }

    /// When something is due by itself.
    pub(crate) fn due(&self, now: BootInstant) -> Option<BootInstant> {
        let way = self.way(now);
        let silent = (way == Way::Lifeline).then(|| self.silent_at());
        let renewal = match self.renewal {
            Renewal::Due { at } if way == Way::Store && self.end.is_none() => {
                Some(self.alone_from.map_or(at, |from| at.max(from)))
            }
            Renewal::Due { .. } | Renewal::UnderWay => None,
        };
        let errand = |place: Place| match place {
            Place::Lifeline { until } | Place::Paused { until } => Some(until),
            Place::Desk => None,
        };
        let errands = self.open.values().filter_map(|open| errand(open.place));
        let end = self
            .end
            .as_ref()
            .filter(|_| way == Way::Store && self.open.is_empty())
            .and_then(|(_, ended)| errand(ended.store));
        errands
            .chain(silent)
            .chain(renewal)
            .chain(end)
            .chain(self.alone_from.filter(|from| *from > now))
            .chain(self.deposit_due())
            .min()
    }

    /// What an order changes here, and what it means to the warden.
    fn obey(&mut self, order: Order, now: BootInstant) -> Option<News> {
        match order {
            Order::Lease { end } => Some(News::Lease(end)),
            Order::End { ask } => {
                self.asked = Some(ask);
                // The order answers what we announced.
                self.told.retain(|(errand, _)| *errand != Errand::Ask(ask));
                Some(News::Ordered(ask))
            }
            Order::Acknowledged => Some(News::Acknowledged),
            Order::Answer { id, answer } => self.answered(id, answer, now),
        }
    }
}

/// A part of `width` for each run: runs that follow each other lie far apart, and many lie evenly.
fn spread(run: RunId, width: Duration) -> Duration {
    /// 2³² by the golden ratio.
    const STRIDE: u64 = 2_654_435_769;
    let place = run.0.cast_unsigned().wrapping_mul(STRIDE) % (1 << 32);
    width.mul_f64(f64::from(u32::try_from(place).unwrap_or_default()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wardens_that_are_left_alone_together_do_not_come_at_once() {
        let width = Duration::from_secs(5);
        let mut places: Vec<Duration> = (1000..1100).map(|run| spread(RunId(run), width)).collect();
        places.sort();
        let gaps = places
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]));
        let widest = gaps.max().unwrap_or_default();
        assert!(widest < width / 40, "{widest:?}");
        assert!(places.iter().all(|place| *place <= width));
    }
}
