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
        status(stuck)
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
        status(parent)
    );
    Reason::new(code, words, change)
        .since(parent.since)
        .about(&[id])
        .command(command)
}

/// How it stands in words: where it is blocked with kind and cause, where it was called off by whom and
/// why.
fn status(one: &WaitedFor) -> String {
    let kind = one.block_kind.map(|kind| format!(" ({kind})"));
    let by = one.called_off.as_ref().map(|off| format!(" by {}", off.by));
    let of_block = one.block_reason.as_deref();
    let of_call = one
        .called_off
        .as_ref()
        .and_then(|off| off.reason.as_deref());
    let why = of_block.or(of_call).map(|why| format!(": {why}"));
    let told = [kind, by, why].into_iter().flatten();
    told.fold(one.status.to_string(), |text, more| text + &more)
}

/// Whether something of what it waits for comes by nobody but a person.
pub fn are_stuck(situation: &Situation) -> bool {
    let is_stuck =
        |one: &WaitedFor| matches!(one.status, TaskStatus::Blocked | TaskStatus::Cancelled);
    situation.parents.iter().any(is_stuck) || !situation.stuck_above.is_empty()
}
