//! The lifeline: what dispatcher and warden say to each other while a run lives. One JSON object a
//! line, both ways, over the socket pair that was the gate.
//!
//! A dispatcher that comes later takes it up over the warden's socket: its first line is [`Adopt`], and
//! what follows is the lifeline. A warden has one, that of the highest epoch it was shown; the one
//! before is closed, so that what an older dispatcher still says reaches nobody. Epochs are written
//! in the store before they are shown.
//!
//! End of file tells a warden that its dispatcher is gone: it goes on by itself, on the store. End
//! of file without [`Message::Ended`] tells a dispatcher that its warden follows another one (then it
//! lives), went because the run was closed without this dispatcher, or was killed.

use serde::{Deserialize, Serialize};
use tenure_guard::Tenure;
use tenure_guard::wire::{Answer, Op};
use tenure_store::life::{Ask, End};

use crate::clock::BootInstant;

/// Numbers the requests of one warden, so that answers find them.
pub type RequestId = u64;

/// The first line of a dispatcher that takes up the lifeline of a warden it did not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopt {
    /// The version of gate and lifeline.
    pub v: u32,
    /// The epoch of the adoption, as the store has it; 1 was the claim's.
    pub adopt: u64,
    /// The run, with the lock that shows the right to it.
    pub tenure: Tenure,
}

/// From the dispatcher to the warden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// The lease was renewed.
    Lease {
        /// Its end, taken before the renewal was sent to the store.
        end: BootInstant,
    },
    /// End the tree: this was asked, and is recorded. A harder ask after a softer one hastens.
    End {
        /// What was asked.
        ask: Ask,
    },
    /// What became of a request.
    Answer {
        /// Which one.
        id: RequestId,
        /// What to tell the worker.
        answer: Answer,
    },
    /// The end is durable: the warden may go.
    Acknowledged,
}

/// From the warden to the dispatcher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum Message {
    /// The lifeline was taken up; the first word to whoever did. What the former dispatcher was told
    /// or asked without an answer follows again.
    Adopted {
        /// The worker's pid, where it came to be.
        pid: Option<i32>,
        /// For what the tree is being ended already, where it is asked for or announced.
        asked: Option<Ask>,
    },
    /// The lifeline was not taken up, and this connection is over.
    NotAdopted {
        /// Why.
        reason: String,
    },
    /// The command runs.
    Started {
        /// The worker's pid.
        pid: i32,
    },
    /// A limit is reached, and the tree is being ended.
    Ask {
        /// Which: timeout or silence.
        ask: Ask,
    },
    /// The worker wants something written: heartbeat, comment or report. Checks are answered by the
    /// warden from its lease.
    Request {
        /// Numbers it.
        id: RequestId,
        /// What it wants.
        op: Op,
    },
    /// The whole tree is dead. Sent after every request was answered, and the last word.
    Ended {
        /// What was seen.
        end: End,
    },
}
