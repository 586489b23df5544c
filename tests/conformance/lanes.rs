//! Lanes: what runs with a limit key is counted over the whole store, what nobody may take just now
//! stands in nobody's way, and nothing waits for ever.

use std::time::Duration;

use tenure_guard::TaskId;
use tenure_store::DispatcherId;
use tenure_store::claim::Wanted;
use tenure_store::edit::Mend;
use tenure_store::life::{CatchUp, Overlap, Recurrence, TaskStatus, Times};
use tenure_store::task::{KeyLimit, NewTask, SHELL, Work};

use crate::world::{World, exit, offer, on_both, task};

on_both!(
    a_key_is_counted_over_all_profiles_and_dispatchers,
    a_key_holds_until_its_run_has_closed,
    each_task_waits_by_its_own_limit,
    a_key_holds_within_a_batch_and_beside_it,
    a_key_holds_however_many_claim_at_once,
    a_full_key_holds_up_nobody_else,
    a_skill_that_a_profile_lost_keeps_its_tasks_ready,
    a_label_that_a_task_requires_the_dispatcher_must_have,
    the_next_of_a_series_requires_the_same_labels,
    an_hour_of_waiting_is_worth_a_point_of_priority,
    what_is_paused_is_not_taken_and_makes_no_poll_busy,
);

fn keyed(limit: u32) -> NewTask {
    NewTask {
        limit_key: Some(KeyLimit {
            key: "repo:x".into(),
            limit,
        }),
        ..task()
    }
}

fn assigned(profile: &str) -> NewTask {
    NewTask {
        work: Work::Assignee(profile.into()),
        ..keyed(1)
    }
}

fn wanted_by_another(world: &World, room: u32) -> Wanted {
    Wanted {
        dispatcher: DispatcherId::random(),
        ..world.wanted(room)
    }
}

async fn a_key_is_counted_over_all_profiles_and_dispatchers(world: World) {
    let first = world.add(assigned("a")).await;
    let second = world.add(assigned("b")).await;
    let mut wanted = world.wanted(9);
    wanted.offers = vec![offer("a"), offer("b")];
    let tenure = world.store.claim(wanted.clone()).await.unwrap();
    assert_eq!(tenure.claimed.len(), 1);
    let tenure = tenure.claimed[0].tenure.clone();
    assert_eq!(tenure.task, first);
    wanted.dispatcher = DispatcherId::random();
    assert!(world.claim_all(wanted.clone()).await.is_empty());
    world.end(&tenure, exit(0)).await;
    assert_eq!(world.claim_all(wanted).await, [second]);
}

async fn a_key_holds_until_its_run_has_closed(world: World) {
    let first = world.running(keyed(1)).await;
    let second = world.add(keyed(1)).await;
    let claim = async || world.claim_all(wanted_by_another(&world, 9)).await;
    // A report or an ask ends nothing yet.
    let report = crate::world::complete();
    let id = crate::world::report_id("1");
    world.store.report(first.clone(), id, report).await.unwrap();
    assert!(claim().await.is_empty());
    // A dispatcher that takes the run over takes its place too.
    world
        .execute("UPDATE runs SET dispatcher_id = 'another', epoch = epoch + 1")
        .await;
    assert!(claim().await.is_empty());
    world.end(&first, exit(0)).await;
    assert_eq!(claim().await, [second]);
}

async fn each_task_waits_by_its_own_limit(world: World) {
    world.running(keyed(1)).await;
    let patient = world.add(keyed(1)).await;
    world.add(keyed(1)).await;
    let bold = world.add(keyed(2)).await;
    // The patient ones are older, and stand in nobody's way, however little room there is.
    assert_eq!(world.claim_all(world.wanted(1)).await, [bold]);
    assert_eq!(world.status(patient).await, TaskStatus::Ready);
}

async fn a_key_holds_within_a_batch_and_beside_it(world: World) {
    world.running(keyed(2)).await;
    let batch = world
        .store
        .submit("file", vec![keyed(2), keyed(2), task()])
        .await
        .unwrap();
    let mut wanted = wanted_by_another(&world, 9);
    wanted.batch = Some(batch.batch);
    let taken = world.claim_all(wanted).await;
    assert_eq!(taken, [batch.tasks[0].id, batch.tasks[2].id]);
}

async fn a_key_holds_however_many_claim_at_once(world: World) {
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(world.add(keyed(3)).await);
    }
    let mut claimers = Vec::new();
    for _ in 0..4 {
        let store = world.another().await;
        let wanted = wanted_by_another(&world, 2);
        claimers.push(tokio::spawn(async move {
            let mut ended = 0;
            // As many rounds as there are tasks: more than enough for one claimer alone.
            for _ in 0..24 {
                let claimed = store.claim(wanted.clone()).await.unwrap().claimed;
                for claim in claimed {
                    let end = exit(0);
                    store.end(claim.tenure, end).await.unwrap();
                    ended += 1;
                }
            }
            ended
        }));
    }
    let most = async {
        let mut most = 0;
        for _ in 0..40 {
            let running = "SELECT count(*) FROM tasks WHERE status = 'running'";
            most = world.number(running).await.max(most);
            tokio::task::yield_now().await;
        }
        most
    }
    .await;
    assert!(most <= 3, "{most} ran at once");
    let mut ended = 0;
    for claimer in claimers {
        ended += claimer.await.unwrap();
    }
    let left = world.claim_all(world.wanted(9)).await;
    assert!(left.len() <= 3);
    assert!(ended + left.len() <= ids.len(), "a task ran twice");
    assert!(ended >= 3, "only {ended} ran");
}

async fn a_full_key_holds_up_nobody_else(world: World) {
    world.running(keyed(1)).await;
    for _ in 0..20 {
        world
            .add(NewTask {
                priority: 9,
                ..keyed(1)
            })
            .await;
    }
    let other_key = NewTask {
        limit_key: Some(KeyLimit {
            key: "repo:y".into(),
            limit: 1,
        }),
        ..task()
    };
    let other = world.add(other_key).await;
    let plain = world.add(task()).await;
    assert_eq!(world.claim_all(world.wanted(2)).await, [other, plain]);
}

async fn a_skill_that_a_profile_lost_keeps_its_tasks_ready(world: World) {
    let skilled = |skills: &[&str]| NewTask {
        skills: skills.iter().map(ToString::to_string).collect(),
        ..task()
    };
    let gpu = world.add(skilled(&["gpu"])).await;
    let both = world.add(skilled(&["rust", "gpu"])).await;
    let rust = world.add(skilled(&["rust"])).await;
    let plain = world.add(task()).await;
    let mut wanted = world.wanted(9);
    wanted.offers[0].skills = vec!["rust".into()];
    assert_eq!(world.claim_all(wanted.clone()).await, [rust, plain]);
    for id in [gpu, both] {
        assert_eq!(world.status(id).await, TaskStatus::Ready);
    }
    wanted.offers[0].skills = vec!["gpu".into(), "rust".into()];
    assert_eq!(world.claim_all(wanted).await, [gpu, both]);
}

async fn an_hour_of_waiting_is_worth_a_point_of_priority(world: World) {
    let of = |priority| NewTask { priority, ..task() };
    let old = world.add(of(0)).await;
    world.clock.advance(Duration::from_hours(2));
    let ahead = world.add(of(3)).await;
    let behind = world.add(of(1)).await;
    assert_eq!(world.claim_all(world.wanted(9)).await, [ahead, old, behind]);
}

async fn what_is_paused_is_not_taken_and_makes_no_poll_busy(world: World) {
    let may_claim = async || world.store.may_claim().await.unwrap();
    let claim = async || -> Vec<TaskId> {
        let mut wanted = world.wanted(1);
        wanted.offers.push(offer("reviewer"));
        world.claim_all(wanted).await
    };
    let plain = world.add(task()).await;
    let pause = "INSERT INTO pauses VALUES ('store', 'ann', NULL, 0)";
    world.execute(pause).await;
    assert!(!may_claim().await);
    assert!(claim().await.is_empty());
    world
        .execute("UPDATE pauses SET what = 'profile:shell'")
        .await;
    assert!(!may_claim().await);
    assert!(claim().await.is_empty());
    let other = NewTask {
        work: Work::Assignee("reviewer".into()),
        ..task()
    };
    let other = world.add(other).await;
    assert!(may_claim().await);
    assert_eq!(claim().await, [other]);
    world.execute("DELETE FROM pauses").await;
    world.execute("UPDATE tasks SET paused_at = 1").await;
    assert!(!may_claim().await);
    assert!(claim().await.is_empty());
    world.execute("UPDATE tasks SET paused_at = NULL").await;
    assert!(may_claim().await);
    assert_eq!(claim().await, [plain]);
    assert_eq!(SHELL, "shell");
}

async fn a_label_that_a_task_requires_the_dispatcher_must_have(world: World) {
    let labels = |labels: &[&str]| Wanted {
        labels: labels.iter().map(ToString::to_string).collect(),
        ..world.wanted(9)
    };
    let requiring = |labels: &[&str]| NewTask {
        requires: labels.iter().map(ToString::to_string).collect(),
        ..task()
    };
    let both = world.add(requiring(&["gpu", "eu"])).await;
    let one = world.add(requiring(&["gpu"])).await;
    assert_eq!(world.task(both).await.requires, ["gpu", "eu"]);
    assert!(world.claim_all(labels(&[])).await.is_empty());
    assert!(world.claim_all(labels(&["eu"])).await.is_empty());
    assert_eq!(world.claim_all(labels(&["gpu"])).await, [one]);
    // What nobody can take stands in nobody's way.
    let plain = world.add(task()).await;
    assert_eq!(world.claim_all(labels(&[])).await, [plain]);
    assert_eq!(
        world.claim_all(labels(&["eu", "fast", "gpu"])).await,
        [both]
    );

    let cleared = world.add(requiring(&["gpu"])).await;
    let mends = vec![Mend::ClearRequires];
    let edited = world.store.edit(cleared, mends, None, "me".into(), None);
    assert_eq!(edited.await.unwrap().mended, [Mend::ClearRequires]);
    assert!(world.task(cleared).await.requires.is_empty());
    assert_eq!(world.claim_all(labels(&[])).await, [cleared]);
}

async fn the_next_of_a_series_requires_the_same_labels(world: World) {
    let minute = Duration::from_mins(1);
    let series = NewTask {
        requires: vec!["gpu".into()],
        recurrence: Some(Recurrence {
            times: Times::Every(minute),
            overlap: Overlap::Skip,
            catch_up: CatchUp::One,
        }),
        ..task()
    };
    world.add(series).await;
    world.clock.advance(minute);
    assert!(world.claim_all(world.wanted(9)).await.is_empty());
    let with_label = Wanted {
        labels: vec!["gpu".into()],
        ..world.wanted(9)
    };
    for _ in 0..3 {
        let claims = world.store.claim(with_label.clone()).await.unwrap();
        assert_eq!(claims.claimed.len(), 1);
        world.end(&claims.claimed[0].tenure, exit(0)).await;
        world.clock.advance(minute);
    }
}
