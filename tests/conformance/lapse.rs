//! Between hosts time decides: what a silent host holds is taken back once its lease and the margin are
//! over, by one, and what its worker says afterwards changes nothing and is written down.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tenure_guard::{Reason, Report, Tenure};
use tenure_store::event::EventKind;
use tenure_store::lapse::{LOOK, Lapsed};
use tenure_store::life::{Ask, Outcome, TaskStatus};
use tenure_store::orphan::MARGIN;
use tenure_store::person::Wish;
use tenure_store::{DispatcherId, StoreUrl, sql};

use crate::orphan::{HOST, publish};
use crate::world::{LEASE, World, complete, exit, on_both, reason, report_id, task};

on_both!(
    a_run_is_another_hosts_to_take_when_its_lease_and_the_margin_are_over_and_no_moment_before,
    on_its_own_host_nothing_is_taken_by_time,
    of_several_that_take_a_run_back_one_does,
    who_renews_in_time_keeps_its_run,
    what_the_worker_of_a_taken_run_says_is_refused_and_written_down,
    what_was_reported_or_asked_before_counts_although_the_lease_is_over,
    what_was_never_started_is_closed_as_such_and_cannot_start_any_more,
    leases_that_are_over_again_and_again_come_to_a_bound,
    a_look_at_leases_costs_a_few_steps_of_an_index_however_many_runs_there_were,
);

const ELSEWHERE: &str = "another host";
const MOMENT: Duration = Duration::from_millis(1);

/// The lease and its margin.
const STANDS: Duration = LEASE.saturating_add(MARGIN);
/// The moment from which others may take.
const OVER: Duration = STANDS.saturating_add(MOMENT);

/// A started run of a host that is not looked from, where such a thing can be.
async fn held(world: &World) -> Option<Tenure> {
    publish(world, world.dispatcher).await;
    let tenure = world.running(task()).await;
    if world.is_shared() {
        return Some(tenure);
    }
    // A file is one host's: however long nobody renews, nothing is found.
    world.clock.advance(OVER * 100);
    let lapses = world.store.lapses(ELSEWHERE).await.unwrap();
    assert_eq!(lapses, tenure_store::lapse::Lapses::default());
    None
}

/// The one run that another host may take by now.
async fn over(world: &World) -> Lapsed {
    let mut lapses = world.store.lapses(ELSEWHERE).await.unwrap();
    assert_eq!(lapses.over.len(), 1, "{lapses:?}");
    lapses.over.remove(0)
}

async fn take(world: &World, lapsed: &Lapsed) -> Option<tenure_store::end::Ended> {
    let by = "dispatcher 2 on two".to_owned();
    world.store.take_back(lapsed, by).await.unwrap()
}

async fn a_run_is_another_hosts_to_take_when_its_lease_and_the_margin_are_over_and_no_moment_before(
    world: World,
) {
    let Some(tenure) = held(&world).await else {
        return;
    };
    let lapses = world.store.lapses(ELSEWHERE).await.unwrap();
    assert_eq!((lapses.over.len(), lapses.next), (0, Some(OVER)));
    world.clock.advance(STANDS);
    let lapses = world.store.lapses(ELSEWHERE).await.unwrap();
    assert_eq!((lapses.over.len(), lapses.next), (0, Some(MOMENT)));
    world.clock.advance(MOMENT);
    let run = over(&world).await;
    assert_eq!(run.tenure, tenure);
    let ended = take(&world, &run).await.unwrap();
    assert_eq!(
        (ended.outcome, ended.status),
        (Outcome::Reclaimed, TaskStatus::Ready)
    );
    for word in ["name", "lease is over", "dispatcher 2 on two"] {
        assert!(ended.reason.contains(word), "{}", ended.reason);
    }
    let run = world.run(tenure.run).await;
    assert!(run.tree_unverified, "nobody could look at its tree");
    let next = world.running_again().await;
    assert!(next.run > tenure.run);
    world.end(&next, exit(0)).await;
    assert_eq!(world.status(tenure.task).await, TaskStatus::Done);
    let lapses = world.store.lapses(ELSEWHERE).await.unwrap();
    assert_eq!(lapses, tenure_store::lapse::Lapses::default());
}

async fn on_its_own_host_nothing_is_taken_by_time(world: World) {
    if held(&world).await.is_none() {
        return;
    }
    let unstarted = world.claimed(task()).await.tenure;
    world.clock.advance(OVER * 100);
    // The warden's host where there is one, else the dispatcher's: here they have one name.
    let own = world.store.lapses(HOST).await.unwrap();
    assert_eq!(own, tenure_store::lapse::Lapses::default());
    let others = world.store.lapses(ELSEWHERE).await.unwrap();
    assert_eq!(others.over.len(), 2);
    assert_eq!(others.over[1].tenure, unstarted);
}

async fn of_several_that_take_a_run_back_one_does(world: World) {
    const RUNS: usize = LOOK as usize + 8;
    if held(&world).await.is_none() {
        return;
    }
    for _ in 1..RUNS {
        world.running(task()).await;
    }
    world.clock.advance(OVER);
    let mut hosts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = world.another().await;
        hosts.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let over = store.lapses(ELSEWHERE).await.unwrap().over;
                if over.is_empty() {
                    return taken;
                }
                let mut under_way = tokio::task::JoinSet::new();
                for lapsed in over {
                    let store = store.clone();
                    under_way.spawn(async move {
                        let ended = store.take_back(&lapsed, "one of four".to_owned()).await;
                        ended.unwrap().map(|_| lapsed.tenure.run)
                    });
                }
                taken.extend(under_way.join_all().await.into_iter().flatten());
            }
        });
    }
    let mut taken: Vec<_> = hosts.join_all().await.into_iter().flatten().collect();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(
        taken.len(),
        RUNS,
        "each run was taken by one, and by one only"
    );
    let ends = world.number("SELECT count(*) FROM events WHERE kind = 'ended'");
    assert_eq!(ends.await, i64::try_from(RUNS).unwrap());
}

async fn who_renews_in_time_keeps_its_run(world: World) {
    let Some(tenure) = held(&world).await else {
        return;
    };
    world.clock.advance(OVER);
    let lapsed = over(&world).await;
    // Late, but while the run is open.
    let renewed = world.store.renew(vec![tenure.clone()], LEASE).await;
    renewed.unwrap().remove(0).unwrap();
    assert_eq!(take(&world, &lapsed).await, None);
    world.clock.advance(OVER);
    assert!(take(&world, &lapsed).await.is_some());
    assert_eq!(take(&world, &lapsed).await, None, "it is closed");
    let renewed = world.store.renew(vec![tenure], LEASE).await.unwrap();
    let refused = reason(renewed.into_iter().next().unwrap());
    assert_eq!(refused, Reason::TaskNotRunning("ready".into()));
}

async fn what_the_worker_of_a_taken_run_says_is_refused_and_written_down(world: World) {
    let Some(tenure) = held(&world).await else {
        return;
    };
    world.clock.advance(OVER);
    take(&world, &over(&world).await).await.unwrap();
    let closed = world.run(tenure.run).await;
    let next = world.running_again().await;
    for _ in 0..2 {
        let late = world
            .store
            .report(tenure.clone(), report_id("late"), complete());
        assert_eq!(reason(late.await), Reason::RunMismatch);
    }
    let refused = |events: &[EventKind]| {
        let refused = |kind: &&EventKind| **kind == EventKind::ReportRefused;
        events.iter().filter(refused).count()
    };
    assert_eq!(refused(&world.events(tenure.task).await), 1, "said twice");
    for id in 0..10 {
        let id = report_id(&id.to_string());
        let fail = Report::Fail {
            reason: "too late".into(),
        };
        let late = world.store.report(tenure.clone(), id, fail).await;
        assert_eq!(reason(late), Reason::RunMismatch);
    }
    assert_eq!(refused(&world.events(tenure.task).await), 3, "bounded");
    let forged = Tenure {
        lock: next.lock.clone(),
        ..tenure.clone()
    };
    let forged = world.store.report(forged, report_id("forged"), complete());
    assert_eq!(reason(forged.await), Reason::RunMismatch);
    assert_eq!(refused(&world.events(tenure.task).await), 3);

    let late = world.end(&tenure, exit(0)).await;
    assert_eq!(late.outcome, Outcome::Reclaimed);
    let detail = world.store.show(tenure.task).await.unwrap();
    let last = detail.events.last().unwrap();
    assert_eq!(
        (last.kind.clone(), last.run_id),
        (EventKind::StaleExit.into(), Some(tenure.run))
    );
    assert_eq!(world.run(tenure.run).await, closed, "a closed run stays");
    let ended = world.end(&next, exit(0)).await;
    assert_eq!(ended.outcome, Outcome::Completed);
}

async fn what_was_reported_or_asked_before_counts_although_the_lease_is_over(world: World) {
    let Some(reported) = held(&world).await else {
        return;
    };
    let report = world
        .store
        .report(reported.clone(), report_id("1"), complete());
    report.await.unwrap();
    let asked = world.running(task()).await;
    let cancel = world
        .store
        .wish(asked.task, Wish::Cancel, "me".into(), None);
    cancel.await.unwrap();
    world.clock.advance(OVER);
    for lapsed in world.store.lapses(ELSEWHERE).await.unwrap().over {
        take(&world, &lapsed).await.unwrap();
    }
    assert_eq!(world.status(reported.task).await, TaskStatus::Done);
    assert_eq!(world.status(asked.task).await, TaskStatus::Cancelled);
    assert_eq!(world.run(asked.run).await.ask, Some(Ask::Cancel));
}

async fn what_was_never_started_is_closed_as_such_and_cannot_start_any_more(world: World) {
    if held(&world).await.is_none() {
        return;
    }
    let unstarted = world.claimed(task()).await.tenure;
    // Nobody knows the host of one whose dispatcher never said who it is.
    let unknown = DispatcherId::random();
    world
        .execute(&format!(
            "UPDATE runs SET dispatcher_id = '{unknown}' WHERE started_at IS NULL"
        ))
        .await;
    world.clock.advance(OVER);
    let lapses = world.store.lapses(HOST).await.unwrap();
    assert_eq!(lapses.over.len(), 1, "{lapses:?}");
    let ended = take(&world, &lapses.over[0]).await.unwrap();
    assert_eq!(ended.outcome, Outcome::NeverStarted);
    let late = world.start(&unstarted).await;
    assert_eq!(reason(late), Reason::TaskNotRunning("ready".into()));
}

async fn leases_that_are_over_again_and_again_come_to_a_bound(world: World) {
    let Some(first) = held(&world).await else {
        return;
    };
    for times in 1..=20 {
        world.clock.advance(OVER);
        let ended = take(&world, &over(&world).await).await.unwrap();
        if times == 20 {
            assert_eq!(ended.status, TaskStatus::Blocked);
            break;
        }
        // The back-off of what ended so in a row.
        world.clock.advance(Duration::from_hours(1));
        world.running_again().await;
    }
    let task = world.task(first.task).await;
    assert_eq!(task.failures, 0);
    let reason = task.block_reason.unwrap();
    assert!(reason.contains("max_benign"), "{reason}");
}

async fn a_look_at_leases_costs_a_few_steps_of_an_index_however_many_runs_there_were(world: World) {
    if held(&world).await.is_none() {
        return;
    }
    world
        .execute(
            "INSERT INTO runs (task_id, attempt, dispatcher_id, claim_lock, profile, limits, claimed_at,
                               lease_until, seen, outcome, reason, ended_at)
             SELECT r.task_id, n, r.dispatcher_id, 'lock ' || n, r.profile, r.limits, 0, n, '', 'lost', '', n
             FROM runs r, generate_series(2, 30000) AS n",
        )
        .await;
    world.execute("ANALYZE").await;
    let StoreUrl::Postgres(url) = &world.url else {
        return;
    };
    let statement = sql::ALL.iter().find(|one| one.name == "lapses").unwrap();
    let explain = format!(
        "EXPLAIN {}",
        statement.postgres.replace("$1", "'a'").replace("$2", "32")
    );
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(explain)).fetch_all(&mut connection);
    let plan: Vec<String> = rows.await.unwrap().iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("open_runs_by_lease"), "{plan}");
    assert!(!plan.contains("Seq Scan on runs"), "{plan}");
}
