//! How a child waits for a parent.

use super::word::words;

words! {
    /// Which end of the parent a child waits for.
    pub enum LinkKind as "kind of link" {
        /// The parent is done. A parent that was given up or cancelled keeps the child waiting: it may
        /// yet be retried.
        Success = "success",
        /// The parent came to an end: done, given up, or cancelled.
        AnyEnd = "any_end",
        /// The parent was given up. Where it ends otherwise nobody wants the child any more.
        Failure = "failure",
    }
}
