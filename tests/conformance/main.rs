//! One suite for both databases: the same promises hold on SQLite and on PostgreSQL.
//!
//! Each case is written once, as an async function of a [`world::World`], and named in an
//! `on_both!`; time is told by the test, so nothing sleeps.

mod add;
mod claim;
mod end;
mod fence;
mod person;
mod report;
mod start;
mod statements;
mod world;
