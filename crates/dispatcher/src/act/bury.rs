//! What is done for a run whose warden is dead: what it left is ended, what it kept is written, and
//! what is known of the end is said.

use std::io;
use std::path::{Path, PathBuf};

use tenure_guard::{Report, ReportId, RunId, Tenure};
use tenure_store::Store;
use tenure_store::life::End;
use tenure_store::process::ProcessId;
use tenure_warden::cgroup::Cgroup;
use tenure_warden::evidence::{self, Evidence};
use tenure_warden::leftovers::Leftovers;
use tokio::sync::oneshot;

use super::strays::Family;
use super::{Edge, STORE_PAUSE};
use crate::event::Event;
use crate::orphan::{Fate, Grave};
use crate::prove::Seen;
use crate::wake::Wake;

/// A dead warden's run.
#[derive(Clone, Debug)]
pub(crate) struct Burial {
    /// The fence.
    pub(crate) tenure: Tenure,
    /// Who stood over it.
    pub(crate) warden: ProcessId,
    /// Where it lived.
    pub(crate) grave: Grave,
    /// The run's folder, where there is one.
    pub(crate) folder: Option<PathBuf>,
    /// Where it answered its worker.
    pub(crate) socket: PathBuf,
    /// The children of this process, where it is the one to whom orphans come.
    family: Option<Family>,
}

impl Edge {
    pub(super) fn bury(&self, run: RunId) {
        let Some(hand) = self.hands.get(&run) else {
            return;
        };
        let Some(warden) = &hand.warden else { return };
        let start = &warden.start;
        let burial = Burial {
            tenure: hand.tenure.clone(),
            warden: start.warden.clone(),
            grave: warden.grave,
            folder: folder_of(start.log.as_deref()),
            socket: start.socket.clone(),
            family: Some(self.family.clone()),
        };
        let (store, wakes) = (self.store.clone(), self.wakes.clone());
        tokio::spawn(async move {
            let end = burial.carry_out(&store).await;
            let _ = wakes.send(Wake::Event(Event::Buried { run, end }));
        });
    }
}

impl Burial {
    /// What is to be done for a run whose warden is proved dead.
    pub(crate) fn of(seen: &Seen) -> Option<Self> {
        let Fate::Bury(grave) = seen.fate else {
            return None;
        };
        let warden = seen.orphan.warden.as_ref()?;
        Some(Self {
            tenure: seen.orphan.tenure.clone(),
            warden: warden.process.clone(),
            grave,
            folder: folder_of(warden.log.as_deref()),
            socket: warden.socket.clone(),
            family: None,
        })
    }

    /// Ends what the warden left, writes the report that it kept, and says how the run ended.
    pub(crate) async fn carry_out(&self, store: &Store) -> End {
        tracing::warn!(
            run.id = %self.tenure.run, process.pid = self.warden.pid, run.grave = %self.grave,
            "warden is dead: ending what it left",
        );
        let is_proved = self.grave == Grave::Here && self.end_leftovers(store).await;
        let evidence = self.evidence();
        let (report, end) = match evidence {
            Some(evidence) => (evidence.report, evidence.end),
            None => (None, None),
        };
        if let Some((id, report)) = report {
            self.write_report(store, id, report).await;
        }
        end.unwrap_or_else(|| self.unseen(is_proved))
    }

    /// On a thread of its own: what cannot be killed must not keep the process from finishing.
    /// Whether a cgroup proved that nothing is left.
    async fn end_leftovers(&self, store: &Store) -> bool {
        let known = store.run(self.tenure.run).await;
        let leftovers = Leftovers {
            warden: self.warden.clone(),
            worker: known.ok().and_then(|run| run.pid),
            lock: self.tenure.lock.clone(),
            also: Vec::new(),
        };
        let cgroup = self.folder.as_deref().and_then(Cgroup::left_in);
        let is_done = loop {
            match end_on_a_thread(leftovers.clone(), cgroup.clone(), self.family.clone()) {
                Ok(is_done) => break is_done,
                // Unsearched the run cannot be closed.
                Err(error) => {
                    tracing::warn!(
                        run.id = %self.tenure.run, error = %error,
                        "no thread to end what a warden left: trying again",
                    );
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        };
        let is_proved = is_done.await.unwrap_or_default();
        // Nobody is left who could listen there.
        let _ = std::fs::remove_file(&self.socket);
        is_proved
    }

    fn evidence(&self) -> Option<Evidence> {
        let folder = self.folder.as_deref()?;
        match evidence::read(folder, self.tenure.run) {
            Ok(evidence) => evidence,
            Err(error) => {
                tracing::warn!(
                    run.id = %self.tenure.run, error = %error,
                    "what the warden kept cannot be read",
                );
                None
            }
        }
    }

    /// The first report stands, and a run that is closed takes none: then this one is not wanted.
    async fn write_report(&self, store: &Store, id: ReportId, report: Report) {
        loop {
            let written = store
                .report(self.tenure.clone(), id.clone(), report.clone())
                .await;
            match written {
                Ok(()) => return,
                Err(error) if error.is_away() => {
                    tracing::warn!(run.id = %self.tenure.run, error = %error, "a kept report waits for the store");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                Err(error) => {
                    tracing::warn!(run.id = %self.tenure.run, error = %error, "a kept report was refused");
                    return;
                }
            }
        }
    }

    fn unseen(&self, is_proved: bool) -> End {
        let (reason, tree_unverified) = match self.grave {
            Grave::Here => (End::WARDEN_KILLED, !is_proved),
            Grave::EarlierBoot => (End::NEW_BOOT, false),
            Grave::Elsewhere => (End::OUT_OF_REACH, true),
        };
        End::Unseen {
            reason: reason.to_owned(),
            tree_unverified,
        }
    }
}

/// Ends what a warden left; what comes back says whether a cgroup proved that nothing is left.
fn end_on_a_thread(
    mut leftovers: Leftovers,
    cgroup: Option<Cgroup>,
    family: Option<Family>,
) -> io::Result<oneshot::Receiver<bool>> {
    let (done, is_done) = oneshot::channel();
    std::thread::Builder::new().spawn(move || {
        let is_proved = cgroup.is_some_and(|cgroup| cgroup.end());
        leftovers.also = family.map(|family| family.strays()).unwrap_or_default();
        leftovers.end();
        // Whoever waited may be gone.
        let _ = done.send(is_proved);
    })?;
    Ok(is_done)
}

/// A run's log lies in its folder.
fn folder_of(log: Option<&Path>) -> Option<PathBuf> {
    log.and_then(Path::parent).map(Into::into)
}
