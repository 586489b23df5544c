//! Why a task waits for others.

use tenure_guard::BlockKind;
use tenure_store::life::{LinkKind, TaskStatus};
use tenure_store::read::{Situation, WaitedFor};

use super::{Code, Reason};

/// Each parent that it waits for, then what stands still farther up.
pub fn reasons(situation: &Situation) -> Vec<Reason> {
    let above = situation.stuck_above.iter().map(ancestor);
    situation.parents.iter().map(parent).chain(above).collect()
}

/// What stands still farther up, so that nobody has to climb there.
fn ancestor(stuck: &WaitedFor) -> Reason {
    let words = format!(
        "farther up its parents wait for task {} ({}), and that one is {}",
        stuck.id,
        stuck.title,
        status(stuck.status, stuck.block_kind)
    );
    Reason::new(Code::AncestorStuck, words, "a person acts on that one")
        .since(stuck.since)
        .about(&[stuck.id])
        .command(format!("tenure explain {}", stuck.id))
}

fn parent(parent: &WaitedFor) -> Reason {
    let id = parent.id;
    let end = match parent.kind {
        LinkKind::Success => "is done",
        LinkKind::AnyEnd => "has come to an end",
        LinkKind::Failure => "was given up",
    };
    let (code, change, command) = match (parent.status, parent.block_kind) {
        (TaskStatus::Cancelled, _) => (
            Code::ParentCancelled,
            "it waits for ever, unless the parent is retried or the task is let go without it",
            format!("tenure retry {id}"),
        ),
        (TaskStatus::Blocked, Some(BlockKind::GaveUp)) => (
            Code::ParentGaveUp,
            "it waits for ever, unless the parent is retried or the task is let go without it",
            format!("tenure retry {id}"),
        ),
        (TaskStatus::Blocked, _) => (
            Code::ParentBlocked,
            "a person lets the parent go on",
            format!("tenure explain {id}"),
        ),
        (
            TaskStatus::Todo
            | TaskStatus::Scheduled
            | TaskStatus::Ready
            | TaskStatus::Running
            | TaskStatus::Done,
            _,
        ) => (
            Code::WaitsForParent,
            "the parent comes to that end",
            format!("tenure explain {id}"),
        ),
    };
    let words = format!(
        "it waits until task {id} ({}) {end}, and that one is {}",
        parent.title,
        status(parent.status, parent.block_kind)
    );
    Reason::new(code, words, change)
        .since(parent.since)
        .about(&[id])
        .command(command)
}

/// A status in words, with the kind of block where there is one.
fn status(status: TaskStatus, kind: Option<BlockKind>) -> String {
    match kind {
        Some(kind) => format!("{status} ({kind})"),
        None => status.to_string(),
    }
}
