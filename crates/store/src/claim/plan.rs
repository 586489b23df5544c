//! What a claim decides, without a store: how many tasks each lane gives, by the places of those that
//! wait and by what runs already.

use std::collections::HashMap;

use serde::Serialize;

use super::Offer;
use crate::lane::Lane;

/// A lane of an offer in which something waits, with the best that waits there.
pub(super) struct Waiting<'a> {
    pub(super) offer: &'a Offer,
    pub(super) lane: Lane,
    /// The lane as the store writes it.
    pub(super) text: String,
    /// The best first: where it stands in the order, and which task it is.
    pub(super) places: Vec<(i64, i64)>,
}

/// What a cap counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Counted {
    Profile(String),
    Key(String),
}

impl Counted {
    /// What its lock is called, after the name of this program.
    pub(super) fn lock(&self) -> String {
        match self {
            Self::Profile(profile) => format!("profile {profile}"),
            Self::Key(key) => format!("limit key {key}"),
        }
    }
}

/// How many run, of each that a cap counts; nothing is taken of what is not in it.
pub(super) type Running = HashMap<Counted, u32>;

/// How many a lane gives, and which they are while nobody else takes them.
#[derive(Serialize)]
pub(super) struct Planned<'a> {
    pub(super) profile: &'a str,
    pub(super) lane: &'a str,
    pub(super) tasks: Vec<i64>,
}

impl Waiting<'_> {
    /// What counts its tasks, each with the most that may run.
    pub(super) fn caps(&self) -> Vec<(Counted, u32)> {
        let profile = self.offer.max_running.map(|most| {
            let profile = self.offer.profile.clone();
            (Counted::Profile(profile), most)
        });
        let key = self.lane.limit_key.clone().zip(self.lane.limit);
        let key = key.map(|(key, most)| (Counted::Key(key), most));
        profile.into_iter().chain(key).collect()
    }
}

/// The tasks that each lane gives: the best places of all for which there is room, everywhere.
pub(super) fn plan(waiting: &[Waiting<'_>], mut running: Running, room: u32) -> Vec<Vec<i64>> {
    let caps: Vec<_> = waiting.iter().map(Waiting::caps).collect();
    let mut places: Vec<(i64, i64, usize)> = Vec::new();
    for (index, lane) in waiting.iter().enumerate() {
        places.extend(lane.places.iter().map(|(place, id)| (*place, *id, index)));
    }
    places.sort_unstable();
    let mut given = vec![Vec::new(); waiting.len()];
    let mut room = room;
    for (_, id, index) in places {
        if room == 0 {
            break;
        }
        let has_room = |(counted, most): &(Counted, u32)| {
            running.get(counted).is_some_and(|running| running < most)
        };
        if !caps[index].iter().all(has_room) {
            continue;
        }
        for (counted, _) in &caps[index] {
            *running.entry(counted.clone()).or_default() += 1;
        }
        given[index].push(id);
        room -= 1;
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::LimitsLayer;

    fn offer(profile: &str, max_running: Option<u32>) -> Offer {
        Offer {
            profile: profile.into(),
            skills: Vec::new(),
            limits: LimitsLayer::default(),
            max_running,
        }
    }

    fn waiting<'a>(offer: &'a Offer, limit: Option<(&str, u32)>, ids: &[i64]) -> Waiting<'a> {
        Waiting {
            offer,
            lane: Lane::of(&[], &[], limit),
            text: String::new(),
            places: ids.iter().map(|id| (*id, *id)).collect(),
        }
    }

    fn running(counts: &[(Counted, u32)]) -> Running {
        counts.iter().cloned().collect()
    }

    #[test]
    fn the_best_places_of_all_lanes_are_taken_as_far_as_there_is_room() {
        let (one, two) = (offer("one", None), offer("two", None));
        let lanes = [
            waiting(&one, None, &[1, 4, 5]),
            waiting(&two, None, &[2, 3, 6]),
        ];
        let given = plan(&lanes, Running::new(), 4);
        assert_eq!(given, [vec![1, 4], vec![2, 3]]);
    }

    #[test]
    fn a_full_cap_leaves_its_room_to_others_and_a_key_counts_over_all_lanes() {
        let (one, two) = (offer("one", Some(2)), offer("two", None));
        let lanes = [
            waiting(&one, None, &[1, 2, 3]),
            waiting(&two, Some(("key", 2)), &[4, 5]),
            waiting(&two, Some(("key", 3)), &[6, 7]),
            waiting(&two, None, &[8]),
        ];
        let counts = [
            (Counted::Profile("one".into()), 1),
            (Counted::Key("key".into()), 1),
        ];
        let given = plan(&lanes, running(&counts), 9);
        assert_eq!(given, [vec![1], vec![4], vec![6], vec![8]]);
    }

    #[test]
    fn what_nobody_counted_is_not_taken() {
        let one = offer("one", Some(2));
        let lanes = [waiting(&one, None, &[1])];
        assert_eq!(plan(&lanes, Running::new(), 9), [Vec::<i64>::new()]);
    }
}
