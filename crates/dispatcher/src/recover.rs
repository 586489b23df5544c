//! Closing a run without a dispatcher: for a verb that finds that nobody is left who could carry
//! out what it asked.

use tenure_guard::RunId;
use tenure_store::end::Ended;
use tenure_store::life::End;
use tenure_store::{DispatcherId, Error, Store};

use crate::act::Burial;
use crate::orphan::Fate;
use crate::prove::prove;

/// Closes a run whose dispatcher and warden are proved dead, after ending whatever they left, or one of
/// another host whose lease is over; `None` where somebody may still be alive, or where it is closed
/// already. `by` says in words who closes it.
///
/// On a store of one host the caller must have seen that no dispatcher holds it. One that comes
/// meanwhile does the same, and only one of the two ends is written.
///
/// # Errors
/// The store's.
pub async fn close_if_dead(
    store: &Store,
    host_id: &str,
    run: RunId,
    by: &str,
) -> Result<Option<Ended>, Error> {
    let lapses = store.lapses(host_id).await?;
    if let Some(lapsed) = lapses.over.iter().find(|lapsed| lapsed.tenure.run == run) {
        return store.take_back(lapsed, by.to_owned()).await;
    }
    let orphans = store.orphans(DispatcherId::random(), host_id).await?;
    let orphan = orphans
        .into_iter()
        .filter(|orphan| orphan.tenure.run == run)
        .collect();
    let proved = prove(orphan, store.is_shared(), host_id.to_owned()).await;
    let Some(seen) = proved.into_iter().next() else {
        return Ok(None);
    };
    let tenure = seen.orphan.tenure.clone();
    let end = match (seen.fate, Burial::of(&seen)) {
        (Fate::NeverStarted, _) => End::NeverStarted {
            reason: End::NEVER_LET_GO.to_owned(),
        },
        (Fate::Bury(_), Some(burial)) => burial.carry_out(store).await,
        (Fate::Bury(_) | Fate::Adopt | Fate::Wait | Fate::Leave, _) => return Ok(None),
    };
    store.end(tenure, end).await.map(Some)
}
