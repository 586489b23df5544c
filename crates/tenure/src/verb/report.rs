//! A worker's own words: `heartbeat`, `defer`, `fail`.

use tenure_guard::Report;

use crate::cli::{Defer, Fail, Global, Heartbeat};
use crate::failure::Failure;
use crate::worker::{Word, require, say};

/// I am alive.
pub fn heartbeat(global: &Global, args: Heartbeat) -> Result<(), Failure> {
    require("heartbeat", args.id.as_deref())?;
    say(global, Word::Heartbeat(args.note))
}

/// Not now.
pub fn defer(global: &Global, args: Defer) -> Result<(), Failure> {
    require("defer", args.id.as_deref())?;
    let in_millis = |wait: std::time::Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let report = Report::Defer {
        for_ms: args.wait.map(in_millis),
        reason: args.reason,
    };
    say(global, Word::Report(report))
}

/// The work failed.
pub fn fail(global: &Global, args: Fail) -> Result<(), Failure> {
    require("fail", args.id.as_deref())?;
    say(
        global,
        Word::Report(Report::Fail {
            reason: args.reason,
        }),
    )
}
