//! The core without a process or a database: events in, actions out.

mod adopt;
mod lapse;

use std::collections::BTreeMap;

use tenure_guard::{Reason, TaskId, Tenure};
use tenure_store::claim::{Claimed, Claims};
use tenure_store::end::Ended;
use tenure_store::life::{End, Exit, Limits, LimitsLayer, Outcome, TaskStatus};
use tenure_store::start::Started;

use super::*;
use crate::event::Unstarted;

const POLL: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_secs(10);

const NO_LIMIT: Started = Started { deadline: None };

/// A core and its time, and the events that a well-behaved world would answer with.
struct World {
    core: Core,
    now: Instant,
}

impl World {
    fn with(slots: u32, one_batch: bool) -> Self {
        let now = Instant::now();
        let offers = ["a", "b"].map(|profile| Offer {
            profile: profile.to_owned(),
            skills: Vec::new(),
            limits: LimitsLayer::default(),
            max_running: None,
        });
        let rules = Rules {
            slots,
            offers: offers.into(),
            poll: POLL,
            renew_every: RENEW,
            one_batch,
            shared: false,
            lease_of_others: None,
            patience: Duration::from_secs(15),
        };
        let mut world = Self {
            core: Core::new(rules, now),
            now,
        };
        let first = world.tell(Event::Time);
        assert!(matches!(first[..], [Action::LookForOrphans]), "{first:?}");
        // No dispatcher before left anything, and nothing is ready yet.
        let second = world.tell(Event::Orphans {
            orphans: Vec::new(),
            unproved: false,
        });
        assert!(claim(&second).is_some(), "{second:?}");
        world.claimed(&[]);
        world
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.core.handle(self.now, event)
    }

    /// Answers a claim with these runs, one task each, of profile `a`.
    fn claimed(&mut self, runs: &[i64]) -> Vec<Action> {
        let claimed = runs.iter().map(|&run| claimed(run)).collect();
        self.tell(Event::Claimed(Ok(Claims {
            claimed,
            next_due: None,
            draining: false,
            asked: false,
        })))
    }

    /// Brings a run to where its command runs, under a warden whose pid is its number.
    fn open(&mut self, run: i64) {
        self.tell(Event::Look);
        self.claimed(&[run]);
        self.tell(Event::Spawned {
            run: RunId(run),
            warden: Ok(pid(run)),
        });
        let actions = self.tell(Event::Started {
            run: RunId(run),
            answer: Ok(NO_LIMIT),
        });
        assert!(matches!(actions[..], [Action::Go(..)]), "{actions:?}");
    }

    fn ended(&mut self, run: i64, outcome: Outcome) -> Vec<Action> {
        let ended = Ended {
            outcome,
            reason: String::new(),
            status: TaskStatus::Done,
            promoted: Vec::new(),
        };
        self.tell(Event::Ended {
            run: RunId(run),
            ended: Some(ended),
        })
    }
}

fn pid(run: i64) -> i32 {
    i32::try_from(run).unwrap()
}

fn claimed(run: i64) -> Claimed {
    let lock = format!("0191e6a0-0000-7000-8000-000000000001:{run:032x}");
    Claimed {
        tenure: Tenure {
            task: TaskId(run),
            run: RunId(run),
            lock: lock.parse().unwrap(),
        },
        attempt: 1,
        profile: "a".into(),
        limits: Limits::default(),
        title: "t".into(),
        body: String::new(),
        command: None,
        cwd: "/".into(),
        env: BTreeMap::new(),
    }
}

fn exited(code: i32) -> End {
    End::Exited {
        exit: Exit::Code(code),
        interrupted: false,
        stood_down: None,
        tree_unverified: false,
        oom: false,
        core: None,
    }
}

/// The claim among the actions: its room and its profiles.
fn claim(actions: &[Action]) -> Option<(u32, Vec<&str>)> {
    actions.iter().find_map(|action| {
        let Action::Claim { room, offers, .. } = action else {
            return None;
        };
        Some((
            *room,
            offers.iter().map(|offer| offer.profile.as_str()).collect(),
        ))
    })
}

fn room(actions: &[Action]) -> Option<u32> {
    claim(actions).map(|(room, _)| room)
}

fn profiles(actions: &[Action]) -> Vec<&str> {
    claim(actions)
        .map(|(_, profiles)| profiles)
        .unwrap_or_default()
}

#[test]
fn room_is_given_away_once_however_often_it_is_poked() {
    let mut world = World::with(2, false);
    assert_eq!(room(&world.tell(Event::Look)), Some(2));
    assert_eq!(room(&world.tell(Event::Look)), None);
    let actions = world.claimed(&[1]);
    assert_eq!(
        room(&actions),
        Some(1),
        "it was poked meanwhile, so it looks again"
    );
}

#[test]
fn a_full_dispatcher_claims_again_when_a_run_has_ended() {
    let mut world = World::with(1, false);
    world.open(1);
    assert_eq!(room(&world.tell(Event::Look)), None);
    let end = exited(0);
    assert!(matches!(
        world.tell(Event::Over { run: RunId(1), end })[..],
        [Action::Close(..)]
    ));
    assert_eq!(
        room(&world.tell(Event::Look)),
        None,
        "its end is not written yet"
    );
    let actions = world.ended(1, Outcome::Completed);
    assert!(matches!(actions[0], Action::Acknowledge(RunId(1))));
    assert_eq!(room(&actions), Some(1));
}

#[test]
fn the_gate_stays_shut_when_the_start_finds_the_claim_gone() {
    let mut world = World::with(1, false);
    world.tell(Event::Look);
    world.claimed(&[1]);
    world.tell(Event::Spawned {
        run: RunId(1),
        warden: Ok(1),
    });
    let answer = Err(Unstarted::NotOwner(Reason::RunMismatch));
    let actions = world.tell(Event::Started {
        run: RunId(1),
        answer,
    });
    assert!(matches!(
        actions[..],
        [Action::StandDown(RunId(1), Reason::RunMismatch)]
    ));
}

#[test]
fn a_warden_that_dies_at_the_gate_started_nothing() {
    let mut world = World::with(1, false);
    world.tell(Event::Look);
    world.claimed(&[1]);
    world.tell(Event::Reaped { pid: 1 });
    world.tell(Event::Spawned {
        run: RunId(1),
        warden: Ok(1),
    });
    let actions = world.tell(Event::Started {
        run: RunId(1),
        answer: Ok(NO_LIMIT),
    });
    assert!(
        matches!(actions[..], [Action::Close(_, End::NeverStarted { .. })]),
        "{actions:?}"
    );
}

#[test]
fn a_killed_warden_is_buried_once_its_line_has_nothing_more_to_say() {
    let mut world = World::with(1, false);
    world.open(1);
    assert!(
        world.tell(Event::Reaped { pid: 1 }).is_empty(),
        "its last words may be on the line"
    );
    let actions = world.tell(Event::LineClosed { run: RunId(1) });
    assert!(
        matches!(actions[..], [Action::Bury(RunId(1))]),
        "{actions:?}"
    );
    let unseen = End::Unseen {
        reason: "killed".into(),
        tree_unverified: true,
    };
    let actions = world.tell(Event::Buried {
        run: RunId(1),
        end: unseen.clone(),
    });
    assert!(
        matches!(&actions[..], [Action::Close(_, end)] if *end == unseen),
        "{actions:?}"
    );
}

#[test]
fn a_warden_that_handed_over_its_end_is_not_mourned() {
    let mut world = World::with(1, false);
    world.open(1);
    world.tell(Event::Over {
        run: RunId(1),
        end: exited(0),
    });
    world.ended(1, Outcome::Completed);
    assert!(world.tell(Event::LineClosed { run: RunId(1) }).is_empty());
    assert!(world.tell(Event::Reaped { pid: 1 }).is_empty());
}

#[test]
fn an_ask_is_passed_on_once() {
    let mut world = World::with(1, false);
    world.open(1);
    let asks = || Event::Asks(vec![(RunId(1), Ask::Cancel)]);
    assert!(matches!(
        world.tell(asks())[..],
        [Action::End(RunId(1), Ask::Cancel)]
    ));
    assert!(world.tell(asks()).is_empty());
}

#[test]
fn a_profile_whose_wardens_cannot_be_made_is_held_back_and_the_others_are_not() {
    let mut world = World::with(1, false);
    world.tell(Event::Look);
    world.claimed(&[1]);
    let warden = Err("no space left on device".to_owned());
    let actions = world.tell(Event::Spawned {
        run: RunId(1),
        warden,
    });
    assert!(matches!(
        actions[..],
        [
            Action::Close(_, End::NeverStarted { .. }),
            Action::TellHeld(_)
        ]
    ));
    assert_eq!(profiles(&world.ended(1, Outcome::NeverStarted)), ["b"]);
    world.claimed(&[]);
    world.now = world.core.wake_at();
    assert_eq!(profiles(&world.tell(Event::Time)), ["a", "b"]);
}

#[test]
fn a_drain_claims_nothing_and_finishes_with_the_last_run() {
    let mut world = World::with(2, false);
    world.open(1);
    assert!(world.tell(Event::Control(Control::Drain)).is_empty());
    assert_eq!(room(&world.tell(Event::Look)), None);
    world.tell(Event::Over {
        run: RunId(1),
        end: exited(0),
    });
    let actions = world.ended(1, Outcome::Completed);
    assert!(
        matches!(actions.last(), Some(Action::Finish(_))),
        "{actions:?}"
    );
}

#[test]
fn the_second_word_ends_the_runs_and_the_third_kills_them() {
    let mut world = World::with(1, false);
    world.open(1);
    world.tell(Event::Control(Control::Drain));
    let actions = world.tell(Event::Control(Control::Terminate));
    assert!(
        matches!(actions[..], [Action::Shutdown(RunId(1))]),
        "{actions:?}"
    );
    let actions = world.tell(Event::Control(Control::Kill));
    assert!(
        matches!(actions[..], [Action::Shutdown(RunId(1))]),
        "a second order means now"
    );
}

#[test]
fn a_run_whose_gate_opens_during_a_shutdown_is_ended_too() {
    let mut world = World::with(1, false);
    world.tell(Event::Look);
    world.claimed(&[1]);
    world.tell(Event::Spawned {
        run: RunId(1),
        warden: Ok(1),
    });
    assert!(world.tell(Event::Control(Control::Terminate)).is_empty());
    let actions = world.tell(Event::Started {
        run: RunId(1),
        answer: Ok(NO_LIMIT),
    });
    assert!(
        matches!(actions[..], [Action::Go(..), Action::Shutdown(_)]),
        "{actions:?}"
    );
}

#[test]
fn leases_are_renewed_while_there_are_runs_and_not_without() {
    let mut world = World::with(1, false);
    world.open(1);
    world.now += RENEW;
    let actions = world.tell(Event::Time);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Renew(runs) if *runs == [RunId(1)]))
    );
    world.tell(Event::Over {
        run: RunId(1),
        end: exited(0),
    });
    world.ended(1, Outcome::Completed);
    world.claimed(&[]);
    world.now += RENEW;
    let actions = world.tell(Event::Time);
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Renew(_)))
    );
}

#[test]
fn an_idle_dispatcher_wakes_once_a_poll_and_only_asks_whether_there_is_reason_to_claim() {
    let mut world = World::with(1, false);
    world.tell(Event::Look);
    world.claimed(&[]);
    assert_eq!(world.core.wake_at(), world.now + POLL);
    world.now += POLL;
    let actions = world.tell(Event::Time);
    assert!(
        matches!(actions[..], [Action::AskWhetherToClaim]),
        "{actions:?}"
    );
    assert_eq!(room(&world.tell(Event::MayClaim)), Some(1));
}

#[test]
fn a_batch_is_over_when_nothing_of_it_moves_by_itself() {
    let mut world = World::with(1, true);
    world.tell(Event::Look);
    let actions = world.claimed(&[]);
    assert!(matches!(actions[..], [Action::LookAhead]), "{actions:?}");
    // Something is claimed before the answer comes.
    world.open(1);
    assert!(world.tell(Event::BatchRests).is_empty());
    let mut over = World::with(1, true);
    assert!(matches!(
        over.tell(Event::BatchRests)[..],
        [Action::Finish(Finished::ForGood)]
    ));
}

#[test]
fn a_claim_whose_answer_was_lost_is_looked_for_before_the_next() {
    let mut world = World::with(1, false);
    world.tell(Event::Look);
    let lost = tenure_store::Error::Unavailable("deadline".into());
    assert!(world.tell(Event::Claimed(Err(lost))).is_empty());
    world.now = world.core.wake_at();
    let actions = world.tell(Event::Time);
    assert!(
        matches!(actions[..], [Action::Claim { recover: true, .. }]),
        "{actions:?}"
    );
}

#[test]
fn a_time_that_comes_while_every_slot_is_taken_comes_all_the_same() {
    let mut world = World::with(1, false);
    world.tell(Event::Look);
    world.tell(Event::Claimed(Ok(Claims {
        claimed: vec![claimed(1)],
        next_due: Some(Duration::from_secs(2)),
        asked: false,
        draining: false,
    })));
    let none = world.tell(Event::Look);
    assert!(claim(&none).is_none(), "{none:?}");
    assert_eq!(world.core.wake_at(), world.now + Duration::from_secs(2));
    world.now += Duration::from_secs(2);
    let actions = world.tell(Event::Time);
    assert_eq!(
        claim(&actions).map(|(room, _)| room),
        Some(0),
        "{actions:?}"
    );
    // And once only, until the next one.
    world.claimed(&[]);
    let none = world.tell(Event::Look);
    assert!(claim(&none).is_none(), "{none:?}");
}

#[test]
fn what_a_claim_asked_of_a_run_of_ours_is_read_at_once() {
    let mut world = World::with(2, false);
    world.open(1);
    world.tell(Event::Look);
    world.tell(Event::AsksRead(Vec::new()));
    let actions = world.tell(Event::Claimed(Ok(Claims {
        claimed: Vec::new(),
        next_due: None,
        asked: true,
        draining: false,
    })));
    assert!(matches!(actions[..], [Action::ReadAsks]), "{actions:?}");
}

#[test]
fn what_was_asked_is_read_once_at_a_time_however_often_something_changes() {
    let mut world = World::with(1, false);
    world.open(1);
    let reads = |actions: &[Action]| actions.iter().any(|one| matches!(one, Action::ReadAsks));
    assert!(reads(&world.tell(Event::Look)));
    assert!(!reads(&world.tell(Event::Look)));
    assert!(!reads(&world.tell(Event::Look)));
    // What came meanwhile is read after it, once.
    assert!(reads(&world.tell(Event::AsksRead(Vec::new()))));
    assert!(!reads(&world.tell(Event::AsksRead(Vec::new()))));
    assert!(reads(&world.tell(Event::Look)));
}

#[test]
fn whoever_is_asked_to_drain_by_the_store_says_so_once_and_leaves_after_its_runs() {
    let mut world = World::with(2, false);
    world.open(1);
    world.tell(Event::Look);
    let actions = world.tell(Event::Claimed(Ok(Claims {
        draining: true,
        ..Claims::default()
    })));
    assert!(
        matches!(actions[..], [Action::TellOfDraining]),
        "{actions:?}"
    );
    let again = world.tell(Event::Draining);
    assert!(again.is_empty(), "{again:?}");
    let look = world.tell(Event::Look);
    assert!(claim(&look).is_none(), "{look:?}");
    let mut idle = World::with(2, false);
    let actions = idle.tell(Event::Draining);
    assert!(
        matches!(actions[..], [Action::TellOfDraining, Action::Finish(_)]),
        "{actions:?}"
    );
}

#[test]
fn whoever_is_to_hand_its_place_on_claims_nothing_more_and_goes_once_the_store_let_it() {
    let mut world = World::with(2, false);
    world.open(1);
    let actions = world.tell(Event::HandOn);
    assert!(matches!(actions[..], [Action::SignOff]), "{actions:?}");
    assert!(claim(&world.tell(Event::Look)).is_none());
    let actions = world.tell(Event::SignedOff(Ok(true)));
    assert!(
        matches!(actions[..], [Action::Finish(Finished::ForTheNext)]),
        "{actions:?}"
    );
}

#[test]
fn whoever_was_asked_to_leave_keeps_its_place_until_it_does() {
    let mut world = World::with(2, false);
    world.open(1);
    world.tell(Event::HandOn);
    // The store knew of a drain that was not heard here yet.
    let actions = world.tell(Event::SignedOff(Ok(false)));
    assert!(
        matches!(actions[..], [Action::TellOfDraining, Action::KeepPlace(_)]),
        "{actions:?}"
    );
    let actions = world.tell(Event::HandOn);
    assert!(matches!(actions[..], [Action::KeepPlace(_)]), "{actions:?}");
}

#[test]
fn whoever_is_shut_out_by_a_newer_version_finishes_and_ends_nothing_of_its_runs() {
    let outgrown = || tenure_store::Error::Outgrown {
        found: 9,
        compatible_from: 9,
        known: 4,
    };
    let mut world = World::with(2, false);
    world.open(1);
    let actions = world.tell(Event::Outgrown(outgrown()));
    assert!(matches!(actions[..], [Action::GiveUp(_)]), "{actions:?}");
    let mut idle = World::with(2, false);
    idle.tell(Event::Look);
    let actions = idle.tell(Event::Claimed(Err(outgrown())));
    assert!(matches!(actions[..], [Action::GiveUp(_)]), "{actions:?}");
}

#[test]
fn whoever_cannot_sign_off_goes_on_as_before() {
    let mut world = World::with(2, false);
    world.tell(Event::HandOn);
    let away = tenure_store::Error::Unavailable("deadline".into());
    let actions = world.tell(Event::SignedOff(Err(away)));
    assert!(
        matches!(
            actions[..],
            [Action::Publish, Action::KeepPlace(_), Action::Claim { .. }]
        ),
        "{actions:?}"
    );
}
