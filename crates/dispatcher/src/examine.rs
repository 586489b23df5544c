//! In whose hands the open runs are, as far as that can be proved from here: for whoever looks at a
//! store and changes nothing.

use tenure_store::dispatcher::Dispatcher;
use tenure_store::orphan::Orphan;
use tenure_store::{Error, Store};

use crate::orphan::Fate;
use crate::prove::{Seen, prove};

/// In whose hands a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands {
    /// A living dispatcher's, or its warden's, which goes on by itself and is taken up again.
    Living,
    /// Nobody's: dispatcher and warden are proved dead.
    Dead,
    /// Another host's, or nothing is proved yet.
    Unknown,
}

/// An open run, and in whose hands it is.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The run.
    pub run: Orphan,
    /// In whose hands it is.
    pub hands: Hands,
    /// Whether its warden lives here and is stopped, so that it can do nothing for its run.
    pub is_stopped: bool,
}

/// Examines all open runs; `living` are the dispatchers that live.
///
/// # Errors
/// The store's.
pub async fn examine(
    store: &Store,
    host_id: &str,
    living: &[Dispatcher],
) -> Result<Vec<Examined>, Error> {
    let runs = store.open_runs().await?;
    let proved = prove(runs, store.is_shared(), host_id.to_owned()).await;
    let examined = proved.into_iter().map(|seen| Examined {
        hands: hands(&seen, living),
        is_stopped: is_stopped(&seen),
        run: seen.orphan,
    });
    Ok(examined.collect())
}

/// Where a dispatcher lives that has the run, it knows more than can be seen from here.
fn hands(seen: &Seen, living: &[Dispatcher]) -> Hands {
    let has = |dispatcher: &Dispatcher| dispatcher.id == seen.orphan.dispatcher;
    if living.iter().any(has) {
        return Hands::Living;
    }
    match seen.fate {
        Fate::Adopt => Hands::Living,
        Fate::NeverStarted | Fate::Bury(_) => Hands::Dead,
        Fate::Wait | Fate::Leave => Hands::Unknown,
    }
}

fn is_stopped(seen: &Seen) -> bool {
    let warden = seen.process.as_ref();
    warden.is_some_and(|warden| warden.is_stopped().unwrap_or(false))
}
