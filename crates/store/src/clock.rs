//! Whose clock: the database's, or a test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// What time the store believes it is. One clock per store, so that hosts need not agree.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The database tells the time.
    #[default]
    Database,
    /// A test tells the time, in milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still until it is told otherwise, beginning somewhere in 2026.
    pub fn manual() -> Self {
        Self::Manual(Arc::new(AtomicI64::new(1_790_000_000_000)))
    }

    /// Moves a manual clock on; the database's clock is nobody's to move.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(millis) = self {
            millis.fetch_add(crate::clock::millis(by), Ordering::SeqCst);
        }
    }

    /// The time, where it is not the database that tells it.
    pub(crate) fn told(&self) -> Option<i64> {
        match self {
            Self::Database => None,
            Self::Manual(millis) => Some(millis.load(Ordering::SeqCst)),
        }
    }
}

/// A duration as the store writes it; centuries are as good as for ever.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// A time as the store writes it, as the rest of the world does.
pub(crate) fn timestamp(millis: i64) -> Result<jiff::Timestamp, crate::Error> {
    jiff::Timestamp::from_millisecond(millis)
        .map_err(|error| crate::Error::Unreadable(error.to_string()))
}
