//! Tells the store which profiles are held back: the newest word, however often it changed before
//! the store took it.

use std::time::Instant;

use tenure_store::held::HeldNow;
use tenure_store::{DispatcherId, Store};
use tokio::sync::watch;

use super::STORE_PAUSE;
use crate::hold_back::HeldProfile;

/// Whoever tells the store; it ends with the dispatcher.
#[derive(Debug)]
pub(super) struct Teller {
    newest: watch::Sender<Vec<HeldProfile>>,
}

impl Teller {
    pub(super) fn start(store: Store, id: DispatcherId) -> Self {
        let (newest, mut told) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while told.changed().await.is_ok() {
                let held = now(&told.borrow_and_update(), Instant::now());
                if let Err(error) = store.hold_back(id, held).await {
                    tracing::warn!(error = %error, "cannot publish what is held back yet");
                    told.mark_changed();
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        });
        Self { newest }
    }

    pub(super) fn tell(&self, held: Vec<HeldProfile>) {
        for one in held
            .iter()
            .filter(|one| !self.newest.borrow().contains(one))
        {
            tracing::warn!(
                run.profile = one.profile,
                reason = one.why,
                "profile held back"
            );
        }
        self.newest.send_replace(held);
    }
}

fn now(held: &[HeldProfile], now: Instant) -> Vec<HeldNow> {
    let tell = |one: &HeldProfile| HeldNow {
        profile: one.profile.clone(),
        why: one.why.clone(),
        held_for: now.saturating_duration_since(one.since),
        left: one.until.saturating_duration_since(now),
    };
    held.iter().map(tell).collect()
}
