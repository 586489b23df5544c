//! Why a task does not move, in words; whether it does is the store's to say.

use std::collections::BTreeSet;

use tenure_guard::TaskId;
use tenure_store::read::{Outlook, Standstill};

use crate::escape;

/// The longest title of another task.
const TITLE_CHARS: usize = 60;

/// What keeps a task, beyond what its status says; `None` where that says it all.
pub fn words(outlook: &Outlook, task: TaskId) -> Option<String> {
    match outlook.standstill(task) {
        Some(Standstill::Over | Standstill::Blocked) => None,
        Some(Standstill::Paused(what)) => {
            Some(format!("{} is paused", escape::line(&what.to_string())))
        }
        Some(Standstill::NotServed) => Some("no living dispatcher serves it".to_owned()),
        Some(Standstill::Behind(parent)) => Some(behind(outlook, parent)),
        None => {
            let parents = outlook.waits_for(task).iter().map(ToString::to_string);
            let parents = parents.collect::<Vec<_>>().join(", ");
            (!parents.is_empty()).then(|| format!("waits for task {parents}"))
        }
    }
}

/// The parent, and where that waits for another one in turn, the last of them: there somebody can act.
fn behind(outlook: &Outlook, parent: TaskId) -> String {
    let mut last = parent;
    let mut visited = BTreeSet::new();
    while let Some(Standstill::Behind(next)) = outlook.standstill(last) {
        if !visited.insert(last) {
            return format!("waits for task {parent}, which waits in a circle");
        }
        last = next;
    }
    let way = if last == parent {
        format!("waits for task {parent}")
    } else {
        format!("waits for task {parent}, and that at last for task {last}")
    };
    let Some((title, status)) = outlook.task(last) else {
        return way;
    };
    let title = escape::short(title, TITLE_CHARS);
    let why = words(outlook, last).map_or_else(String::new, |why| format!("; {why}"));
    format!("{way} ({title}), which is {status}{why}")
}
