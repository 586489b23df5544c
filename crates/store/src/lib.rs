//! What Tenure knows, and the only place that writes it down.
//!
//! [`life`] decides, without clock or I/O: legal moves, outcomes, streaks. The files beside it are
//! the operations, one verb a file; each is one transaction that writes its change and its event
//! together, on SQLite or on PostgreSQL. Everything written by or for a worker shows its
//! [`tenure_guard::Tenure`] and changes nothing where that does not hold any more.
//!
//! What it leaves to others: processes and signals (the warden), when to claim and what to do with
//! an answer (the dispatcher), configuration and words for people (the command line).
//!
//! **Invariant:** a task has at most one open run, and `current_run_id` names it or is null.
//! **Invariant:** an outcome is written exactly once; a closed run never changes.
//! **Invariant:** every change of state writes its event in the same transaction.

pub mod add;
pub mod ask;
mod asks;
pub mod backup;
pub mod check;
mod children;
pub mod claim;
pub mod clock;
pub mod comment;
mod connection;
pub mod copy;
mod database;
pub mod dispatcher;
pub mod drain;
pub mod duration;
pub mod edit;
pub mod end;
pub mod error;
pub mod event;
pub mod gc;
pub mod heartbeat;
pub mod held;
pub mod hook;
pub mod ids;
mod lane;
pub mod lapse;
pub mod life;
mod locked;
mod migrate;
mod moved;
pub mod offered;
pub mod open;
pub mod orphan;
pub mod pause;
pub mod person;
pub mod process;
pub mod promote;
pub mod read;
mod recorded;
mod recur;
pub mod renew;
pub mod report;
pub mod server;
pub mod sql;
mod stand_down;
mod standing;
pub mod start;
pub mod suspects;
pub mod task;
mod transaction;
pub mod url;
pub mod validate;
mod value;
mod wait;
pub mod watch;
mod writer;

pub use clock::Clock;
pub use error::{Error, OpenError};
pub use ids::{BatchId, DispatcherId, EventId, InstanceId};
pub use migrate::known as known_schema;
pub use open::Store;
pub use url::StoreUrl;
