//! Wardens as real processes, over real workers. The test plays the dispatcher.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod broker;
mod ends;
mod gate;
mod post;
mod tree;
