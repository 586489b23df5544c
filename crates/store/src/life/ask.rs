//! What a person or a limit asked of a running run.

use super::word::words;

words! {
    /// What was asked. It is recorded once; the holder's side carries it out and the run's end
    /// decides.
    pub enum Ask as "ask" {
        /// The task is not wanted any more.
        Cancel = "cancel",
        /// End the run and keep the task from starting again.
        Stop = "stop",
        /// The task shall wait for a person.
        Block = "block",
        /// Cancel, and put the task away.
        Archive = "archive",
        /// Take the task back and leave it ready.
        Reclaim = "reclaim",
        /// `max_runtime` is over.
        Timeout = "timeout",
        /// No heartbeat for `heartbeat_timeout`.
        Silence = "silence",
        /// The dispatcher ends its workers.
        Shutdown = "shutdown",
    }
}

impl Ask {
    /// Whether the run may still report after this was asked. What a person takes away is taken
    /// away at once; a limit or a shutdown leaves the worker its last word.
    pub fn takes_reports(self) -> bool {
        match self {
            Self::Timeout | Self::Silence | Self::Shutdown => true,
            Self::Cancel | Self::Stop | Self::Block | Self::Archive | Self::Reclaim => false,
        }
    }
}
