//! What lies in the run's folder while nobody takes it: whoever kills the warden, or the host, loses
//! nothing that the worker said and the kernel told. Writing a file may take long, so it is the desk
//! that does it.

use std::path::PathBuf;

use tenure_guard::wire::Op;

use super::{PAUSE, Uplink, Way};
use crate::clock::BootInstant;
use crate::desk::{Errand, Job};
use crate::evidence::{self, Evidence};

/// The evidence in the run's folder, as far as it has come.
#[derive(Debug)]
pub(super) struct Deposit {
    folder: PathBuf,
    /// What lies there.
    lying: Option<Evidence>,
    desk: AtDesk,
}

/// Whether the desk has it.
#[derive(Debug)]
enum AtDesk {
    Nothing {
        /// Where it failed it is not tried before then.
        again_at: BootInstant,
    },
    UnderWay {
        /// What will lie in the folder; none is taking away.
        next: Option<Evidence>,
    },
}

impl Deposit {
    pub(super) fn into(folder: PathBuf) -> Self {
        Self {
            folder,
            lying: None,
            desk: AtDesk::Nothing {
                again_at: BootInstant::ZERO,
            },
        }
    }

    /// When `wanted` is to be written; never where it lies there already, or the desk is busy.
    fn due(&self, wanted: Option<&Evidence>) -> Option<BootInstant> {
        match self.desk {
            AtDesk::Nothing { again_at } if self.lying.as_ref() != wanted => Some(again_at),
            AtDesk::Nothing { .. } | AtDesk::UnderWay { .. } => None,
        }
    }

    fn has_end(&self) -> bool {
        let next = match &self.desk {
            AtDesk::Nothing { .. } => None,
            AtDesk::UnderWay { next } => next.as_ref(),
        };
        let has_end = |evidence: &Evidence| evidence.end.is_some();
        self.lying.as_ref().is_some_and(has_end) || next.is_some_and(has_end)
    }

    fn is_busy(&self) -> bool {
        matches!(self.desk, AtDesk::UnderWay { .. })
    }
}

impl Uplink {
    /// What should lie in the folder: what was known and could not be handed over at the first try.
    fn evidence(&self) -> Option<Evidence> {
        let report = self.open.values().find_map(|open| match &open.errand {
            Errand::Worker(Op::Report { id, report }) if open.from.is_none() => {
                Some((id.clone(), report.clone()))
            }
            Errand::Worker(_) | Errand::Ask(_) | Errand::NoteWorker(_) => None,
        });
        // What lies there once stays until it is acknowledged.
        let lies_there = self.deposit.as_ref().is_some_and(Deposit::has_end);
        let end = self.end.as_ref();
        let end = end.filter(|(_, ended)| ended.was_refused || report.is_some() || lies_there);
        let end = end.map(|(end, _)| end.clone());
        (report.is_some() || end.is_some()).then_some(Evidence {
            v: evidence::VERSION,
            run: self.tenure.run,
            report,
            end,
        })
    }

    /// Has the file written, changed or taken away, where it is not what it should be.
    pub(super) fn bring_up_to_date(&mut self, now: BootInstant) {
        let wanted = self.evidence();
        let Some(deposit) = &self.deposit else {
            return;
        };
        if deposit.due(wanted.as_ref()).is_none_or(|at| now < at) {
            return;
        }
        let job = Job::Deposit {
            folder: deposit.folder.clone(),
            evidence: wanted.clone().map(Box::new),
        };
        let desk = if self.submit(job) {
            AtDesk::UnderWay { next: wanted }
        } else {
            AtDesk::Nothing {
                again_at: now + PAUSE,
            }
        };
        if let Some(deposit) = &mut self.deposit {
            deposit.desk = desk;
        }
    }

    pub(super) fn deposited(&mut self, is_done: bool, now: BootInstant) {
        let Some(deposit) = &mut self.deposit else {
            return;
        };
        let again_at = if is_done { now } else { now + PAUSE };
        let desk = std::mem::replace(&mut deposit.desk, AtDesk::Nothing { again_at });
        if let AtDesk::UnderWay { next } = desk
            && is_done
        {
            deposit.lying = next;
        }
    }

    /// When the file is to be written, changed or taken away.
    pub(super) fn deposit_due(&self) -> Option<BootInstant> {
        self.deposit.as_ref()?.due(self.evidence().as_ref())
    }

    /// Whether nobody is there to take the end, and it lies in the folder as it is: then the warden
    /// may go when it is told to.
    pub(crate) fn may_be_left(&self, now: BootInstant) -> bool {
        let lies_whole = self.deposit.as_ref().is_some_and(|deposit| {
            let end = deposit.lying.as_ref().and_then(|lying| lying.end.as_ref());
            end.is_some() && !deposit.is_busy() && deposit.lying == self.evidence()
        });
        lies_whole && self.way(now) == Way::Store
    }

    /// Whether the desk is busy with the file.
    pub(crate) fn is_depositing(&self) -> bool {
        self.deposit.as_ref().is_some_and(Deposit::is_busy)
    }

    /// The end is durable: what lies in the folder has served.
    pub(crate) fn clear_away(&self) {
        if let Some(deposit) = &self.deposit
            && deposit.lying.is_some()
        {
            // Who reads what stays here finds its run closed.
            let _ = evidence::remove(&deposit.folder);
        }
    }
}
