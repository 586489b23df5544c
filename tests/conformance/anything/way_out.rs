//! From wherever a task stands some verb leads on, and verbs alone bring everything to its end.

use tenure_guard::TaskId;
use tenure_store::Error;
use tenure_store::life::{End, TaskStatus};
use tenure_store::person::{Earnest, Granted, Wish};
use tenure_store::read::Detail;

use super::series::is_unbegun;
use super::stage::{Picture, Stage};
use super::step::{Step, complete};
use crate::world::exit;

/// The verb that leads on from where a task stands; a ready one needs none, and one that runs ends.
fn onward(detail: &Detail) -> Option<Wish> {
    match detail.task.status {
        TaskStatus::Todo => Some(Wish::Promote { force: true }),
        TaskStatus::Scheduled => Some(Wish::Promote { force: false }),
        TaskStatus::Blocked => Some(Wish::Unblock),
        TaskStatus::Done | TaskStatus::Cancelled => Some(Wish::Retry),
        TaskStatus::Ready | TaskStatus::Running => None,
    }
}

/// Asks without doing it, which must change nothing either.
pub async fn each_task_that_moved_can_be_moved_on(
    stage: &Stage,
    before: &Picture,
    after: &Picture,
    told: &str,
) {
    let moved = |id: &TaskId, detail: &Detail| before.get(id) != Some(detail);
    for (id, detail) in after.iter().filter(|(id, detail)| moved(id, detail)) {
        let told = format!("task {id}, {}, after {told}", detail.task.status);
        if let Some(wish) = onward(detail) {
            let answer = would(stage, *id, wish.clone()).await;
            assert!(
                matches!(answer, Ok(Granted::Moved(_))),
                "{told}: {wish:?}: {answer:?}"
            );
        }
        let done = Wish::Complete {
            summary: None,
            metadata: None,
            artifacts: Vec::new(),
        };
        let completes = would(stage, *id, done).await;
        match detail.task.status {
            TaskStatus::Todo | TaskStatus::Scheduled | TaskStatus::Ready | TaskStatus::Blocked => {
                assert!(
                    matches!(completes, Ok(Granted::Moved(TaskStatus::Done))),
                    "{told}"
                );
            }
            TaskStatus::Running => {
                let stopped = would(stage, *id, Wish::Stop).await;
                let reported = detail.runs.last().is_some_and(|run| run.report.is_some());
                assert_eq!(stopped.is_err(), reported, "{told}: {stopped:?}");
            }
            TaskStatus::Done | TaskStatus::Cancelled => {}
        }
    }
    assert_eq!(
        *after,
        stage.picture().await,
        "{told}: asking changed something"
    );
}

async fn would(stage: &Stage, task: TaskId, wish: Wish) -> Result<Granted, Error> {
    let store = &stage.world.store;
    store
        .wish_in(Earnest::DryRun, task, wish, "ann".into(), Some("?".into()))
        .await
}

/// Whether it is at its end. A series has none but by the cancelling of the one that is still to begin.
fn is_over(detail: &Detail) -> bool {
    let is_left = detail.task.status == TaskStatus::Cancelled && is_unbegun(detail);
    is_left || detail.task.status == TaskStatus::Done
}

/// The verb that brings a task nearer to its end.
fn endward(detail: &Detail) -> Option<Wish> {
    if is_over(detail) {
        return None;
    }
    if detail.task.status == TaskStatus::Scheduled && is_unbegun(detail) {
        Some(Wish::Cancel)
    } else {
        onward(detail)
    }
}

/// Lets everything go on that stands anywhere, until all of it is done.
pub async fn everything_comes_to_its_end(stage: &mut Stage) {
    let picture = stage.picture().await;
    stage.resume_everything(&picture).await;
    // Each round moves each task on by a step at least, and no task is more than four from its end:
    // blocked, waiting for parents, ready, running. A full cap lets two at a time.
    let rounds = 8 + 4 * picture.len();
    for _ in 0..rounds {
        end_what_runs(stage).await;
        let picture = stage.picture().await;
        if picture.values().all(is_over) {
            return;
        }
        for id in picture.keys() {
            // A parent's end may have let it go, or taken it along, since the picture was taken.
            let store = &stage.world.store;
            let now = store.show(*id).await.unwrap();
            if let Some(wish) = endward(&now) {
                let wished = store.wish(*id, wish.clone(), "ann".into(), None).await;
                assert!(wished.is_ok(), "task {id}: {wish:?}: {wished:?}");
            }
        }
        // A skill that nobody has any more keeps nobody: what cannot be done by its profile is cleared.
        mend_skills(stage, &picture).await;
        stage.take(&Step::Claim { by: 0, room: 4 }).await.unwrap();
    }
    let left = stage.picture().await;
    let stuck: Vec<_> = left
        .values()
        .filter(|detail| !is_over(detail))
        .map(|detail| &detail.task)
        .collect();
    assert!(
        stuck.is_empty(),
        "no verb brings these to their end: {stuck:#?}"
    );
}

/// Every open run ends well.
async fn end_what_runs(stage: &mut Stage) {
    for tenure in stage.tenures.clone() {
        let row = stage.world.task(tenure.task).await;
        if row.current_run_id != Some(tenure.run) {
            continue;
        }
        // It may not have been let go yet, or may have been asked something: then this is refused, and
        // the end counts all the same.
        let _ = stage.world.start(&tenure).await;
        let id = crate::world::report_id("the last");
        let _ = stage
            .world
            .store
            .report(tenure.clone(), id, complete())
            .await;
        let end: End = exit(0);
        stage.world.end(&tenure, end).await;
    }
}

async fn mend_skills(stage: &Stage, picture: &Picture) {
    use tenure_store::edit::Mend;
    let asks = |detail: &&Detail| {
        detail.task.status != TaskStatus::Running
            && !detail.task.skills.is_empty()
            && detail.task.assignee != super::step::PROFILES[0]
    };
    for detail in picture.values().filter(asks) {
        let store = &stage.world.store;
        let mended = store.edit(
            detail.task.id,
            vec![Mend::ClearSkills],
            None,
            "ann".into(),
            None,
        );
        mended.await.unwrap();
    }
}
