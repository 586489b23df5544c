//! The lease in hand, and everything that is counted from it: a pure calculation.

use std::time::Duration;

use crate::clock::BootInstant;

/// Whether others may take what is not renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// On SQLite nobody is elsewhere: nothing is taken by time.
    OneHost,
    /// On PostgreSQL another host may take a lapsed claim.
    ManyHosts,
}

/// A lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) length: Duration,
    pub(crate) reach: Reach,
    end: BootInstant,
}

impl Lease {
    pub(crate) fn new(length: Duration, reach: Reach, end: BootInstant) -> Self {
        Self { length, reach, end }
    }

    /// A renewal was granted. Words that overtook each other do not shorten it.
    pub(crate) fn renewed_until(&mut self, end: BootInstant) {
        self.end = self.end.max(end);
    }

    /// When a worker whose lease cannot be renewed gets SIGKILL: early enough to be dead at the
    /// lease's end, and before the margin that the next holder waits.
    pub(crate) fn kill_at(&self) -> Option<BootInstant> {
        match self.reach {
            Reach::OneHost => None,
            Reach::ManyHosts => Some(self.end - self.length / 12),
        }
    }

    /// When it gets SIGTERM.
    pub(crate) fn terminate_at(&self, kill_grace: Duration) -> Option<BootInstant> {
        self.kill_at()
            .map(|kill_at| kill_at - kill_grace.min(self.length / 6))
    }

    /// Whether others may hold the task by now.
    pub(crate) fn has_lapsed(&self, now: BootInstant) -> bool {
        match self.reach {
            Reach::OneHost => false,
            Reach::ManyHosts => now >= self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootInstant {
        BootInstant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn at_sixty_seconds_a_cut_off_worker_is_told_at_45_and_killed_at_55() {
        let lease = Lease::new(Duration::from_mins(1), Reach::ManyHosts, at(60));
        assert_eq!(lease.terminate_at(Duration::from_secs(10)), Some(at(45)));
        assert_eq!(lease.terminate_at(Duration::from_mins(1)), Some(at(45)));
        assert_eq!(lease.terminate_at(Duration::from_secs(1)), Some(at(54)));
        assert_eq!(lease.kill_at(), Some(at(55)));
        assert_eq!(
            (lease.has_lapsed(at(59)), lease.has_lapsed(at(60))),
            (false, true)
        );
    }

    #[test]
    fn on_one_host_time_takes_nothing() {
        let lease = Lease::new(Duration::from_mins(1), Reach::OneHost, at(60));
        assert_eq!(lease.terminate_at(Duration::from_secs(10)), None);
        assert!(!lease.has_lapsed(at(6000)));
    }

    #[test]
    fn an_older_word_does_not_shorten_a_lease() {
        let mut lease = Lease::new(Duration::from_mins(1), Reach::ManyHosts, at(60));
        lease.renewed_until(at(70));
        lease.renewed_until(at(65));
        assert!(!lease.has_lapsed(at(69)));
    }
}
