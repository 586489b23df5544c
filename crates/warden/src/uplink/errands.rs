//! Errands: what the worker and the warden itself want written. Each is open until it was answered on
//! one way or the other; what the store does not take now is kept.

use std::time::Duration;

use tenure_guard::ReportId;
use tenure_guard::wire::{Answer, Op};
use tenure_store::Error;

use super::{News, PAUSE, Uplink, Way};
use crate::broker::ConnId;
use crate::carry_out::refused;
use crate::clock::BootInstant;
use crate::desk::{Errand, Job};
use crate::lifeline::{Message, RequestId};

/// How long the dispatcher has for a request before it goes to the store directly: its own deadline
/// there is 3 s, and an answer takes its way.
pub(super) const DISPATCHERS_PATIENCE: Duration = Duration::from_secs(4);

/// How many remarks are kept for a store that is away; each may have 64 KiB.
const MOST_KEPT: usize = 64;

/// An errand that was not answered.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) errand: Errand,
    /// Who waits for the answer; nobody any more where it was kept.
    pub(super) from: Option<ConnId>,
    pub(super) place: Place,
}

/// Where an errand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Lifeline { until: BootInstant },
    Desk,
    Paused { until: BootInstant },
}

impl Uplink {
    /// Passes a request of the worker on, or answers it at once.
    pub(crate) fn request(&mut self, from: ConnId, op: Op, now: BootInstant) -> Option<Answer> {
        if let Op::Report { id, .. } = &op
            && let Some((kept, standing)) = self.kept_report()
        {
            return Some(if kept == id {
                Answer::Kept
            } else {
                Answer::Refused {
                    message: format!("reported {standing} already; the first report stands"),
                }
            });
        }
        self.dispatch(Errand::Worker(op), Some(from), now);
        None
    }

    fn kept_report(&self) -> Option<(&ReportId, &'static str)> {
        self.open.values().find_map(|open| match &open.errand {
            Errand::Worker(Op::Report { id, report }) if open.from.is_none() => {
                Some((id, report.name()))
            }
            Errand::Worker(_) | Errand::Ask(_) | Errand::NoteWorker(_) => None,
        })
    }

    pub(super) fn dispatch(&mut self, errand: Errand, from: Option<ConnId>, now: BootInstant) {
        let id = self.next_id;
        self.next_id += 1;
        let way = self.way(now);
        let place = match (&errand, &mut self.lifeline, way) {
            (Errand::Worker(op), Some(lifeline), Way::Lifeline) => {
                let op = op.clone();
                lifeline.send(&Message::Request { id, op });
                Place::Lifeline {
                    until: now + DISPATCHERS_PATIENCE,
                }
            }
            (Errand::Worker(_) | Errand::Ask(_) | Errand::NoteWorker(_), _, _) => {
                Place::Paused { until: now }
            }
        };
        self.open.insert(
            id,
            Open {
                errand,
                from,
                place,
            },
        );
    }

    /// The dispatcher answered.
    pub(super) fn answered(
        &mut self,
        id: RequestId,
        answer: Answer,
        now: BootInstant,
    ) -> Option<News> {
        let Open { errand, from, .. } = self.open.remove(&id)?;
        // A dispatcher that keeps a report may die with it.
        if answer == Answer::Kept {
            let open = Open {
                errand: errand.clone(),
                from: None,
                place: Place::Paused { until: now + PAUSE },
            };
            self.open.insert(id, open);
        }
        match errand {
            Errand::Worker(op) => from.map(|to| News::Answered { to, op, answer }),
            Errand::Ask(_) | Errand::NoteWorker(_) => None,
        }
    }

    pub(super) fn written(
        &mut self,
        id: RequestId,
        result: Result<Answer, Error>,
        now: BootInstant,
    ) -> Option<News> {
        let open = self.open.remove(&id)?;
        let from = open.from;
        let away = result.as_ref().is_err_and(Error::is_away);
        let op = match &open.errand {
            Errand::Worker(op) => Some(op),
            Errand::Ask(_) | Errand::NoteWorker(_) => None,
        };
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => {
                let problem = error.to_string();
                refused(error, op).unwrap_or_else(|| self.keep(id, &open.errand, &problem, now))
            }
        };
        match (open.errand, from, answer) {
            (Errand::Worker(op), Some(to), answer) => Some(News::Answered { to, op, answer }),
            (_, _, Answer::NotOwner { reason }) if !away => Some(News::Dispossessed(reason)),
            (Errand::Worker(_) | Errand::Ask(_) | Errand::NoteWorker(_), _, _) => None,
        }
    }

    /// The store is away: the errand stays here and is tried again. Only the newest sign of life is
    /// worth keeping.
    fn keep(&mut self, id: RequestId, errand: &Errand, problem: &str, now: BootInstant) -> Answer {
        let kept = |open: &Open| open.from.is_none() && matches!(open.errand, Errand::Worker(_));
        if matches!(errand, Errand::Worker(Op::Heartbeat { .. })) {
            self.open.retain(|_, open| {
                !(kept(open) && matches!(open.errand, Errand::Worker(Op::Heartbeat { .. })))
            });
        }
        if matches!(errand, Errand::Worker(Op::Comment { .. }))
            && self.open.values().filter(|open| kept(open)).count() >= MOST_KEPT
        {
            return Answer::Refused {
                message: format!("the store is away, and no more is kept: {problem}"),
            };
        }
        let place = Place::Paused { until: now + PAUSE };
        self.open.insert(
            id,
            Open {
                errand: errand.clone(),
                from: None,
                place,
            },
        );
        Answer::Kept
    }

    /// Brings errands that wait, or wait too long, to the store.
    pub(super) fn push_on(&mut self, way: Way, now: BootInstant) -> Vec<News> {
        let ready: Vec<RequestId> = self
            .open
            .iter()
            .filter(|(_, open)| match open.place {
                Place::Lifeline { until } => way == Way::Store || now >= until,
                Place::Paused { until } => now >= until,
                Place::Desk => false,
            })
            .map(|(id, _)| *id)
            .collect();
        let mut news = Vec::new();
        for id in ready {
            let Some(open) = self.open.get_mut(&id) else {
                continue;
            };
            open.place = Place::Desk;
            let errand = open.errand.clone();
            if !self.submit(Job::Write { id, errand }) {
                let full = Error::Unavailable("no more can be asked of the store now".into());
                news.extend(self.written(id, Err(full), now));
            }
        }
        news
    }
}
