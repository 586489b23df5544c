//! A worker's own words: `heartbeat`, `complete`, `defer`, `fail`.

use std::path::PathBuf;

use tenure_guard::Report;

use crate::cli::{Complete, Defer, Fail, Global, Heartbeat};
use crate::config::{absolute, cwd};
use crate::failure::Failure;
use crate::worker::{Word, require, say};

/// I am alive.
pub fn heartbeat(global: &Global, args: Heartbeat) -> Result<(), Failure> {
    require("heartbeat", args.id.as_deref())?;
    say(global, Word::Heartbeat(args.note))
}

/// The work is done.
pub fn complete(global: &Global, args: Complete) -> Result<(), Failure> {
    require("complete", args.id.as_deref())?;
    let report = Report::Complete {
        summary: args.summary,
        metadata: args.metadata,
        artifacts: absolute_texts(&args.artifacts)?,
    };
    say(global, Word::Report(report))
}

/// The files, as whoever reads of them elsewhere finds them.
fn absolute_texts(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let folder = cwd()?;
    let text = |path: &PathBuf| {
        let path = absolute(&folder, path);
        path.to_str().map(str::to_owned).ok_or_else(|| {
            Failure::usage(format!("--artifact {}: it is not UTF-8", path.display()))
        })
    };
    paths.iter().map(text).collect()
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
