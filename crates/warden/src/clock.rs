//! The boot clock: the same for every process of a host, and it goes on while the host sleeps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment on this host's boot clock (`CLOCK_BOOTTIME`). Worth nothing on another host or after
/// another boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootInstant {
    nanos: u64,
}

impl BootInstant {
    /// The moment of the boot.
    pub const ZERO: Self = Self { nanos: 0 };

    /// This moment.
    pub fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
        Self {
            nanos: seconds.saturating_mul(1_000_000_000).saturating_add(nanos),
        }
    }

    /// For a timer; never the zero that would switch one off.
    pub(crate) fn timespec(self) -> rustix::time::Timespec {
        let nanos = self.nanos.max(1);
        rustix::time::Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or_default(),
        }
    }

    /// How long until then; zero where it is past.
    pub fn remaining(self) -> Duration {
        self.since(Self::now())
    }

    /// How long after `earlier` it is; zero where it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }
}

impl std::ops::Add<Duration> for BootInstant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            nanos: self.nanos.saturating_add(nanos),
        }
    }
}

impl std::ops::Sub<Duration> for BootInstant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            nanos: self.nanos.saturating_sub(nanos),
        }
    }
}
