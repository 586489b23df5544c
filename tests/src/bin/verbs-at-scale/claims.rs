//! How many claims a second there are on a store of many tasks, beside those on one of few.

use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;
use tenure_store::DispatcherId;
use tenure_store::claim::{Offer, Wanted};
use tenure_store::life::LimitsLayer;
use tenure_store::task::SHELL;
use tenure_tests::Home;
use tenure_tests::flags::Flags;
use tenure_tests::home::OpenStore;

use crate::bulk::Bulk;

/// So many are claimed in one transaction at most, as by a dispatcher of eight slots.
const AT_ONCE: u32 = 8;

pub(crate) fn measure(home: &Home, flags: &Flags) {
    let (claims, tasks) = (flags.get("claims"), flags.get("tasks"));
    let mut bulk = Bulk::of(home);
    let open = home.store();
    bulk.ready(claims);
    bulk.settle();
    let few = a_second(&open, claims);
    bulk.ready(tasks);
    bulk.unfinished(tasks / 10);
    bulk.finish(10 * tasks, 1);
    bulk.settle();
    let many = a_second(&open, claims);
    println!(
        "claims: {claims} where only those are ready, and {claims} where {tasks} more are and {} are finished",
        10 * tasks,
    );
    println!("{:<32} {:>8} {:>8} {:>6}", "", "few", "many", "ratio");
    for (what, few, many) in [
        ("claims a second", few.all, many.all),
        ("claims a second of a core", few.core, many.core),
    ] {
        println!("{what:<32} {few:>8.0} {many:>8.0} {:>6.2}", many / few);
    }
    println!();
}

/// How many claims there were a second, and a second for which this process had a core.
struct Rate {
    all: f64,
    core: f64,
}

/// Claims so many, by a dispatcher of these tasks' profile and of two others.
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
    let (mut taken, began, core) = (0, Instant::now(), super::core(UsageWho::RUSAGE_SELF));
    while taken < claims {
        let made = open.wait(open.store.claim(wanted.clone()));
        let made = made.expect("a claim is answered").claimed.len();
        assert!(made > 0, "only {taken} of {claims} could be claimed");
        taken += u64::try_from(made).unwrap_or(u64::MAX);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody counts so many that a digit is lost"
    )]
    let taken = taken as f64;
    let core = super::core(UsageWho::RUSAGE_SELF) - core;
    Rate {
        all: taken / began.elapsed().as_secs_f64(),
        core: taken * 1000.0 / core,
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
