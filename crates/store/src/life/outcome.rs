//! Our conclusion about a run: every way a run can end.

use super::word::words;

words! {
    /// How a run ended. Written once, in one place.
    pub enum Outcome as "outcome" {
        /// Reported complete; or protocol `exit` and exit 0.
        Completed = "completed",
        /// Reported block, or a person blocked it.
        Blocked = "blocked",
        /// Reported defer, or exit 75.
        Deferred = "deferred",
        /// Reported fail, or a non-zero code.
        Failed = "failed",
        /// A signal, and nobody told it to end.
        Crashed = "crashed",
        /// Protocol `report`, exit 0, no report.
        ProtocolViolation = "protocol_violation",
        /// Over `max_runtime`.
        TimedOut = "timed_out",
        /// No heartbeat for `heartbeat_timeout`.
        Silent = "silent",
        /// The command could not be executed.
        SpawnFailed = "spawn_failed",
        /// The claim never became a worker.
        NeverStarted = "never_started",
        /// The guard stood down before the command started.
        Stale = "stale",
        /// Taken back.
        Reclaimed = "reclaimed",
        /// Nobody could have seen the end.
        Lost = "lost",
        /// A TERM, HUP or INT to warden or dispatcher, or a shutdown, ended it.
        Interrupted = "interrupted",
        /// A person stopped it.
        Stopped = "stopped",
        /// A person cancelled it.
        Cancelled = "cancelled",
    }
}
