//! What a worker's exit code means to its dispatcher.

/// The work is done. Under protocol `report` this alone is a protocol violation.
pub const DONE: i32 = 0;
/// Try again later: a quota or a rate limit (`EX_TEMPFAIL` of `sysexits.h`).
pub const TRY_LATER: i32 = 75;
/// The worker was told that the task is not its own any more, and did nothing.
pub const NOT_OWNER: i32 = 79;
