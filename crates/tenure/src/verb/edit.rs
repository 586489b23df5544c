//! `edit`: mends tasks that are stuck, and nothing that a living run has.

use serde_json::{Map, json};
use tenure_guard::TaskId;
use tenure_store::Store;
use tenure_store::edit::Mend;

use crate::caller::Caller;
use crate::cli::{Edit, Global};
use crate::failure::Failure;
use crate::place;
use crate::verb::answer::Answers;
use crate::verb::list;
use crate::verb::wish::{close_deserted, open, row};

/// Mends them.
pub async fn run(global: &Global, args: Edit) -> Result<(), Failure> {
    let store = open(global, &args.act.ids).await?;
    let mut answers = Answers::new(args.act.json, Caller::of(global));
    for &id in &args.act.ids {
        answers.expect(id);
        if let Err(failure) = mend(&store, id, &args, &mut answers).await {
            answers.refused(id, &failure);
        }
    }
    place::poke(&store).await;
    answers.finish()
}

async fn mend(
    store: &Store,
    id: TaskId,
    args: &Edit,
    answers: &mut Answers,
) -> Result<(), Failure> {
    let wanted = [
        (args.clear_skills, Mend::ClearSkills),
        (args.clear_requires, Mend::ClearRequires),
        (args.reset_failures, Mend::ResetFailures),
        (args.clear_claim, Mend::ClearClaim),
    ];
    let mends = wanted
        .into_iter()
        .filter_map(|(on, mend)| on.then_some(mend));
    // An open run is closed only where its whole tree is proved dead; else the store refuses.
    let closed = match store.open_run(id).await? {
        Some(run) if args.clear_claim && close_deserted(store, run).await? => Some(run),
        Some(_) | None => None,
    };
    let reason = args.act.reason.clone();
    let edited = store
        .edit(id, mends.collect(), closed, place::by(), reason)
        .await?;
    let row = row(store, id).await?;
    let said = if edited.mended.is_empty() {
        "there was nothing to mend".to_owned()
    } else {
        let said = edited.mended.iter().map(|mend| mend.done());
        said.collect::<Vec<_>>().join(", ")
    };
    let line = format!("task {id} is {}: {said}", list::status(&row));
    let more = Map::from_iter([
        ("mended".to_owned(), json!(edited.mended)),
        ("closed_run".to_owned(), json!(closed)),
    ]);
    answers.stands_with(&row, more, &line)
}
