//! Runs of dispatchers that are gone.

use super::*;
use crate::core::adopt::Looking;

/// A core that just found this of a dispatcher before it, and what it does.
fn found(found: Found, slots: u32) -> (World, Vec<Action>) {
    let mut world = World::with(slots, false);
    world.core.looking = Looking::UnderWay;
    let orphan = Orphaned {
        run: RunId(1),
        task: TaskId(1),
        profile: "a".into(),
        found,
    };
    let actions = world.tell(Event::Orphans {
        orphans: vec![orphan],
        unproved: false,
    });
    (world, actions)
}

fn standing(ask: Option<Ask>) -> Found {
    Found::Standing { warden: 1, ask }
}

#[test]
fn nothing_is_claimed_before_it_is_known_what_others_left() {
    let mut world = World::with(1, false);
    world.core.looking = Looking::UnderWay;
    assert_eq!(claim(&world.tell(Event::Look)), None);
    let (_, actions) = found(standing(None), 1);
    assert_eq!(claim(&actions), None, "an adopted run takes a slot");
    let (_, actions) = found(standing(None), 3);
    assert_eq!(claim(&actions).map(|(room, _)| room), Some(2));
}

#[test]
fn an_adopted_warden_is_told_what_it_has_not_heard_and_nothing_twice() {
    let table = [
        (None, None, None),
        (None, Some(Ask::Timeout), None),
        (Some(Ask::Cancel), Some(Ask::Cancel), None),
        (Some(Ask::Cancel), None, Some(Ask::Cancel)),
        (Some(Ask::Cancel), Some(Ask::Silence), Some(Ask::Cancel)),
    ];
    for (ask, asked, told) in table {
        let (mut world, _) = found(standing(ask), 1);
        let actions = world.tell(Event::TakenUp {
            run: RunId(1),
            asked,
        });
        let said = actions.iter().find_map(|action| {
            let Action::End(_, ask) = action else {
                return None;
            };
            Some(*ask)
        });
        assert_eq!(said, told, "{ask:?} {asked:?}");
        let again = world.tell(Event::Asks(
            ask.map(|ask| (RunId(1), ask)).into_iter().collect(),
        ));
        assert!(again.is_empty(), "{again:?}");
    }
}

#[test]
fn who_is_told_to_end_before_it_found_anything_adopts_ends_and_finishes() {
    let mut world = World::with(1, false);
    world.core.looking = Looking::UnderWay;
    let actions = world.tell(Event::Control(Control::Terminate));
    assert!(actions.is_empty(), "{actions:?}");
    let orphan = Orphaned {
        run: RunId(1),
        task: TaskId(1),
        profile: "a".into(),
        found: standing(None),
    };
    let orphans = Event::Orphans {
        orphans: vec![orphan],
        unproved: false,
    };
    assert!(claim(&world.tell(orphans)).is_none());
    let actions = world.tell(Event::TakenUp {
        run: RunId(1),
        asked: None,
    });
    assert!(
        matches!(actions[..], [Action::Shutdown(RunId(1))]),
        "{actions:?}"
    );
    world.tell(Event::Over {
        run: RunId(1),
        end: exited(0),
    });
    let actions = world.ended(1, Outcome::Interrupted);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Finish(_))),
        "{actions:?}"
    );
}

#[test]
fn an_adopted_warden_that_dies_is_mourned_when_its_line_is_silent_too() {
    let (mut world, _) = found(standing(None), 1);
    world.tell(Event::TakenUp {
        run: RunId(1),
        asked: None,
    });
    assert!(world.tell(Event::WardenDied { run: RunId(1) }).is_empty());
    let actions = world.tell(Event::LineClosed { run: RunId(1) });
    assert!(
        matches!(actions[..], [Action::Bury(RunId(1))]),
        "{actions:?}"
    );
}

#[test]
fn what_cannot_be_proved_yet_is_looked_at_again() {
    let mut world = World::with(1, false);
    world.core.looking = Looking::UnderWay;
    world.tell(Event::Orphans {
        orphans: Vec::new(),
        unproved: true,
    });
    world.now = world.core.wake_at();
    let looks = |actions: &[Action]| {
        actions
            .iter()
            .any(|action| matches!(action, Action::LookForOrphans))
    };
    assert!(looks(&world.tell(Event::Time)));
    world.tell(Event::Orphans {
        orphans: Vec::new(),
        unproved: false,
    });
    world.now += Duration::from_hours(1);
    assert!(!looks(&world.tell(Event::Time)), "nobody else dispatches");
}

#[test]
fn a_warden_that_does_not_answer_is_killed_only_when_everything_is_to_end() {
    let (mut world, _) = found(standing(None), 1);
    let kills = |actions: &[Action]| {
        actions
            .iter()
            .any(|action| matches!(action, Action::KillWarden(RunId(1))))
    };
    world.now += Duration::from_hours(1);
    assert!(!kills(&world.tell(Event::Time)));
    world.tell(Event::Control(Control::Terminate));
    world.now = world.core.wake_at();
    let mut killed = false;
    for _ in 0..100 {
        killed |= kills(&world.tell(Event::Time));
        world.now = world.core.wake_at();
    }
    assert!(killed);
}

#[test]
fn a_warden_that_was_told_to_end_may_take_its_time_unless_it_is_to_be_killed() {
    let killed_after = |control: Control| {
        let mut world = World::with(1, false);
        world.open(1);
        world.tell(Event::Control(Control::Terminate));
        world.tell(Event::Control(control));
        (0..100).any(|_| {
            world.now = world.core.wake_at();
            let actions = world.tell(Event::Time);
            let kill = |action: &Action| matches!(action, Action::KillWarden(RunId(1)));
            actions.iter().any(kill)
        })
    };
    assert!(!killed_after(Control::Terminate));
    assert!(killed_after(Control::Kill));
}

#[test]
fn looking_again_and_again_does_not_put_off_the_end_of_a_warden_that_does_not_answer() {
    for unproved in [true, false] {
        let mut world = World::with(1, false);
        world.core.rules.shared = true;
        world.core.rules.patience = Duration::from_secs(15);
        world.core.looking = Looking::UnderWay;
        world.tell(Event::Control(Control::Terminate));
        let orphan = Orphaned {
            run: RunId(1),
            task: TaskId(1),
            profile: "a".into(),
            found: standing(None),
        };
        let mut orphans = vec![orphan];
        let mut killed = false;
        for _ in 0..10 {
            let found = Event::Orphans {
                orphans: std::mem::take(&mut orphans),
                unproved,
            };
            world.tell(found);
            // To the next look.
            while world.core.looking != Looking::UnderWay {
                world.now = world.core.wake_at();
                let actions = world.tell(Event::Time);
                killed |= actions
                    .iter()
                    .any(|action| matches!(action, Action::KillWarden(RunId(1))));
            }
        }
        assert!(killed, "unproved: {unproved}");
    }
}
