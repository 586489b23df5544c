//! The life of a task, as pure functions: no clock, no chance, no I/O.
//!
//! Everything that decides is here, in tables that can be read: which moves are legal ([`moves`]),
//! what an end means ([`classify()`]), what it counts toward ([`streaks`]), how long to wait
//! ([`backoff`]). The SQL beside it only writes down what these say; a property test holds the two
//! together. The dispatcher and the warden supply the facts.

pub mod ask;
pub mod backoff;
pub mod classify;
pub mod exit;
pub mod limits;
pub mod link;
pub mod moves;
pub mod on_exit;
pub mod outcome;
pub mod recurrence;
pub mod status;
pub mod streaks;
pub mod trace;
pub mod word;

pub use ask::Ask;
pub use backoff::{Backoff, BackoffBy};
pub use classify::{Conclusion, End, Evidence, classify};
pub use exit::{CoreDump, Exit};
pub use limits::{Limits, LimitsLayer, Protocol, TempfailExit};
pub use link::{Awaited, LinkKind, TaskEnd, Told};
pub use moves::{IllegalMove, Move, Rest};
pub use on_exit::{ExitKey, ExitRule, OnExit};
pub use outcome::Outcome;
pub use recurrence::{CatchUp, InvalidTimes, Moment, Overlap, Passed, Recurrence, Times, Turn};
pub use status::{RunStatus, TaskStatus};
pub use streaks::{Asked, Ending, Next, Streaks};
pub use trace::{Origin, Traced, trace};
