//! What wakes the loop: events for the core, and news that the edge must take in first.

use tenure_guard::RunId;
use tenure_warden::lifeline::Message;

use crate::act::Look;
use crate::event::Event;
use crate::spawn::Made;

/// Why the loop woke.
#[derive(Debug)]
pub(crate) enum Wake {
    /// Something for the core.
    Event(Event),
    /// A look for runs of dead dispatchers came to its end.
    Looked(Look),
    /// A spawner thread made a warden, or could not.
    Made {
        /// For which run.
        run: RunId,
        /// The warden, or what of our own side failed.
        made: Result<Made, String>,
    },
    /// A warden said something.
    Message {
        /// Of which run.
        run: RunId,
        /// What.
        message: Message,
    },
    /// A lifeline reached its end of file.
    LineClosed {
        /// Of which run.
        run: RunId,
    },
}
