//! Takes the proofs from which [`crate::orphan`] decides: looks at the processes that were written
//! down of a run's dispatcher and warden.

use std::path::Path;

use tenure_store::orphan::Orphan;
use tenure_store::process::ProcessId;
use tenure_warden::process::Process;

use crate::orphan::{Facts, Fate, Proof, fate};

/// An orphan and what follows from what is proved of it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The run.
    pub(crate) orphan: Orphan,
    /// What becomes of it.
    pub(crate) fate: Fate,
    /// Its warden, where it lives and can be held.
    pub(crate) process: Option<Process>,
}

/// Looks at the processes, off the loop: reading them takes system calls for each.
pub(crate) async fn prove(orphans: Vec<Orphan>, is_shared: bool, host: String) -> Vec<Seen> {
    let proving = tokio::task::spawn_blocking(move || {
        let own = Process::of(nix::unistd::getpid().as_raw(), &host).ok();
        let here = Here {
            is_shared,
            host: &host,
            own: own.as_ref().map(Process::id),
        };
        let prove = |orphan| here.prove(orphan);
        orphans.into_iter().map(prove).collect::<Vec<_>>()
    });
    proving.await.unwrap_or_default()
}

/// Where it is looked from.
struct Here<'a> {
    is_shared: bool,
    host: &'a str,
    /// Our own process. A dispatcher that lived in it is over: it became this one in place.
    own: Option<&'a ProcessId>,
}

impl Here<'_> {
    fn prove(&self, orphan: Orphan) -> Seen {
        let Self {
            is_shared,
            host,
            own,
        } = *self;
        let dispatcher = match &orphan.dispatcher_process {
            Some(id) if own == Some(id) => Proof::Dead,
            Some(id) => Process::find(id, host).map_or(Proof::Nothing, |found| Proof::from(&found)),
            None => Proof::Nothing,
        };
        let warden = orphan
            .warden
            .as_ref()
            .map(|warden| (warden, Process::find(&warden.process, host)));
        let (proof, process, answers) = match warden {
            None => (None, None, false),
            Some((_, Err(_))) => (Some(Proof::Nothing), None, false),
            Some((warden, Ok(found))) => {
                let proof = Proof::from(&found);
                // Where its process cannot be looked at, only its socket can tell that it lives.
                let answers = proof == Proof::Elsewhere && is_listened_to(&warden.socket);
                (Some(proof), found.alive(), answers)
            }
        };
        let fate = fate(Facts {
            is_shared,
            is_lapsed: orphan.is_lapsed,
            dispatcher,
            warden: proof,
            answers,
        });
        Seen {
            orphan,
            fate,
            process,
        }
    }
}

fn is_listened_to(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}
