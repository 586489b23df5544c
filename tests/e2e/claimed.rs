//! A claim that no dispatcher made, and the warden by hand that stands over its worker.

use std::process::Command;
use std::time::Duration;

use tenure_guard::{Tenure, env};
use tenure_store::DispatcherId;
use tenure_store::claim::{Claimed, Offer, Wanted};
use tenure_store::end::Ended;
use tenure_store::life::{End, LimitsLayer};
use tenure_store::person::Wish;
use tenure_tests::Home;
use tenure_tests::home::OpenStore;

/// Claims the one task that is ready.
#[track_caller]
pub fn claim(open: &OpenStore) -> Claimed {
    claim_as(open, DispatcherId::random(), Duration::from_mins(1))
}

/// The same in the name of a dispatcher, for so long.
#[track_caller]
pub fn claim_as(open: &OpenStore, dispatcher: DispatcherId, lease: Duration) -> Claimed {
    claim_one(open, dispatcher, lease).expect("a task is ready")
}

/// The first task that is ready, where any is.
#[track_caller]
pub fn claim_if_any(open: &OpenStore) -> Option<Claimed> {
    claim_one(open, DispatcherId::random(), Duration::from_mins(1))
}

fn claim_one(open: &OpenStore, dispatcher: DispatcherId, lease: Duration) -> Option<Claimed> {
    let wanted = Wanted {
        dispatcher,
        room: 1,
        offers: vec![Offer {
            profile: tenure_store::task::SHELL.to_owned(),
            skills: Vec::new(),
            limits: LimitsLayer::default(),
            max_running: None,
        }],
        labels: Vec::new(),
        batch: None,
        lease,
    };
    let claims = open.wait(open.store.claim(wanted)).unwrap();
    claims.claimed.into_iter().next()
}

/// Takes a claim back as a person would, and closes its run: nothing of it ever ran.
#[track_caller]
pub fn take_back(open: &OpenStore, tenure: &Tenure) -> Ended {
    let wish = open
        .store
        .wish(tenure.task, Wish::Reclaim, "a test".to_owned(), None);
    open.wait(wish).unwrap();
    let end = End::NeverStarted {
        reason: "taken back".to_owned(),
    };
    open.wait(open.store.end(tenure.clone(), end)).unwrap()
}

/// `tenure …` with a worker's identity in its environment, and no warden's socket.
pub fn as_worker(home: &Home, tenure: &Tenure, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command
        .env(env::CONTRACT, env::CONTRACT_VERSION)
        .env(env::TASK_ID, tenure.task.to_string())
        .env(env::RUN_ID, tenure.run.to_string())
        .env(env::CLAIM_LOCK, tenure.lock.expose());
    command
}

/// `tenure guard exec` over the fixture worker, taking these steps.
pub fn exec(home: &Home, tenure: &Tenure, steps: &[&str]) -> Command {
    let worker = tenure_tests::program::worker().display().to_string();
    let mut arguments = vec!["guard", "exec", "--", worker.as_str()];
    arguments.extend(steps);
    as_worker(home, tenure, &arguments)
}
