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
    /// This moment.
    pub fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
        Self {
            nanos: seconds.saturating_mul(1_000_000_000).saturating_add(nanos),
        }
    }

    /// How long until then; zero where it is past.
    pub fn remaining(self) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(Self::now().nanos))
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
