//! What silent hosts leave.

use super::*;
use crate::core::lapse::Watch;

const LEASE: Duration = Duration::from_secs(62);

/// A core that shares its store, and is looking at the leases of others.
fn watching() -> World {
    let mut world = World::with(1, false);
    world.core.rules.lease_of_others = Some(LEASE);
    world.core.watch = Watch::UnderWay;
    world
}

/// Turns the core from one wake-up to the next until it looks at leases again; after how long.
fn until_it_looks(world: &mut World) -> Duration {
    let begun = world.now;
    for _ in 0..1000 {
        world.now = world.core.wake_at();
        let actions = world.tell(Event::Time);
        let looks = |action: &Action| matches!(action, Action::TakeBackLapsed);
        if actions.iter().any(looks) {
            return world.now - begun;
        }
    }
    panic!("it never looks");
}

#[test]
fn the_earliest_end_of_a_lease_wakes_and_where_none_is_known_the_length_of_one() {
    let seconds = Duration::from_secs;
    let table = [
        (None, false, LEASE),
        (Some(seconds(7)), false, seconds(7)),
        // What is claimed meanwhile may be over before.
        (Some(LEASE * 2), false, LEASE),
        (Some(seconds(7)), true, STORE_PAUSE),
        (None, true, STORE_PAUSE),
    ];
    for (next, more, expected) in table {
        let mut world = watching();
        let back = TakenBack {
            runs: 0,
            more,
            next,
        };
        assert!(world.tell(Event::TakenBack(Some(back))).is_empty());
        assert_eq!(until_it_looks(&mut world), expected, "{back:?}");
    }
    let mut world = watching();
    world.tell(Event::TakenBack(None));
    assert_eq!(until_it_looks(&mut world), STORE_PAUSE, "no answer");
}

#[test]
fn what_was_taken_back_is_claimed_at_once() {
    let mut world = watching();
    let back = TakenBack {
        runs: 1,
        ..TakenBack::default()
    };
    let actions = world.tell(Event::TakenBack(Some(back)));
    assert_eq!(claim(&actions).map(|(room, _)| room), Some(1));
}

#[test]
fn a_look_that_is_under_way_keeps_nobody_from_finishing() {
    let mut world = watching();
    let actions = world.tell(Event::Control(Control::Terminate));
    let finishes = |action: &Action| matches!(action, Action::Finish(_));
    assert!(actions.iter().any(finishes), "{actions:?}");
}

#[test]
fn who_is_alone_with_its_store_never_looks() {
    let mut world = World::with(1, false);
    for _ in 0..100 {
        world.now = world.core.wake_at();
        let actions = world.tell(Event::Time);
        let looks = |action: &Action| matches!(action, Action::TakeBackLapsed);
        assert!(!actions.iter().any(looks), "{actions:?}");
    }
}
