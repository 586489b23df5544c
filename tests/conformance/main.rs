//! One suite for both databases: the same promises hold on SQLite and on PostgreSQL.
//!
//! Each case is written once, as an async function of a [`world::World`], and named in an
//! `on_both!`; time is told by the test, so nothing sleeps.

#![expect(
    clippy::unwrap_used,
    reason = "a case that cannot go on fails; the lint knows only functions marked as tests"
)]

mod add;
mod anything;
mod at_once;
mod claim;
mod deadlines;
mod dispatchers;
mod end;
mod fence;
mod freeing;
mod gc;
mod hook;
mod inside;
mod lanes;
mod lapse;
mod links;
mod model;
mod moving;
mod opening;
mod orphan;
mod outlook;
mod person;
mod plans;
mod policies;
mod reading;
mod recur;
mod report;
mod situation;
mod start;
mod statements;
mod suspects;
mod versions;
mod waiting;
mod watch;
mod world;
