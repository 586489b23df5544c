//! The check and the start: each reason, in the order of the contract.

use std::time::Duration;

use tenure_guard::{Reason, Verdict};
use tenure_store::life::{Ask, End, LimitsLayer, TaskStatus};
use tenure_store::person::Wish;
use tenure_store::process::ProcessId;

use crate::world::{LEASE, World, exit, limited, on_both, reason, start, task, warden};

on_both!(
    a_claim_taken_back_before_its_start_is_not_running,
    a_start_is_committed_once,
    a_start_whose_answer_was_lost_is_answered_again,
    a_start_after_its_lease_is_refused,
    a_start_after_an_ask_is_refused,
    a_renewed_claim_may_start,
    the_lease_counts_before_the_start_and_on_a_shared_store,
    a_lapsed_lease_is_renewable_while_the_run_is_open,
    an_ask_of_a_person_ends_ownership_and_one_of_a_limit_does_not,
    a_deadline_follows_the_limit_in_force,
    reasons_are_found_in_the_order_of_the_contract,
);

fn stand_down(reason: Reason) -> Verdict {
    Verdict::StandDown { reason }
}

async fn a_claim_taken_back_before_its_start_is_not_running(world: World) {
    let tenure = world.claimed(task()).await.tenure;
    let end = End::NeverStarted {
        reason: "the dispatcher died".into(),
    };
    assert_eq!(world.end(&tenure, end).await.status, TaskStatus::Ready);
    let expected = Reason::TaskNotRunning("ready".into());
    assert_eq!(
        world.store.check(&tenure).await.unwrap(),
        stand_down(expected.clone())
    );
    assert_eq!(reason(world.start(&tenure).await), expected);
}

async fn a_start_is_committed_once(world: World) {
    let tenure = world.running(task()).await;
    let mut other = start(&tenure);
    other.warden.pid += 1;
    assert_eq!(
        reason(world.store.start(other).await),
        Reason::AlreadyStarted
    );
    assert_eq!(world.run(tenure.run).await.warden_pid, Some(warden().pid));
}

async fn a_start_whose_answer_was_lost_is_answered_again(world: World) {
    let tenure = world
        .claimed(limited(LimitsLayer {
            max_runtime: Some(Duration::from_secs(90)),
            ..LimitsLayer::default()
        }))
        .await
        .tenure;
    let first = world.start(&tenure).await.unwrap();
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.start(&tenure).await.unwrap(), first);
    let changes: [fn(&mut ProcessId); 6] = [
        |process| process.host_id.push('x'),
        |process| process.boot_id.push('x'),
        |process| process.pid_namespace += 1,
        |process| process.pid += 1,
        |process| process.start_ticks += 1,
        |process| process.inode -= 1,
    ];
    for change in changes {
        let mut other = start(&tenure);
        change(&mut other.warden);
        let refused = reason(world.store.start(other).await);
        assert_eq!(refused, Reason::AlreadyStarted);
    }
    world.end(&tenure, exit(1)).await;
    let closed = reason(world.start(&tenure).await);
    assert!(matches!(closed, Reason::TaskNotRunning(_)), "{closed}");
}

async fn a_start_after_its_lease_is_refused(world: World) {
    let tenure = world.claimed(task()).await.tenure;
    world.clock.advance(LEASE);
    assert_eq!(reason(world.start(&tenure).await), Reason::LeaseExpired);
    assert_eq!(world.run(tenure.run).await.started_at, None);
}

async fn a_start_after_an_ask_is_refused(world: World) {
    for (wish, verb) in [(Wish::Cancel, "cancel"), (Wish::Reclaim, "reclaim")] {
        let tenure = world.claimed(task()).await.tenure;
        let asked = world.store.wish(tenure.task, wish, "me".into(), None);
        asked.await.unwrap();
        assert_eq!(
            reason(world.start(&tenure).await),
            Reason::Ending(verb.into())
        );
        world
            .end(
                &tenure,
                End::StoodDown {
                    reason: Reason::Ending(verb.into()),
                },
            )
            .await;
        let _ = world
            .store
            .wish(tenure.task, Wish::Cancel, "me".into(), None)
            .await;
    }
    let tenure = world.claimed(task()).await.tenure;
    let asked = world
        .store
        .ask_as_holder(tenure.clone(), Ask::Shutdown, "dispatcher".into());
    asked.await.unwrap();
    let refused = reason(world.start(&tenure).await);
    assert_eq!(refused, Reason::Ending("shutdown".into()));
    assert_eq!(world.run(tenure.run).await.started_at, None);
}

async fn a_renewed_claim_may_start(world: World) {
    let tenure = world.claimed(task()).await.tenure;
    world.clock.advance(LEASE);
    let renewed = world
        .store
        .renew(vec![tenure.clone()], LEASE)
        .await
        .unwrap();
    assert!(renewed[0].is_ok());
    world.start(&tenure).await.unwrap();
}

async fn the_lease_counts_before_the_start_and_on_a_shared_store(world: World) {
    let tenure = world.claimed(task()).await.tenure;
    assert_eq!(world.store.check(&tenure).await.unwrap(), Verdict::Owned);
    world.clock.advance(LEASE);
    let lapsed = stand_down(Reason::LeaseExpired);
    assert_eq!(world.store.check(&tenure).await.unwrap(), lapsed);

    world
        .store
        .renew(vec![tenure.clone()], LEASE)
        .await
        .unwrap();
    world.start(&tenure).await.unwrap();
    assert_eq!(world.store.check(&tenure).await.unwrap(), Verdict::Owned);
    world.clock.advance(LEASE);
    let verdict = world.store.check(&tenure).await.unwrap();
    let expected = if world.is_shared() {
        lapsed
    } else {
        Verdict::Owned
    };
    assert_eq!(verdict, expected);
}

async fn a_lapsed_lease_is_renewable_while_the_run_is_open(world: World) {
    let tenure = world.running(task()).await;
    world.clock.advance(10 * LEASE);
    let answers = world
        .store
        .renew(vec![tenure.clone()], LEASE)
        .await
        .unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(world.store.check(&tenure).await.unwrap(), Verdict::Owned);
    let gone = world.running(task()).await;
    world.end(&gone, exit(0)).await;
    let both = vec![gone, tenure];
    let answers = world.store.renew(both, LEASE).await.unwrap();
    assert!(answers[0].is_err() && answers[1].is_ok(), "{answers:?}");
}

async fn an_ask_of_a_person_ends_ownership_and_one_of_a_limit_does_not(world: World) {
    let tenure = world.running(task()).await;
    let timeout = world
        .store
        .ask_as_holder(tenure.clone(), Ask::Timeout, "warden".into());
    timeout.await.unwrap();
    assert_eq!(world.store.check(&tenure).await.unwrap(), Verdict::Owned);
    let stop = world.store.wish(tenure.task, Wish::Stop, "me".into(), None);
    stop.await.unwrap();
    assert_eq!(
        world.store.check(&tenure).await.unwrap(),
        stand_down(Reason::Ending("stop".into()))
    );
    // Signs of life and renewals are still taken: the holder's side ends it.
    world.store.heartbeat(tenure.clone(), None).await.unwrap();
    let renewed = world
        .store
        .renew(vec![tenure], LEASE)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(renewed.unwrap().ask, Some(Ask::Stop));
}

async fn a_deadline_follows_the_limit_in_force(world: World) {
    let none = world.claimed(task()).await.tenure;
    assert_eq!(world.start(&none).await.unwrap().deadline, None);
    let limits = LimitsLayer {
        max_runtime: Some(Duration::from_secs(90)),
        ..LimitsLayer::default()
    };
    let tenure = world.claimed(limited(limits)).await.tenure;
    world.clock.advance(Duration::from_secs(7));
    let deadline = world.start(&tenure).await.unwrap().deadline.unwrap();
    let run = world.run(tenure.run).await;
    assert_eq!(run.deadline_at, Some(deadline));
    let started = run.started_at.unwrap();
    assert_eq!(deadline.duration_since(started).as_secs(), 90);
    assert_eq!(started.duration_since(run.claimed_at).as_secs(), 7);
}

/// A tenure for which everything is wrong at once is refused for the first thing, then the next.
async fn reasons_are_found_in_the_order_of_the_contract(world: World) {
    let tenure = world.running(task()).await;
    let wish = world
        .store
        .wish(tenure.task, Wish::Cancel, "me".into(), None);
    wish.await.unwrap();
    world.clock.advance(2 * LEASE);
    let mut shown = tenure.clone();
    shown.run.0 += 1;
    let other = tenure.lock.expose().replace(':', ":0");
    shown.lock = other[..other.len() - 1].parse().unwrap();
    let mut other_warden = start(&shown);
    other_warden.warden.pid += 1;
    assert_eq!(
        reason(world.store.start(other_warden.clone()).await),
        Reason::RunMismatch
    );
    other_warden.tenure.run = tenure.run;
    assert_eq!(
        reason(world.store.start(other_warden.clone()).await),
        Reason::ClaimMismatch
    );
    other_warden.tenure.lock = tenure.lock.clone();
    assert_eq!(
        reason(world.store.start(other_warden.clone()).await),
        Reason::Ending("cancel".into())
    );
    let lapsed = world.running(task()).await;
    world.clock.advance(2 * LEASE);
    let mut other_warden = start(&lapsed);
    other_warden.warden.pid += 1;
    assert_eq!(
        reason(world.store.start(other_warden.clone()).await),
        Reason::LeaseExpired
    );
    world.store.renew(vec![lapsed], LEASE).await.unwrap();
    assert_eq!(
        reason(world.store.start(other_warden).await),
        Reason::AlreadyStarted
    );
}
