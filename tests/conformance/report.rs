//! Reports and asks: the first report stands, the first ask of a person stands, and which of the
//! two came first decides.

use tenure_guard::{BlockKind, Reason, Report};
use tenure_store::Error;
use tenure_store::event::EventKind;
use tenure_store::life::{Ask, Outcome, RunStatus, TaskStatus};
use tenure_store::person::{Granted, Wish};

use crate::world::{World, complete, exit, on_both, reason, report_id, reporting};

on_both!(
    the_first_report_stands_and_the_same_again_is_well,
    a_report_is_well_again_after_the_run_closed,
    a_report_only_records,
    a_report_after_a_cancel_is_refused_and_one_before_it_stands,
    every_ask_of_a_person_refuses_reports_and_no_other_does,
    the_first_ask_of_a_person_stands,
    an_ask_of_a_person_replaces_one_of_a_limit_and_not_the_other_way,
    a_holder_cannot_ask_what_is_a_persons,
    a_report_that_a_worker_may_not_make_is_invalid,
);

async fn the_first_report_stands_and_the_same_again_is_well(world: World) {
    let tenure = world.running(reporting()).await;
    let report =
        |id: &str, report: Report| world.store.report(tenure.clone(), report_id(id), report);
    report("a", complete()).await.unwrap();
    report("a", complete()).await.unwrap();
    let other = report(
        "b",
        Report::Fail {
            reason: "no".into(),
        },
    )
    .await;
    match other {
        Err(Error::AlreadyReported { run, standing }) => {
            assert_eq!((run, standing.as_str()), (tenure.run, "complete"));
        }
        other => panic!("{other:?}"),
    }
    let run = world.run(tenure.run).await;
    assert_eq!(run.report.unwrap()["complete"]["summary"], "well");
    let reported = world.events(tenure.task).await;
    let reported = reported.iter().filter(|kind| **kind == EventKind::Reported);
    assert_eq!(reported.count(), 1);
}

async fn a_report_is_well_again_after_the_run_closed(world: World) {
    let tenure = world.running(reporting()).await;
    let again = || {
        world
            .store
            .report(tenure.clone(), report_id("a"), complete())
    };
    again().await.unwrap();
    world.end(&tenure, exit(0)).await;
    again().await.unwrap();
    let late = world
        .store
        .report(tenure.clone(), report_id("b"), complete());
    assert_eq!(reason(late.await), Reason::TaskNotRunning("done".into()));
}

async fn a_report_only_records(world: World) {
    let tenure = world.running(reporting()).await;
    let report = world
        .store
        .report(tenure.clone(), report_id("a"), complete());
    report.await.unwrap();
    assert_eq!(world.status(tenure.task).await, TaskStatus::Running);
    let run = world.run(tenure.run).await;
    assert_eq!((run.status, run.outcome), (RunStatus::Ending, None));
    assert!(world.claim_all(world.wanted(5)).await.is_empty());
}

async fn a_report_after_a_cancel_is_refused_and_one_before_it_stands(world: World) {
    let tenure = world.running(reporting()).await;
    let cancel = world
        .store
        .wish(tenure.task, Wish::Cancel, "me".into(), None);
    cancel.await.unwrap();
    let late = world
        .store
        .report(tenure.clone(), report_id("a"), complete());
    assert_eq!(reason(late.await), Reason::Ending("cancel".into()));
    let ended = world.end(&tenure, exit(0)).await;
    assert_eq!(
        (ended.outcome, ended.status),
        (Outcome::Cancelled, TaskStatus::Cancelled)
    );

    let tenure = world.running(reporting()).await;
    let report = world
        .store
        .report(tenure.clone(), report_id("b"), complete());
    report.await.unwrap();
    let cancel = world
        .store
        .wish(tenure.task, Wish::Cancel, "me".into(), None);
    match cancel.await {
        Err(Error::Refused { why, .. }) => {
            assert!(
                why.contains("reported complete already; it is ending"),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
    let ended = world.end(&tenure, exit(1)).await;
    assert_eq!(
        (ended.outcome, ended.status),
        (Outcome::Completed, TaskStatus::Done)
    );
}

async fn every_ask_of_a_person_refuses_reports_and_no_other_does(world: World) {
    let kind = BlockKind::Operator;
    for wish in [
        Wish::Cancel,
        Wish::Stop,
        Wish::Reclaim,
        Wish::Block { kind },
    ] {
        let tenure = world.running(reporting()).await;
        let asked = world
            .store
            .wish(tenure.task, wish, "me".into(), Some("why".into()));
        let Granted::Asked { ask, .. } = asked.await.unwrap() else {
            panic!("a running task is asked, not moved");
        };
        let late = world
            .store
            .report(tenure.clone(), report_id("a"), complete());
        assert_eq!(reason(late.await), Reason::Ending(ask.to_string()));
        assert_eq!(world.run(tenure.run).await.report, None);
        world.end(&tenure, exit(0)).await;
        let _ = world
            .store
            .wish(tenure.task, Wish::Cancel, "me".into(), None)
            .await;
    }
    for ask in [Ask::Timeout, Ask::Silence, Ask::Shutdown] {
        let tenure = world.running(reporting()).await;
        let asked = world
            .store
            .ask_as_holder(tenure.clone(), ask, "warden".into());
        asked.await.unwrap();
        let report = world
            .store
            .report(tenure.clone(), report_id("a"), complete());
        report.await.unwrap();
        assert_eq!(
            world.end(&tenure, exit(0)).await.outcome,
            Outcome::Completed
        );
    }
}

async fn the_first_ask_of_a_person_stands(world: World) {
    let tenure = world.running(reporting()).await;
    let wish = |wish: Wish| world.store.wish(tenure.task, wish, "me".into(), None);
    let first = wish(Wish::Stop).await.unwrap();
    let stands = Granted::Asked {
        run: tenure.run,
        ask: Ask::Stop,
    };
    assert_eq!(first, stands);
    assert_eq!(wish(Wish::Cancel).await.unwrap(), stands);
    let run = world.run(tenure.run).await;
    assert_eq!(
        (run.ask, run.ask_by.as_deref()),
        (Some(Ask::Stop), Some("me"))
    );
    let asked = world.events(tenure.task).await;
    let asked = asked.iter().filter(|kind| **kind == EventKind::Asked);
    assert_eq!(asked.count(), 1);
}

async fn an_ask_of_a_person_replaces_one_of_a_limit_and_not_the_other_way(world: World) {
    let tenure = world.running(reporting()).await;
    let as_holder = |ask: Ask| {
        world
            .store
            .ask_as_holder(tenure.clone(), ask, "warden".into())
    };
    as_holder(Ask::Timeout).await.unwrap();
    as_holder(Ask::Shutdown).await.unwrap();
    assert_eq!(world.run(tenure.run).await.ask, Some(Ask::Timeout));
    let cancel = world
        .store
        .wish(tenure.task, Wish::Cancel, "me".into(), None);
    cancel.await.unwrap();
    assert_eq!(world.run(tenure.run).await.ask, Some(Ask::Cancel));
    as_holder(Ask::Timeout).await.unwrap();
    assert_eq!(world.run(tenure.run).await.ask, Some(Ask::Cancel));
    let asks = world.store.asks(world.dispatcher).await.unwrap();
    assert_eq!(asks, [(tenure.run, Ask::Cancel)]);
    world.end(&tenure, exit(0)).await;
    assert_eq!(world.store.asks(world.dispatcher).await.unwrap(), []);
}

async fn a_holder_cannot_ask_what_is_a_persons(world: World) {
    let tenure = world.running(reporting()).await;
    let asked = world
        .store
        .ask_as_holder(tenure, Ask::Cancel, "warden".into());
    assert!(matches!(asked.await, Err(Error::Invalid(_))));
}

async fn a_report_that_a_worker_may_not_make_is_invalid(world: World) {
    let tenure = world.running(reporting()).await;
    let report = Report::Block {
        kind: BlockKind::GaveUp,
        reason: "mine".into(),
    };
    let refused = world
        .store
        .report(tenure.clone(), report_id("a"), report)
        .await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(world.run(tenure.run).await.report, None);
}
