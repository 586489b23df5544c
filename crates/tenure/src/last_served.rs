//! That nobody serves a store, in words: who did so last, and how that came to an end.

use jiff::Timestamp;
use tenure_store::read::{Departure, LastServed};

use crate::verb::seconds;

/// That nobody serves the store, and since when and why, as far as that is known.
pub fn nobody(last: Option<&LastServed>) -> (String, Option<Timestamp>) {
    let Some(last) = last else {
        let words = "no dispatcher serves this store, and none ever did";
        return (words.to_owned(), None);
    };
    let dispatcher = &last.dispatcher;
    let is_of_batch = dispatcher.batch.is_some();
    let what = if is_of_batch { ", a `tenure run`" } else { "" };
    let (how, since) = how(last.departure, is_of_batch);
    let words = format!(
        "no dispatcher serves this store; the last one{what} (pid {} on {}, started {}) {how}",
        dispatcher.process.pid,
        dispatcher.host_name,
        seconds(last.started_at)
    );
    (words, since)
}

fn how(departure: Departure, is_of_batch: bool) -> (&'static str, Option<Timestamp>) {
    match departure {
        // It goes by itself when its batch is over.
        Departure::SignedOff(at) if is_of_batch => ("has ended", Some(at)),
        Departure::SignedOff(at) => ("was stopped", Some(at)),
        Departure::StruckOff(at) => ("was stopped or killed", Some(at)),
        Departure::Silent(since) => (
            "gives no sign of life any more: it was killed, or is cut off",
            Some(since),
        ),
        Departure::Died(seen_at) => (
            "ended without a word: it was killed, or its host went down",
            seen_at,
        ),
    }
}
