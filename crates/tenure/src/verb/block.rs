//! `block`: a person lets a task wait, or a worker reports that it cannot go on.

use tenure_guard::{BlockKind, Report};
use tenure_store::person::{Earnest, Wish};

use crate::cli::{Block, Global};
use crate::failure::Failure;
use crate::verb::wish::{Want, carry_out};
use crate::worker::{self, Word};

/// Blocks it.
pub fn run(global: &Global, args: Block) -> Result<(), Failure> {
    if worker::is_worker() {
        worker::require("block", args.ids.first())?;
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
    if args.ids.is_empty() {
        return Err(Failure::usage(
            "the task's id comes first: `tenure block 7`",
        ));
    }
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
    let want = Want {
        wish: Wish::Block { kind },
        ids: args.ids,
        reason: Some(reason),
        json: args.json,
        earnest: Earnest::Do,
        patience: Some(args.patience),
    };
    super::block_on(carry_out(global, want))
}
