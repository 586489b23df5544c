//! `complete`: a person says that the work is done, or a worker reports it.

use tenure_guard::Report;
use tenure_store::person::Wish;

use crate::cli::{Act, Complete, Global};
use crate::config::{absolute, cwd};
use crate::failure::Failure;
use crate::verb::wish;
use crate::worker::{self, Word};

/// Says it.
pub fn run(global: &Global, args: Complete) -> Result<(), Failure> {
    let folder = cwd()?;
    let artifacts = args.artifacts.iter();
    let artifacts = artifacts
        .map(|path| absolute(&folder, path).to_string_lossy().into_owned())
        .collect();
    if worker::is_worker() {
        worker::require("complete", args.ids.first())?;
        let report = Report::Complete {
            summary: args.summary,
            metadata: args.metadata,
            artifacts,
        };
        return worker::say(global, Word::Report(report));
    }
    if args.ids.is_empty() {
        return Err(Failure::usage(
            "the task's id comes first: `tenure complete 7` (inside a worker it takes none)",
        ));
    }
    let act = Act {
        ids: args.ids,
        reason: args.reason,
        json: args.json,
    };
    let done = Wish::Complete {
        summary: args.summary,
        metadata: args.metadata,
        artifacts,
    };
    super::block_on(wish::at_once(global, act, done))
}
