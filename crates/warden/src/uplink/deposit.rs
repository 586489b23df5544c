//! What lies in the run's folder while nobody takes it: whoever kills the warden, or the host, loses
//! nothing that the worker said and the kernel told. Writing a file may take long, so it is the desk
//! that does it.

use std::path::{Path, PathBuf};

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
    /// What is being written; the inner `None` takes it away.
    under_way: Option<Option<Evidence>>,
    /// Not before then, where it failed.
    again_at: BootInstant,
}

impl Deposit {
    pub(super) fn into(folder: PathBuf) -> Self {
        Self {
            folder,
            lying: None,
            under_way: None,
            again_at: BootInstant::ZERO,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
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
        let end = self.end.as_ref();
        let end = end.filter(|(_, ended)| ended.was_refused || report.is_some());
        let end = end.map(|(end, _)| end.clone());
        (report.is_some() || end.is_some()).then(|| Evidence {
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
        if deposit.under_way.is_some() || deposit.lying == wanted || now < deposit.again_at {
            return;
        }
        let job = Job::Deposit {
            folder: deposit.folder.clone(),
            evidence: wanted.clone().map(Box::new),
        };
        let submitted = self.submit(job);
        if let Some(deposit) = &mut self.deposit {
            if submitted {
                deposit.under_way = Some(wanted);
            } else {
                deposit.again_at = now + PAUSE;
            }
        }
    }

    pub(super) fn deposited(&mut self, is_done: bool, now: BootInstant) {
        let Some(deposit) = &mut self.deposit else {
            return;
        };
        let tried = deposit.under_way.take();
        if is_done {
            deposit.lying = tried.flatten();
        } else {
            deposit.again_at = now + PAUSE;
        }
    }

    /// When a file that could not be written is tried again.
    pub(super) fn deposit_due(&self) -> Option<BootInstant> {
        let deposit = self.deposit.as_ref()?;
        let is_due = deposit.under_way.is_none() && deposit.lying != self.evidence();
        is_due.then_some(deposit.again_at)
    }

    /// Whether nobody is there to take the end, and it lies in the folder as it is: then the warden
    /// may go when it is told to.
    pub(crate) fn may_be_left(&self, now: BootInstant) -> bool {
        let lies_whole = self.deposit.as_ref().is_some_and(|deposit| {
            let end = deposit.lying.as_ref().and_then(|lying| lying.end.as_ref());
            end.is_some() && deposit.under_way.is_none() && deposit.lying == self.evidence()
        });
        lies_whole && self.way(now) == Way::Store
    }

    /// Whether the desk is busy with the file.
    pub(crate) fn is_depositing(&self) -> bool {
        self.deposit
            .as_ref()
            .is_some_and(|deposit| deposit.under_way.is_some())
    }

    /// The end is durable: what lies in the folder has served.
    pub(crate) fn clear_away(&self) {
        if let Some(deposit) = &self.deposit
            && deposit.lying.is_some()
        {
            // Who reads what stays here finds its run closed.
            let _ = evidence::remove(deposit.folder());
        }
    }
}
