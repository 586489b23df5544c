//! The verbs that free what is stuck: each refuses what it must not touch, and says who and why.

use std::time::Duration;

use tenure_guard::{BlockKind, RunId, TaskId};
use tenure_store::dispatcher::Dispatcher;
use tenure_store::drain::Drained;
use tenure_store::edit::Mend;
use tenure_store::event::EventKind;
use tenure_store::life::{
    Ask, CatchUp, LimitsLayer, Outcome, Overlap, Recurrence, TaskStatus, Times,
};
use tenure_store::pause::Pausable;
use tenure_store::person::{Earnest, Granted, Wish};
use tenure_store::task::{NewTask, NotBefore, Work};
use tenure_store::{DispatcherId, Error};

use crate::dispatchers::dispatcher;
use crate::world::{World, after, complete, exit, limited, offer, on_both, report_id, task};

on_both!(
    what_is_over_begins_anew_by_a_retry,
    a_persons_completion_is_what_children_are_told,
    a_run_stands_in_the_way_of_a_completion,
    what_is_put_away_keeps_its_status_and_comes_back_by_a_retry,
    a_promotion_is_refused_while_parents_count_and_waives_them_by_force,
    a_task_goes_to_another_profile_and_a_running_one_after_its_run,
    a_command_of_its_own_is_no_profiles,
    a_tree_is_cancelled_as_a_whole_and_what_is_over_stays,
    a_dry_run_writes_nothing,
    a_mend_is_refused_while_a_run_has_the_task,
    skills_and_streaks_are_mended_and_what_is_well_is_left,
    a_claim_of_a_run_that_ended_is_cleared_and_the_run_stays_as_it_is,
    a_run_that_its_task_does_not_name_ends_alone,
    a_pause_stands_until_a_resumption_and_both_are_written,
    a_draining_dispatcher_claims_nothing,
    a_dispatcher_is_either_asked_to_leave_or_hands_its_place_on,
    a_series_goes_on_after_what_a_person_began_or_completed,
);

async fn wish(world: &World, id: TaskId, wish: Wish) -> Result<Granted, Error> {
    let reason = Some("because".to_owned());
    world.store.wish(id, wish, "ann".into(), reason).await
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, says: &str) {
    match result {
        Err(Error::Refused { why, .. }) => assert!(why.contains(says), "{why}"),
        other => panic!("a refusal was expected: {other:?}"),
    }
}

fn done_by_hand() -> Wish {
    Wish::Complete {
        summary: Some("by hand".into()),
        metadata: Some(serde_json::json!({ "pages": 3 })),
        artifacts: vec!["/tmp/report.pdf".into()],
    }
}

/// The payload of a task's newest event, which must be of this kind.
async fn told(world: &World, id: TaskId, kind: EventKind) -> serde_json::Value {
    let events = world.store.show(id).await.unwrap().events;
    let event = events.into_iter().rev().find(|event| event.kind == kind);
    let payload = event
        .unwrap_or_else(|| panic!("no event is {kind}"))
        .payload;
    assert_eq!(payload["by"], "ann", "{payload}");
    assert_eq!(payload["reason"], "because", "{payload}");
    payload
}

async fn what_is_over_begins_anew_by_a_retry(world: World) {
    let tenure = world.running(task()).await;
    world.end(&tenure, exit(0)).await;
    let done = tenure.task;
    world.clock.advance(Duration::from_hours(1));
    let granted = wish(&world, done, Wish::Retry).await.unwrap();
    assert_eq!(granted, Granted::Moved(TaskStatus::Ready));
    told(&world, done, EventKind::Retried).await;
    let row = world.task(done).await;
    assert_eq!(row.queued_at, row.since, "it queues up anew");
    let again = world.claim_one().await;
    assert_eq!((again.tenure.task, again.attempt), (done, 2));
    let first = world.run(tenure.run).await;
    let outcome = first.known_outcome();
    assert_eq!(outcome, Some(Outcome::Completed), "the run stays");
}

async fn a_persons_completion_is_what_children_are_told(world: World) {
    let parent = world.add(task()).await;
    let child = world.add(after(&[parent])).await;
    wish(&world, parent, done_by_hand()).await.unwrap();
    assert_eq!(world.status(parent).await, TaskStatus::Done);
    assert_eq!(world.status(child).await, TaskStatus::Ready);
    let payload = told(&world, parent, EventKind::Completed).await;
    assert_eq!(payload["result"]["complete"]["summary"], "by hand");
    let claimed = world.claim_one().await.tenure;
    let context = world.store.context(child, claimed.run).await.unwrap();
    assert_eq!(context.parents[0].summary.as_deref(), Some("by hand"));
    assert_eq!(context.parents[0].artifacts, ["/tmp/report.pdf"]);
    // What begins anew came to nothing yet.
    wish(&world, parent, Wish::Retry).await.unwrap();
    assert_eq!(world.task(parent).await.result, None);
}

async fn a_run_stands_in_the_way_of_a_completion(world: World) {
    let tenure = world.running(task()).await;
    refused(
        wish(&world, tenure.task, done_by_hand()).await,
        "`tenure stop 1` first",
    );
    let id = world.add(task()).await;
    wish(&world, id, Wish::Cancel).await.unwrap();
    let illegal = wish(&world, id, done_by_hand()).await;
    assert!(matches!(illegal, Err(Error::Illegal { .. })), "{illegal:?}");
}

async fn what_is_put_away_keeps_its_status_and_comes_back_by_a_retry(world: World) {
    let tenure = world.running(task()).await;
    world.end(&tenure, exit(0)).await;
    let done = tenure.task;
    let ready = world.add(task()).await;
    let blocked = world.add(task()).await;
    let kind = BlockKind::NeedsInput;
    wish(&world, blocked, Wish::Block { kind }).await.unwrap();
    for (id, status) in [
        (done, TaskStatus::Done),
        (ready, TaskStatus::Cancelled),
        (blocked, TaskStatus::Blocked),
    ] {
        let granted = wish(&world, id, Wish::Archive).await.unwrap();
        assert_eq!(granted, Granted::Moved(status));
        assert!(world.task(id).await.archived_at.is_some());
        told(&world, id, EventKind::Archived).await;
        let again = wish(&world, id, Wish::Archive).await.unwrap();
        assert_eq!(again, Granted::Already(status));
    }
    let row = world.task(blocked).await;
    assert_eq!(row.block_reason.as_deref(), Some("because"));
    wish(&world, blocked, Wish::Unblock).await.unwrap();
    wish(&world, done, Wish::Retry).await.unwrap();
    for id in [blocked, done] {
        let row = world.task(id).await;
        assert_eq!((row.status, row.archived_at), (TaskStatus::Ready, None));
    }
    let running = world.running_again().await;
    let granted = wish(&world, running.task, Wish::Archive).await.unwrap();
    let run = running.run;
    let ask = Ask::Archive;
    assert_eq!(granted, Granted::Asked { run, ask });
    world.end(&running, exit(0)).await;
    let row = world.task(running.task).await;
    assert_eq!(row.status, TaskStatus::Cancelled);
    assert!(row.archived_at.is_some());
}

async fn a_promotion_is_refused_while_parents_count_and_waives_them_by_force(world: World) {
    let later = NewTask {
        not_before: Some(NotBefore::In(Duration::from_hours(9))),
        ..task()
    };
    let parent = world.add(later.clone()).await;
    let child = world.add(after(&[parent])).await;
    let gently = Wish::Promote { force: false };
    let names = format!("task {parent} (scheduled): `tenure promote {child} --force`");
    refused(wish(&world, child, gently.clone()).await, &names);
    let granted = wish(&world, child, Wish::Promote { force: true }).await;
    assert_eq!(granted.unwrap(), Granted::Moved(TaskStatus::Ready));
    let payload = told(&world, child, EventKind::Promoted).await;
    assert_eq!(payload["waived"], serde_json::json!([parent]));
    // The parent's end takes nothing twice.
    wish(&world, parent, gently.clone()).await.unwrap();
    let tenures = [world.running_again().await, world.running_again().await];
    for tenure in tenures {
        assert_eq!(world.end(&tenure, exit(0)).await.promoted, []);
    }
    let early = world.add(later).await;
    wish(&world, early, gently.clone()).await.unwrap();
    let row = world.task(early).await;
    assert_eq!((row.status, row.not_before), (TaskStatus::Ready, None));
    assert_eq!(
        row.queued_at, row.since,
        "it does not queue up in the future"
    );
    let ready = wish(&world, early, gently).await;
    assert!(matches!(ready, Err(Error::Illegal { .. })), "{ready:?}");
}

fn for_profile(profile: &str) -> NewTask {
    NewTask::new(Work::Assignee(profile.into()), "/".into())
}

fn reassign(profile: &str, reclaim: bool) -> Wish {
    let profile = profile.to_owned();
    Wish::Reassign { profile, reclaim }
}

async fn a_task_goes_to_another_profile_and_a_running_one_after_its_run(world: World) {
    let id = world.add(for_profile("one")).await;
    let granted = wish(&world, id, reassign("two", false)).await.unwrap();
    assert_eq!(granted, Granted::Moved(TaskStatus::Ready));
    let payload = told(&world, id, EventKind::Reassigned).await;
    assert_eq!(
        (payload["was"].as_str(), payload["assignee"].as_str()),
        (Some("one"), Some("two"))
    );
    let same = wish(&world, id, reassign("two", false)).await.unwrap();
    assert_eq!(same, Granted::Already(TaskStatus::Ready));
    let mut wanted = world.wanted(1);
    wanted.offers = vec![offer("two")];
    let claims = world.store.claim(wanted).await.unwrap();
    let tenure = claims.claimed[0].tenure.clone();
    world.start(&tenure).await.unwrap();
    refused(
        wish(&world, id, reassign("three", false)).await,
        "--reclaim",
    );
    let (run, ask) = (tenure.run, Ask::Reclaim);
    for profile in ["three", "four"] {
        let granted = wish(&world, id, reassign(profile, true)).await.unwrap();
        assert_eq!(granted, Granted::Asked { run, ask });
    }
    assert_eq!(world.task(id).await.assignee, "two", "its run goes on");
    world.end(&tenure, exit(0)).await;
    let row = world.task(id).await;
    assert_eq!(
        (row.assignee.as_str(), row.status),
        ("four", TaskStatus::Ready)
    );
    told(&world, id, EventKind::Reassigned).await;
    assert_eq!(world.run(run).await.profile, "two", "who did what stays");
}

async fn a_command_of_its_own_is_no_profiles(world: World) {
    let id = world.add(task()).await;
    refused(
        wish(&world, id, reassign("one", false)).await,
        "command of its own",
    );
    let running = world.running_again().await;
    refused(
        wish(&world, id, reassign("one", true)).await,
        "command of its own",
    );
    assert_eq!(world.run(running.run).await.ask, None);
    let other = world.add(for_profile("one")).await;
    let shell = wish(&world, other, reassign("shell", false)).await;
    assert!(matches!(shell, Err(Error::Invalid(_))), "{shell:?}");
}

async fn a_tree_is_cancelled_as_a_whole_and_what_is_over_stays(world: World) {
    let over = world.running(task()).await;
    let let_go = world.add(after(&[over.task])).await;
    world.end(&over, exit(0)).await;
    let running = world.running_again().await;
    let root = running.task;
    assert_eq!(root, let_go);
    let below = world.add(after(&[root])).await;
    // What waits behind a cancelled one waits for this tree, too.
    let cancelled = world.add(after(&[below])).await;
    let behind_it = world.add(after(&[cancelled])).await;
    wish(&world, cancelled, Wish::Cancel).await.unwrap();
    let always = NewTask {
        after_any_end: after(&[below]).after,
        ..task()
    };
    let last = world.add(always).await;
    let stranger = world.add(task()).await;
    // Both of its parents end with the tree, and it must not go on between them.
    let of_two = world
        .add(NewTask {
            after_any_end: after(&[below, last]).after,
            ..task()
        })
        .await;
    let promoted = world.add(after(&[root])).await;
    let force = Wish::Promote { force: true };
    wish(&world, promoted, force).await.unwrap();
    let tree = world
        .store
        .cancel_tree(Earnest::Do, root, "ann".into(), Some("because".into()));
    let felled = tree.await.unwrap();
    let ids: Vec<TaskId> = felled.iter().map(|one| one.id).collect();
    assert_eq!(ids, [root, below, behind_it, last, of_two]);
    let (run, ask) = (running.run, Ask::Cancel);
    assert_eq!(
        *felled[0].granted.as_ref().unwrap(),
        Granted::Asked { run, ask }
    );
    for id in [below, behind_it, last, of_two] {
        assert_eq!(world.status(id).await, TaskStatus::Cancelled);
        assert_eq!(
            world.events(id).await,
            [EventKind::Added, EventKind::Cancelled]
        );
    }
    assert_eq!(world.status(over.task).await, TaskStatus::Done);
    for id in [stranger, promoted] {
        assert_eq!(world.status(id).await, TaskStatus::Ready);
    }
    world.end(&running, exit(0)).await;
    let again = world
        .store
        .cancel_tree(Earnest::Do, root, "ann".into(), None)
        .await;
    refused(again, "it is over");
    let nobody = TaskId(99);
    let none = world
        .store
        .cancel_tree(Earnest::Do, nobody, "ann".into(), None)
        .await;
    assert!(
        matches!(none, Err(Error::NoSuchTask(id)) if id == nobody),
        "{none:?}"
    );
}

async fn a_dry_run_writes_nothing(world: World) {
    let parent = world.add(task()).await;
    let child = world.add(after(&[parent])).await;
    let running = world.running_again().await;
    let store = &world.store;
    for (id, wanted, expected) in [
        (
            child,
            Wish::Promote { force: true },
            Granted::Moved(TaskStatus::Ready),
        ),
        (child, Wish::Cancel, Granted::Moved(TaskStatus::Cancelled)),
        (
            parent,
            Wish::Cancel,
            Granted::Asked {
                run: running.run,
                ask: Ask::Cancel,
            },
        ),
    ] {
        let granted = store.wish_in(Earnest::DryRun, id, wanted, "ann".into(), None);
        assert_eq!(granted.await.unwrap(), expected);
    }
    let felled = store.cancel_tree(Earnest::DryRun, parent, "ann".into(), None);
    assert_eq!(felled.await.unwrap().len(), 2);
    assert_eq!(world.status(child).await, TaskStatus::Todo);
    assert_eq!(world.run(running.run).await.ask, None);
    assert_eq!(world.events(child).await, [EventKind::Added]);
}

async fn edit(
    world: &World,
    id: TaskId,
    mends: &[Mend],
) -> Result<tenure_store::edit::Edited, Error> {
    let reason = Some("because".to_owned());
    let edit = world
        .store
        .edit(id, mends.to_vec(), None, "ann".into(), reason);
    edit.await
}

const ALL: [Mend; 3] = [Mend::ClearSkills, Mend::ResetFailures, Mend::ClearClaim];

async fn a_mend_is_refused_while_a_run_has_the_task(world: World) {
    let tenure = world.running(task()).await;
    for mend in ALL {
        refused(
            edit(&world, tenure.task, &[mend]).await,
            "is not proved dead",
        );
    }
    assert_eq!(
        world.store.open_run(tenure.task).await.unwrap(),
        Some(tenure.run)
    );
}

async fn skills_and_streaks_are_mended_and_what_is_well_is_left(world: World) {
    let id = world
        .add(NewTask {
            skills: vec!["cobol".into()],
            ..limited(LimitsLayer {
                max_failures: Some(1),
                ..LimitsLayer::default()
            })
        })
        .await;
    assert!(world.claim_all(world.wanted(9)).await.is_empty());
    let edited = edit(&world, id, &ALL).await.unwrap();
    assert_eq!(edited.mended, [Mend::ClearSkills]);
    told(&world, id, EventKind::Edited).await;
    assert!(world.task(id).await.skills.is_empty());
    world.run_to(exit(1)).await;
    let edited = edit(&world, id, &ALL).await.unwrap();
    assert_eq!(edited.mended, [Mend::ResetFailures]);
    let row = world.task(id).await;
    assert_eq!((row.failures, row.block_kind), (0, Some(BlockKind::GaveUp)));
    let events = world.events(id).await.len();
    assert_eq!(edit(&world, id, &ALL).await.unwrap().mended, []);
    assert_eq!(world.events(id).await.len(), events, "nothing changed");
}

async fn a_claim_of_a_run_that_ended_is_cleared_and_the_run_stays_as_it_is(world: World) {
    let tenure = world.running(task()).await;
    world.end(&tenure, exit(1)).await;
    let before = world.run(tenure.run).await;
    world
        .execute("UPDATE tasks SET status = 'running', not_before = NULL, current_run_id = 1")
        .await;
    refused(
        wish(&world, tenure.task, Wish::Cancel).await,
        "--clear-claim",
    );
    let edited = edit(&world, tenure.task, &[Mend::ClearClaim])
        .await
        .unwrap();
    assert_eq!(
        (edited.mended.as_slice(), edited.status),
        (&[Mend::ClearClaim][..], TaskStatus::Ready)
    );
    let row = world.task(tenure.task).await;
    assert_eq!(
        (row.status, row.current_run_id, row.failures),
        (TaskStatus::Ready, None, 1)
    );
    assert_eq!(world.run(tenure.run).await, before);
    world.running_again().await;
}

async fn a_run_that_its_task_does_not_name_ends_alone(world: World) {
    let tenure = world.running(task()).await;
    world
        .execute("UPDATE tasks SET status = 'ready', current_run_id = NULL")
        .await;
    refused(edit(&world, tenure.task, &ALL).await, "run 1 has it");
    let ended = world.end(&tenure, exit(0)).await;
    assert_eq!(
        ended.status,
        TaskStatus::Ready,
        "the task stays where it is"
    );
    let run = world.run(tenure.run).await;
    assert_eq!(run.known_outcome(), Some(Outcome::Completed));
    assert_eq!(world.running_again().await.run, RunId(2));
}

async fn a_pause_stands_until_a_resumption_and_both_are_written(world: World) {
    let id = world.add(task()).await;
    let over = world.add(task()).await;
    wish(&world, over, Wish::Cancel).await.unwrap();
    let by = || ("ann".to_owned(), Some("because".to_owned()));
    for what in [
        Pausable::Store,
        Pausable::Profile("one".into()),
        Pausable::Task(id),
    ] {
        let (who, why) = by();
        let first = world.store.pause(what.clone(), who, why).await.unwrap();
        assert!(first.changed && first.paused_at.is_some());
        world.clock.advance(Duration::from_secs(5));
        let again = world
            .store
            .pause(what.clone(), "bob".into(), None)
            .await
            .unwrap();
        assert_eq!((again.changed, again.paused_at), (false, first.paused_at));
        let (who, why) = by();
        let gone = world.store.resume(what.clone(), who, why).await.unwrap();
        assert_eq!((gone.changed, gone.paused_at), (true, first.paused_at));
        let none = world.store.resume(what, "bob".into(), None).await.unwrap();
        assert_eq!((none.changed, none.paused_at), (false, None));
    }
    told(&world, id, EventKind::Paused).await;
    told(&world, id, EventKind::Resumed).await;
    let of_all =
        "SELECT count(*) FROM events WHERE task_id IS NULL AND kind IN ('paused', 'resumed')";
    assert_eq!(world.number(of_all).await, 4);
    let what = Pausable::Task(over);
    refused(
        world.store.pause(what, "ann".into(), None).await,
        "nothing to pause",
    );
    let nobody = Pausable::Task(TaskId(99));
    let none = world.store.pause(nobody, "ann".into(), None).await;
    assert!(matches!(none, Err(Error::NoSuchTask(_))), "{none:?}");
}

async fn a_draining_dispatcher_claims_nothing(world: World) {
    let held = world.running(task()).await;
    world.add(task()).await;
    let row = Dispatcher {
        id: world.dispatcher,
        ..dispatcher(1)
    };
    world.store.publish(row).await.unwrap();
    let other = DispatcherId::random();
    assert!(!world.store.is_draining(world.dispatcher).await.unwrap());
    for expected in [Drained::Asked, Drained::AskedBefore] {
        let asked = world.store.drain(world.dispatcher, "ann".into(), None);
        assert_eq!(asked.await.unwrap(), expected);
    }
    let claims = world.store.claim(world.wanted(9)).await.unwrap();
    assert!(claims.draining && claims.claimed.is_empty());
    // What it has goes on.
    let report = world.store.report(held.clone(), report_id("1"), complete());
    report.await.unwrap();
    world.end(&held, exit(0)).await;
    assert_eq!(
        world
            .number("SELECT count(*) FROM events WHERE kind = 'draining'")
            .await,
        1
    );
    let mut wanted = world.wanted(9);
    wanted.dispatcher = other;
    let claims = world.store.claim(wanted).await.unwrap();
    assert!(
        !claims.draining && claims.claimed.len() == 1,
        "others take it"
    );
}

async fn a_dispatcher_is_either_asked_to_leave_or_hands_its_place_on(world: World) {
    let store = &world.store;
    let (asked, handed_on) = (dispatcher(1), dispatcher(2));
    for row in [&asked, &handed_on] {
        store.publish(row.clone()).await.unwrap();
    }
    let drain = |id| store.drain(id, "ann".into(), None);
    assert_eq!(drain(asked.id).await.unwrap(), Drained::Asked);
    assert!(!store.hand_on(asked.id).await.unwrap());
    // An answer that was lost is given again.
    for _ in 0..2 {
        assert!(store.hand_on(handed_on.id).await.unwrap());
    }
    assert_eq!(drain(handed_on.id).await.unwrap(), Drained::Gone);
    let events = "SELECT count(*) FROM events WHERE kind = 'draining'";
    assert_eq!(world.number(events).await, 1);
    store.retire(asked.id).await.unwrap();
    assert_eq!(drain(asked.id).await.unwrap(), Drained::AskedBefore);
}

async fn a_series_goes_on_after_what_a_person_began_or_completed(world: World) {
    let hour = jiff::SignedDuration::from_hours(1);
    let promoted = Wish::Promote { force: false };
    // What begins early keeps its time for the next one; what is done has taken it.
    for (by_hand, later) in [
        (promoted, jiff::SignedDuration::ZERO),
        (done_by_hand(), hour),
    ] {
        let first = world
            .add(NewTask {
                not_before: Some(NotBefore::In(Duration::from_hours(1))),
                recurrence: Some(Recurrence {
                    times: Times::Every(Duration::from_hours(1)),
                    overlap: Overlap::Skip,
                    catch_up: CatchUp::One,
                }),
                ..task()
            })
            .await;
        let time = world.task(first).await.not_before;
        wish(&world, first, by_hand).await.unwrap();
        let next = world.task(TaskId(first.0 + 1)).await;
        assert_eq!(
            (next.series_id, next.status),
            (Some(first), TaskStatus::Scheduled)
        );
        assert_eq!(next.not_before, time.map(|time| time + later));
    }
}
