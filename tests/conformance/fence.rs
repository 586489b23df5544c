//! The fence: every write by or for a worker shows task, run and claim lock, and changes nothing
//! where one of them is another's or the run is closed.
//!
//! Each case goes through every fenced operation, so that no statement can lose a condition of its
//! fence unnoticed.

use tenure_guard::{ClaimLock, Reason, RunId, TaskId, Tenure};
use tenure_store::Error;
use tenure_store::life::{Ask, TaskStatus};

use crate::world::{LEASE, World, complete, exit, on_both, reason, report_id, start, task};

on_both!(
    a_wrong_lock_changes_nothing,
    a_wrong_run_changes_nothing,
    a_wrong_task_changes_nothing,
    a_closed_run_changes_no_more,
    a_superseded_run_cannot_touch_the_newer_one,
    a_task_that_never_was_is_missing,
);

/// Every fenced operation, by its name.
const FENCED: [&str; 9] = [
    "start",
    "note_worker",
    "renew",
    "heartbeat",
    "comment",
    "report",
    "ask",
    "end",
    "check",
];

/// Tries one operation with a tenure; it must be refused.
async fn refused(world: &World, operation: &str, tenure: &Tenure) -> Reason {
    let store = &world.store;
    let shown = tenure.clone();
    match operation {
        "start" => reason(store.start(start(tenure)).await),
        "note_worker" => reason(store.note_worker(shown, 99).await),
        "renew" => reason(store.renew(vec![shown], LEASE).await.unwrap().remove(0)),
        "heartbeat" => reason(store.heartbeat(shown, Some("stale".into())).await),
        "comment" => reason(store.comment_as_worker(shown, "stale".into()).await),
        "report" => reason(store.report(shown, report_id("stale"), complete()).await),
        "ask" => reason(
            store
                .ask_as_holder(shown, Ask::Timeout, "stale".into())
                .await,
        ),
        "end" => reason(store.end(shown, exit(1)).await),
        "check" => match store.check(tenure).await.unwrap() {
            tenure_guard::Verdict::StandDown { reason } => reason,
            tenure_guard::Verdict::Owned => panic!("owned"),
        },
        unknown => panic!("{unknown}"),
    }
}

/// Everything that a stale write could have changed.
async fn traces(world: &World) -> (i64, i64, i64, i64) {
    (
        world
            .number(
                "SELECT count(*) FROM runs WHERE pid = 99 OR note = 'stale' OR report_id = 'stale' \
                 OR ask_by = 'stale' OR ended_at IS NOT NULL",
            )
            .await,
        world.number("SELECT count(*) FROM comments").await,
        world
            .number("SELECT count(*) FROM runs WHERE started_at IS NOT NULL")
            .await,
        // What a stale worker reports is written down of its own run.
        world
            .number("SELECT count(*) FROM events WHERE kind <> 'report_refused'")
            .await,
    )
}

/// A tenure with another lock, as well-formed as the right one.
fn with_another_lock(tenure: &Tenure) -> Tenure {
    let text = tenure.lock.expose();
    let last = if text.ends_with('0') { "1" } else { "0" };
    let lock: ClaimLock = format!("{}{last}", &text[..text.len() - 1])
        .parse()
        .unwrap();
    Tenure {
        lock,
        ..tenure.clone()
    }
}

/// Two runs in every state that an operation needs: one claimed, one started.
async fn refuse_all(world: &World, make: impl Fn(&Tenure) -> Tenure, expected: &Reason) {
    let started = world.running(task()).await;
    let claimed = world.claimed(task()).await.tenure;
    let before = traces(world).await;
    for operation in FENCED {
        let right = if operation == "start" {
            &claimed
        } else {
            &started
        };
        let found = refused(world, operation, &make(right)).await;
        assert_eq!(&found, expected, "{operation}");
        assert_eq!(traces(world).await, before, "{operation} left a trace");
    }
    // The right ones hold as before.
    world.start(&claimed).await.unwrap();
    for tenure in [claimed, started] {
        world.store.heartbeat(tenure.clone(), None).await.unwrap();
    }
}

async fn a_wrong_lock_changes_nothing(world: World) {
    refuse_all(&world, with_another_lock, &Reason::ClaimMismatch).await;
}

async fn a_wrong_run_changes_nothing(world: World) {
    // One that never was, and one that is open, but another task's.
    let bystander = world.running(task()).await;
    for run in [RunId(bystander.run.0 + 1000), bystander.run] {
        let make = |tenure: &Tenure| Tenure {
            run,
            ..tenure.clone()
        };
        refuse_all(&world, make, &Reason::RunMismatch).await;
    }
}

async fn a_wrong_task_changes_nothing(world: World) {
    let bystander = world.running(task()).await;
    let make = |tenure: &Tenure| Tenure {
        task: bystander.task,
        ..tenure.clone()
    };
    refuse_all(&world, make, &Reason::RunMismatch).await;
}

async fn a_closed_run_changes_no_more(world: World) {
    let tenure = world.running(task()).await;
    world.end(&tenure, exit(0)).await;
    let never_started = world.claimed(task()).await.tenure;
    world
        .end(
            &never_started,
            tenure_store::life::End::NeverStarted {
                reason: "no memory".into(),
            },
        )
        .await;
    let before = traces(&world).await;
    for operation in FENCED {
        if operation == "end" {
            // Ending again is answered from what is recorded; see `end`.
            continue;
        }
        let (right, status) = if operation == "start" {
            (&never_started, "ready")
        } else {
            (&tenure, "done")
        };
        assert_eq!(
            refused(&world, operation, right).await,
            Reason::TaskNotRunning(status.into()),
            "{operation}"
        );
        assert_eq!(traces(&world).await, before, "{operation} left a trace");
    }
}

async fn a_superseded_run_cannot_touch_the_newer_one(world: World) {
    let stale = world.running(task()).await;
    let lost = tenure_store::life::End::Unseen {
        reason: "new boot".into(),
        tree_unverified: false,
    };
    assert_eq!(world.end(&stale, lost).await.status, TaskStatus::Ready);
    let newer = world.claim_one().await.tenure;
    assert_eq!(newer.task, stale.task);
    assert!(newer.run > stale.run, "a run id only rises");
    world.start(&newer).await.unwrap();
    let before = traces(&world).await;
    for operation in FENCED {
        if operation == "end" {
            continue;
        }
        // With its own lock, and even with the newer one's.
        let mixed = Tenure {
            lock: newer.lock.clone(),
            ..stale.clone()
        };
        for old in [&stale, &mixed] {
            let found = refused(&world, operation, old).await;
            assert_eq!(found, Reason::RunMismatch, "{operation}");
        }
        let impostor = Tenure {
            lock: stale.lock.clone(),
            ..newer.clone()
        };
        assert_eq!(
            refused(&world, operation, &impostor).await,
            Reason::ClaimMismatch,
            "{operation}"
        );
        assert_eq!(traces(&world).await, before, "{operation} left a trace");
    }
    let run = world.run(newer.run).await;
    assert_eq!((run.note, run.report), (None, None));
}

async fn a_task_that_never_was_is_missing(world: World) {
    let tenure = world.running(task()).await;
    let ghost = Tenure {
        task: TaskId(4711),
        ..tenure
    };
    for operation in FENCED {
        assert_eq!(
            refused(&world, operation, &ghost).await,
            Reason::TaskMissing,
            "{operation}"
        );
    }
    let nobody = world.store.comment(TaskId(4711), "me".into(), "x".into());
    assert!(matches!(nobody.await, Err(Error::NoSuchTask(_))));
}
