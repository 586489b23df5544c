//! `block`: a person lets a task wait, or a worker reports that it cannot go on.

use tenure_guard::{BlockKind, Report};
use tenure_store::person::Wish;

use crate::cli::{Block, Ending, Global};
use crate::failure::Failure;
use crate::worker::{self, Word};

/// Blocks it.
pub fn run(global: &Global, args: Block) -> Result<(), Failure> {
    if worker::is_worker() {
        let id = args.id.map(|id| id.to_string());
        worker::require("block", id.as_deref())?;
        let report = match (args.after, args.kind, args.reason) {
            (Some(after), _, reason) => Report::Wait { after, reason },
            (None, Some(kind), Some(reason)) => Report::Block { kind, reason },
            (None, _, _) => {
                return Err(Failure::usage(
                    "a worker says --kind needs_input or capability and --reason, or --after ID",
                ));
            }
        };
        return worker::say(global, Word::Report(report));
    }
    if args.after.is_some() {
        return Err(Failure::usage(
            "--after is a worker's word about its own task: add a task with `add --after ID`, or give a reason to block this one",
        ));
    }
    let Some(id) = args.id else {
        return Err(Failure::usage(
            "the task's id comes first: `tenure block 7`",
        ));
    };
    let kind = args.kind.unwrap_or(BlockKind::Operator);
    if kind == BlockKind::GaveUp {
        return Err(Failure::usage(
            "--kind gave_up is the breaker's alone: use needs_input, capability or operator",
        ));
    }
    let Some(reason) = args.reason else {
        return Err(Failure::usage(
            "a block needs --reason: say what the task waits for",
        ));
    };
    let ending = Ending {
        id,
        reason: Some(reason),
        patience: args.patience,
    };
    super::block_on(super::wish::ending(global, ending, Wish::Block { kind }))
}
