//! `comment`: a remark, by a person or by a worker.

use tenure_guard::TaskId;

use crate::cli::{Global, task_id};
use crate::failure::Failure;
use crate::place::{self, Place};
use crate::worker::{self, Word};

/// Leaves it.
pub fn run(global: &Global, words: &[String]) -> Result<(), Failure> {
    if words.last().is_some_and(|text| text.trim().is_empty()) {
        return Err(Failure::usage("the remark is empty: say something"));
    }
    match (words, worker::is_worker()) {
        ([text], true) => worker::say(global, Word::Comment(text.clone())),
        ([id, _], true) => worker::require("comment", Some(id)),
        ([id, text], false) => {
            let id = task_id(id).map_err(Failure::usage)?;
            super::block_on(by_person(global, id, text.clone()))
        }
        (_, _) => Err(Failure::usage(
            "the task's id comes first: `tenure comment 7 TEXT`",
        )),
    }
}

async fn by_person(global: &Global, task: TaskId, text: String) -> Result<(), Failure> {
    let store = Place::find(global)?.change(task).await?;
    Ok(store.comment(task, place::by(), text).await?)
}
