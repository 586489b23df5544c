//! Profiles that cannot start here: held back with back-off instead of eating the queue.
//!
//! A warden that our own side cannot make says nothing about the task, and three commands in a row
//! that cannot be executed say more about this host than about the tasks. Pure: times are given.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tenure_guard::TaskId;

/// So many tasks of a profile whose command cannot be executed hold it back.
const SPAWN_FAILURES: usize = 3;

/// The first wait; it doubles each time.
const BASE: Duration = Duration::from_secs(1);

/// The longest wait: a host that was mended shall not idle for long.
const MAX: Duration = Duration::from_mins(5);

/// Which profiles are held back, and until when.
#[derive(Debug, Default)]
pub(crate) struct HoldBack {
    profiles: HashMap<String, Trouble>,
}

/// A profile's trouble since its last good start.
#[derive(Debug, Default)]
struct Trouble {
    not_executable: HashSet<TaskId>,
    times_held: u32,
    until: Option<Instant>,
}

impl HoldBack {
    /// Our own side failed to make a warden.
    pub(crate) fn own_fault(&mut self, profile: &str, now: Instant) {
        self.trouble(profile).hold(now);
    }

    /// A command could not be executed; the profile is held back where that is one too many.
    pub(crate) fn spawn_failed(&mut self, profile: &str, task: TaskId, now: Instant) {
        let trouble = self.trouble(profile);
        trouble.not_executable.insert(task);
        if trouble.not_executable.len() >= SPAWN_FAILURES {
            trouble.hold(now);
        }
    }

    fn trouble(&mut self, profile: &str) -> &mut Trouble {
        self.profiles.entry(profile.to_owned()).or_default()
    }

    /// A command ran: the profile works.
    pub(crate) fn ran(&mut self, profile: &str) {
        self.profiles.remove(profile);
    }

    /// Whether the profile may be claimed now.
    pub(crate) fn allows(&self, profile: &str, now: Instant) -> bool {
        let until = self.profiles.get(profile).and_then(|trouble| trouble.until);
        until.is_none_or(|until| until <= now)
    }

    /// When the next profile may be claimed again.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        self.profiles
            .values()
            .filter_map(|trouble| trouble.until)
            .filter(|until| *until > now)
            .min()
    }
}

impl Trouble {
    fn hold(&mut self, now: Instant) {
        let wait = BASE.saturating_mul(1 << self.times_held.min(16)).min(MAX);
        self.times_held += 1;
        self.until = Some(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_that_cannot_be_executed_does_not_hold_its_profile_back() {
        let (mut held, now) = (HoldBack::default(), Instant::now());
        for _ in 0..10 {
            held.spawn_failed("p", TaskId(1), now);
        }
        assert!(held.allows("p", now));
    }

    #[test]
    fn three_tasks_in_a_row_hold_it_back_until_one_runs() {
        let (mut held, now) = (HoldBack::default(), Instant::now());
        for task in 1..=3 {
            held.spawn_failed("p", TaskId(task), now);
        }
        assert!(!held.allows("p", now));
        assert!(held.allows("q", now));
        assert_eq!(held.next(now), Some(now + BASE));
        assert!(held.allows("p", now + BASE));
        held.ran("p");
        assert!(held.allows("p", now));
    }

    #[test]
    fn the_wait_doubles_and_has_an_end() {
        let (mut held, now) = (HoldBack::default(), Instant::now());
        let mut again = || {
            held.own_fault("p", now);
            held.next(now).map(|until| until - now)
        };
        assert_eq!(again(), Some(BASE));
        assert_eq!(again(), Some(2 * BASE));
        for _ in 0..40 {
            again();
        }
        assert_eq!(again(), Some(MAX));
    }
}
