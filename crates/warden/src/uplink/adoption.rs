//! Another dispatcher takes the lifeline up. What the former one was told or asked and did not
//! answer is said again; what is under way on the store stays there, since the store takes each but
//! once and the first answer stands.

use super::errands::{DISPATCHERS_PATIENCE, Place};
use super::{Told, Uplink};
use crate::clock::BootInstant;
use crate::desk::Errand;
use crate::lifeline::Message;
use crate::lines::Lines;

impl Uplink {
    /// The highest epoch that was shown.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Puts the lifeline into other hands. The former one is closed: what still comes over it
    /// reaches nobody. The new dispatcher keeps the lease from here on.
    pub(crate) fn adopt(&mut self, lines: Lines, epoch: u64, pid: Option<i32>, now: BootInstant) {
        self.lifeline = Some(lines);
        self.epoch = epoch;
        self.heard_at = now;
        let asked = self.asked;
        self.say(&Message::Adopted { pid, asked });
        self.repeat_told();
        self.repeat_requests(now);
        if let Some((_, ended)) = &mut self.end {
            ended.dispatcher_knows = false;
        }
    }

    fn repeat_told(&mut self) {
        // These go up as words now. The store may still take what lies there; that it does not
        // must not hold up the end.
        self.open
            .retain(|_, open| matches!(open.errand, Errand::Worker(_)));
        for (errand, _) in std::mem::take(&mut self.told) {
            match &errand {
                Errand::NoteWorker(pid) => self.say(&Message::Started { pid: *pid }),
                Errand::Ask(ask) => self.say(&Message::Ask { ask: *ask }),
                Errand::Worker(_) => {}
            }
            self.told.push((errand, Told::Dispatcher));
        }
    }

    fn repeat_requests(&mut self, now: BootInstant) {
        let mut requests = Vec::new();
        for (id, open) in &mut self.open {
            if let Errand::Worker(op) = &open.errand {
                requests.push(Message::Request {
                    id: *id,
                    op: op.clone(),
                });
                if open.place != Place::Desk {
                    let until = now + DISPATCHERS_PATIENCE;
                    open.place = Place::Lifeline { until };
                }
            }
        }
        for request in requests {
            self.say(&request);
        }
    }

    fn say(&mut self, message: &Message) {
        if let Some(lifeline) = &mut self.lifeline {
            lifeline.send(message);
        }
    }
}
