//! What is said beforehand about ends, and what bounds a task that is blocked again and again.

use std::time::Duration;

use tenure_guard::{BlockKind, Report, TaskId};
use tenure_store::life::{Exit, LimitsLayer, OnExit, Outcome, TaskStatus};
use tenure_store::person::Wish;
use tenure_store::task::NewTask;

use crate::world::{World, exit, exited, limited, offer, on_both, report_id, task};

on_both!(
    a_rule_about_an_exit_decides_where_its_task_goes,
    a_task_takes_back_what_its_profile_says_about_an_exit,
    a_question_that_is_asked_again_and_again_comes_to_an_end,
    a_persons_block_counts_toward_nothing,
);

fn rules(said: &[(&str, &str)]) -> LimitsLayer {
    let said: std::collections::BTreeMap<String, String> = said
        .iter()
        .map(|(key, rule)| ((*key).to_owned(), (*rule).to_owned()))
        .collect();
    LimitsLayer {
        on_exit: Some(OnExit::try_from(said).unwrap()),
        ..LimitsLayer::default()
    }
}

async fn a_rule_about_an_exit_decides_where_its_task_goes(world: World) {
    let said = [
        ("2", "block:capability"),
        ("3", "defer:1h"),
        ("4", "give_up"),
        ("139", "give_up"),
        ("SIGKILL", "block:needs_input"),
    ];
    let cases = [
        (Exit::Code(2), Outcome::Blocked, Some(BlockKind::Capability)),
        (Exit::Code(3), Outcome::Deferred, None),
        (Exit::Code(4), Outcome::Failed, Some(BlockKind::GaveUp)),
        (Exit::Signal(11), Outcome::Crashed, Some(BlockKind::GaveUp)),
        (
            Exit::Signal(9),
            Outcome::Blocked,
            Some(BlockKind::NeedsInput),
        ),
        (Exit::Code(0), Outcome::Completed, None),
    ];
    for (seen, outcome, block) in cases {
        let id = world.add(limited(rules(&said))).await;
        let ended = world.run_to(exited(seen)).await;
        assert_eq!(ended.outcome, outcome, "{seen}");
        let row = world.task(id).await;
        assert_eq!(row.block_kind, block, "{seen}");
        if block.is_some() {
            assert!(ended.reason.contains("on_exit"), "{}", ended.reason);
            assert!(row.block_reason.unwrap().contains("on_exit"));
        }
        if outcome == Outcome::Deferred {
            assert_eq!((row.status, row.defers), (TaskStatus::Scheduled, 1));
            let wait = row.not_before.unwrap().as_millisecond() - world.now();
            assert_eq!(wait, 3_600_000);
        }
    }
}

async fn a_task_takes_back_what_its_profile_says_about_an_exit(world: World) {
    world.add(limited(rules(&[("2", "retry")]))).await;
    let mut wanted = world.wanted(1);
    wanted.offers = vec![offer("shell")];
    wanted.offers[0].limits = rules(&[("2", "give_up"), ("3", "give_up")]);
    let claimed = world.store.claim(wanted).await.unwrap().claimed.remove(0);
    assert_eq!(claimed.limits.on_exit.0.len(), 2);
    world.start(&claimed.tenure).await.unwrap();
    let ended = world.end(&claimed.tenure, exit(2)).await;
    assert_eq!(ended.outcome, Outcome::Failed);
    assert_ne!(ended.status, TaskStatus::Blocked);
}

async fn block(world: &World, reason: &str) -> TaskId {
    let tenure = world.running_again().await;
    let report = Report::Block {
        kind: BlockKind::NeedsInput,
        reason: reason.into(),
    };
    let id = report_id(&tenure.run.to_string());
    world
        .store
        .report(tenure.clone(), id, report)
        .await
        .unwrap();
    world.end(&tenure, exit(0)).await;
    tenure.task
}

async fn wish(world: &World, id: TaskId, wish: Wish) {
    let granted = world
        .store
        .wish(id, wish, "ann".into(), Some("go on".into()));
    granted.await.unwrap();
}

async fn a_question_that_is_asked_again_and_again_comes_to_an_end(world: World) {
    let asking = NewTask {
        limits: LimitsLayer {
            max_blocks: Some(3),
            ..LimitsLayer::default()
        },
        ..task()
    };
    let id = world.add(asking).await;
    for (question, kind) in [
        ("which one?", BlockKind::NeedsInput),
        ("are you sure?", BlockKind::NeedsInput),
        ("really?", BlockKind::GaveUp),
    ] {
        assert_eq!(block(&world, question).await, id);
        let row = world.task(id).await;
        assert_eq!(row.block_kind, Some(kind), "{question}");
        if kind == BlockKind::NeedsInput {
            wish(&world, id, Wish::Unblock).await;
        }
    }
    let reason = world.task(id).await.block_reason.unwrap();
    assert!(reason.starts_with("max_blocks = 3 reached"), "{reason}");
    for question in ["which one?", "are you sure?", "really?"] {
        assert!(reason.contains(question), "{reason}");
    }
    // What the breaker gave up begins anew once a person lets it go on.
    wish(&world, id, Wish::Unblock).await;
    assert_eq!(world.task(id).await.blocks, 0);
    block(&world, "and now?").await;
    assert_eq!(world.task(id).await.block_kind, Some(BlockKind::NeedsInput));
    wish(&world, id, Wish::Retry).await;
    assert_eq!(world.task(id).await.blocks, 0);
    world.clock.advance(Duration::from_secs(1));
    world.run_to(exit(0)).await;
    assert_eq!(world.status(id).await, TaskStatus::Done);
}

async fn a_persons_block_counts_toward_nothing(world: World) {
    let id = world.add(task()).await;
    for _ in 0..6 {
        let kind = BlockKind::Operator;
        wish(&world, id, Wish::Block { kind }).await;
        wish(&world, id, Wish::Unblock).await;
    }
    assert_eq!(world.task(id).await.blocks, 0);
    assert_eq!(world.status(id).await, TaskStatus::Ready);
}
