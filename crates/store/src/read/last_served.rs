//! last served: who served a store last, where nobody does, and how that came to an end. Asked by whoever tells that nobody serves it.

use jiff::Timestamp;

use crate::dispatcher::{Dispatcher, Past, WhoMayLive, last};
use crate::error::Error;
use crate::transaction::Transaction;

/// The dispatcher that served a store last, and does no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastServed {
    /// It.
    pub dispatcher: Dispatcher,
    /// When it began.
    pub started_at: Timestamp,
    /// How it went.
    pub departure: Departure,
}

/// How a dispatcher went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It signed off then.
    SignedOff(Timestamp),
    /// By then it was gone, and whoever held the store's file next signed off for it.
    StruckOff(Timestamp),
    /// It gives no sign of life since then, and nothing proves that it is dead.
    Silent(Timestamp),
    /// It is proved dead and did not sign off; with its last sign of life, which on SQLite none gives.
    Died(Option<Timestamp>),
}

/// Who was there last, where nobody lives.
pub(super) async fn last_served(
    tx: &mut Transaction,
    who: &WhoMayLive,
) -> Result<Option<LastServed>, Error> {
    let is_shared = tx.is_shared();
    let last = last(tx).await?;
    Ok(last.map(|past| LastServed {
        departure: departure(&past, who, is_shared),
        dispatcher: past.dispatcher,
        started_at: past.started_at,
    }))
}

fn departure(past: &Past, who: &WhoMayLive, is_shared: bool) -> Departure {
    let Past {
        dispatcher,
        seen_at,
        retired_at,
        ..
    } = past;
    match retired_at {
        // To sign off is a sign of life.
        Some(retired_at) if seen_at >= retired_at => Departure::SignedOff(*retired_at),
        Some(retired_at) => Departure::StruckOff(*retired_at),
        None if who.is_proved_dead(&dispatcher.process) => {
            Departure::Died(is_shared.then_some(*seen_at))
        }
        None => Departure::Silent(*seen_at),
    }
}
