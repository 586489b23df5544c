//! Stands over one worker: waits at the gate, starts it, keeps its lease, brokers its reports, ends
//! its tree, hands over its exit.
//!
//! A warden is a small process of one thread. It leads the session that is the run's; its standard
//! input is a socket to its dispatcher: the [`gate`] first, the [`lifeline`] after. Where there is no
//! dispatcher (started by hand, or the dispatcher died) it speaks to the store itself.
//!
//! This crate is also the one place that knows processes: [`process`] opens, compares and signals
//! them. What it leaves to others: when a run starts and what its end means (dispatcher, store).

pub mod clock;
pub mod gate;
pub mod lifeline;
