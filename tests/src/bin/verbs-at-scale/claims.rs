//! How many claims a second there are on a store of many tasks, beside those on one of few. The first one
//! finds no page at hand, and stands apart.

use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;
use tenure_store::DispatcherId;
use tenure_store::claim::{Claimed, Offer, Wanted};
use tenure_store::life::LimitsLayer;
use tenure_store::task::SHELL;
use tenure_tests::Home;
use tenure_tests::flags::Flags;
use tenure_tests::home::OpenStore;
use tokio::task::JoinSet;

use crate::bulk::{Bulk, well};

/// So many are claimed in one transaction at most, as by a dispatcher of eight slots.
const AT_ONCE: u32 = 8;

pub(crate) fn measure(home: &Home, flags: &Flags) {
    let (claims, tasks) = (flags.get("claims"), flags.get("tasks"));
    let mut bulk = Bulk::of(home);
    let open = home.store();
    bulk.ready(claims + u64::from(AT_ONCE));
    bulk.unfinished(tasks / 10);
    bulk.settle();
    let few = a_second(&open, claims);
    bulk.ready(tasks);
    bulk.finish(10 * tasks, 1);
    bulk.settle();
    let many = a_second(&open, claims);
    println!(
        "claims: {claims} where hardly more may start, and {claims} where {tasks} more are ready and {} are finished",
        10 * tasks,
    );
    println!("{:<32} {:>8} {:>8} {:>6}", "", "few", "many", "ratio");
    for (what, few, many) in [
        ("first claim, milliseconds", few.first, many.first),
        ("claims a second after it", few.all, many.all),
        ("claims a second of a core", few.core, many.core),
    ] {
        println!("{what:<32} {few:>8.1} {many:>8.1} {:>6.2}", many / few);
    }
    println!();
}

/// How long the first transaction took, for which nothing is at hand; and how many claims there were a
/// second after it, and a second for which this process had a core.
struct Rate {
    first: f64,
    all: f64,
    core: f64,
}

/// Claims so many, by a dispatcher of these tasks' profile and of two others. What it claimed ends before it
/// claims again, which is not counted.
fn a_second(open: &OpenStore, claims: u64) -> Rate {
    let wanted = Wanted {
        dispatcher: DispatcherId::random(),
        labels: Vec::new(),
        room: AT_ONCE,
        offers: vec![
            offer(SHELL, None),
            offer("capped", Some(0)),
            offer("plain", None),
        ],
        batch: None,
        lease: Duration::from_hours(1),
    };
    let (mut taken, mut first, mut all, mut core) = (0_u32, None, 0.0, 0.0);
    while u64::from(taken) < claims {
        let (began, had) = (Instant::now(), super::core(UsageWho::RUSAGE_SELF));
        let made = open.wait(open.store.claim(wanted.clone()));
        let took = super::millis(began.elapsed());
        let made = made.expect("a claim is answered").claimed;
        assert!(
            !made.is_empty(),
            "only {taken} of {claims} could be claimed"
        );
        if first.is_none() {
            first = Some(took);
        } else {
            all += took;
            core += super::core(UsageWho::RUSAGE_SELF) - had;
            taken += u32::try_from(made.len()).unwrap_or(u32::MAX);
        }
        open.wait(end(open, made));
    }
    Rate {
        first: first.unwrap_or_default(),
        all: f64::from(taken) * 1000.0 / all,
        core: f64::from(taken) * 1000.0 / core,
    }
}

async fn end(open: &OpenStore, made: Vec<Claimed>) {
    let ending: JoinSet<_> = made
        .into_iter()
        .map(|claimed| {
            let store = open.store.clone();
            async move { store.end(claimed.tenure, well()).await }
        })
        .collect();
    for ended in ending.join_all().await {
        ended.expect("a run ends");
    }
}

fn offer(profile: &str, max_running: Option<u32>) -> Offer {
    Offer {
        profile: profile.into(),
        skills: Vec::new(),
        limits: LimitsLayer::default(),
        max_running,
    }
}
