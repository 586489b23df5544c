//! Takes back what other hosts hold and do not renew. Each is a write of its own, so that one which
//! cannot be closed keeps no other; of several dispatchers that try, the store lets one.

use std::sync::Arc;

use tenure_store::lapse::{LOOK, Lapsed};
use tenure_store::{Error, Store};
use tokio::task::JoinSet;

use super::Edge;
use crate::core::TakenBack;
use crate::event::Event;
use crate::settings::Settings;
use crate::wake::Wake;

impl Edge {
    pub(super) fn take_back_lapsed(&self) {
        let (store, settings) = (self.store.clone(), Arc::clone(&self.settings));
        let (wakes, hub) = (self.wakes.clone(), Arc::clone(&self.hub));
        tokio::spawn(async move {
            let back = take_back_all(&store, &settings).await;
            if let Err(error) = &back {
                tracing::warn!(error = %error, "cannot look at the leases of other hosts");
            }
            let back = back.ok();
            if back.is_some_and(|back| back.runs > 0) {
                hub.changed();
            }
            let _ = wakes.send(Wake::Event(Event::TakenBack(back)));
        });
    }
}

async fn take_back_all(store: &Store, settings: &Settings) -> Result<TakenBack, Error> {
    let lapses = store.lapses(&settings.host.id).await?;
    let over = lapses.over.len();
    let by = format!("dispatcher {} on {}", settings.id, settings.host.name);
    let mut under_way = JoinSet::new();
    for lapsed in lapses.over {
        under_way.spawn(take_back(store.clone(), lapsed, by.clone()));
    }
    let taken = under_way.join_all().await;
    let runs = taken.iter().filter(|taken| **taken).count();
    let is_full = u32::try_from(over).is_ok_and(|over| over >= LOOK);
    Ok(TakenBack {
        runs: u32::try_from(runs).unwrap_or(u32::MAX),
        more: is_full || runs < over,
        next: lapses.next,
    })
}

/// Whether it was taken back by us.
async fn take_back(store: Store, lapsed: Lapsed, by: String) -> bool {
    let (task, run) = (lapsed.tenure.task, lapsed.tenure.run);
    match store.take_back(&lapsed, by).await {
        Ok(Some(ended)) => {
            tracing::warn!(
                task.id = %task, run.id = %run, run.attempt = lapsed.attempt,
                run.profile = lapsed.profile, run.holder = lapsed.holder,
                run.outcome = %ended.outcome, run.reason = ended.reason, task.status = %ended.status,
                "run of a silent host taken back",
            );
            true
        }
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(
                task.id = %task, run.id = %run, error = %error,
                "a run of a silent host cannot be taken back yet",
            );
            false
        }
    }
}
