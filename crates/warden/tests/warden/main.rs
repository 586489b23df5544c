//! Wardens as real processes, over real workers. The test plays the dispatcher.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod adopt;
mod alone;
mod broker;
mod by_hand;
mod cgroup;
mod ends;
mod evidence;
mod gate;
mod isolation;
mod leftovers;
mod post;
mod records;
mod rooms;
mod tree;
