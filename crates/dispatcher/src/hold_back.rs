//! Profiles that cannot start here: held back with back-off instead of eating the queue.
//!
//! A warden that our own side cannot make says nothing about the task, and three commands in a row
//! that cannot be executed say more about this host than about the tasks. Pure: times are given.

use std::collections::{BTreeMap, HashSet};
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
    profiles: BTreeMap<String, Trouble>,
    /// Whether something of what others are told is not told yet.
    is_news: bool,
}

/// A profile's trouble since its last good start.
#[derive(Debug, Default)]
struct Trouble {
    not_executable: HashSet<TaskId>,
    times_held: u32,
    hold: Option<Hold>,
}

/// A profile that is held back, or tried again since its time.
#[derive(Clone, Debug)]
struct Hold {
    why: String,
    since: Instant,
    until: Instant,
}

/// What others are told of a profile that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldProfile {
    pub(crate) profile: String,
    pub(crate) why: String,
    pub(crate) since: Instant,
    pub(crate) until: Instant,
}

impl HoldBack {
    /// Our own side failed to make a warden.
    pub(crate) fn own_fault(&mut self, profile: &str, why: String, now: Instant) {
        self.trouble(profile).hold(why, now);
        self.is_news = true;
    }

    /// A command could not be executed; the profile is held back where that is one too many.
    pub(crate) fn spawn_failed(&mut self, profile: &str, task: TaskId, why: &str, now: Instant) {
        let trouble = self.trouble(profile);
        trouble.not_executable.insert(task);
        let tasks = trouble.not_executable.len();
        if tasks >= SPAWN_FAILURES {
            trouble.hold(
                format!("of {tasks} tasks in a row none started: {why}"),
                now,
            );
            self.is_news = true;
        }
    }

    fn trouble(&mut self, profile: &str) -> &mut Trouble {
        self.profiles.entry(profile.to_owned()).or_default()
    }

    /// A command ran: the profile works.
    pub(crate) fn ran(&mut self, profile: &str) {
        let trouble = self.profiles.remove(profile);
        self.is_news |= trouble.is_some_and(|trouble| trouble.hold.is_some());
    }

    /// What kept profiles from starting may be what was mended: all are tried again.
    pub(crate) fn forget(&mut self) {
        let troubles = std::mem::take(&mut self.profiles);
        self.is_news |= troubles.values().any(|trouble| trouble.hold.is_some());
    }

    /// All that is held back, where others have not been told of it yet.
    pub(crate) fn take_news(&mut self) -> Option<Vec<HeldProfile>> {
        std::mem::take(&mut self.is_news).then(|| self.held())
    }

    fn held(&self) -> Vec<HeldProfile> {
        let held = self.profiles.iter().filter_map(|(profile, trouble)| {
            let Hold { why, since, until } = trouble.hold.clone()?;
            Some(HeldProfile {
                profile: profile.clone(),
                why,
                since,
                until,
            })
        });
        held.collect()
    }

    /// Whether the profile may be claimed now.
    pub(crate) fn allows(&self, profile: &str, now: Instant) -> bool {
        let hold = self.profiles.get(profile).and_then(Trouble::until);
        hold.is_none_or(|until| until <= now)
    }

    /// When the next profile may be claimed again.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        self.profiles
            .values()
            .filter_map(Trouble::until)
            .filter(|until| *until > now)
            .min()
    }
}

impl Trouble {
    fn hold(&mut self, why: String, now: Instant) {
        let wait = BASE.saturating_mul(1 << self.times_held.min(16)).min(MAX);
        self.times_held += 1;
        let since = self.hold.as_ref().map_or(now, |hold| hold.since);
        let until = now + wait;
        self.hold = Some(Hold { why, since, until });
    }

    fn until(&self) -> Option<Instant> {
        self.hold.as_ref().map(|hold| hold.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_that_cannot_be_executed_does_not_hold_its_profile_back() {
        let (mut held, now) = (HoldBack::default(), Instant::now());
        for _ in 0..10 {
            held.spawn_failed("p", TaskId(1), "no such file", now);
        }
        assert!(held.allows("p", now));
    }

    #[test]
    fn three_tasks_in_a_row_hold_it_back_until_one_runs() {
        let (mut held, now) = (HoldBack::default(), Instant::now());
        for task in 1..=3 {
            held.spawn_failed("p", TaskId(task), "no such file", now);
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
            held.own_fault("p", "no memory".into(), now);
            held.next(now).map(|until| until - now)
        };
        assert_eq!(again(), Some(BASE));
        assert_eq!(again(), Some(2 * BASE));
        for _ in 0..40 {
            again();
        }
        assert_eq!(again(), Some(MAX));
    }

    #[test]
    fn others_are_told_once_of_each_change_and_from_when_it_goes_badly() {
        let (mut held, now) = (HoldBack::default(), Instant::now());
        held.spawn_failed("p", TaskId(1), "no such file", now);
        assert_eq!(held.take_news(), None);
        held.own_fault("q", "no memory".into(), now);
        held.own_fault("q", "no memory".into(), now + BASE);
        let told = HeldProfile {
            profile: "q".into(),
            why: "no memory".into(),
            since: now,
            until: now + 3 * BASE,
        };
        assert_eq!(held.take_news(), Some(vec![told]));
        assert_eq!(held.take_news(), None);
        held.ran("p");
        assert_eq!(held.take_news(), None);
        held.ran("q");
        assert_eq!(held.take_news(), Some(Vec::new()));
        held.own_fault("q", "no memory".into(), now);
        held.forget();
        assert_eq!(held.take_news(), Some(Vec::new()));
    }
}
