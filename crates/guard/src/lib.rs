//! The worker's half of Tenure: who am I, do I still own my task, and how do I say how it ended.
//!
//! A *worker* is a process started by a Tenure dispatcher. Its environment carries its identity
//! ([`Identity`]), and a Unix socket leads to its *warden*, the small process that stands over it.
//! This crate reads the identity, asks the warden, and reports. It pulls in no runtime and no SQL;
//! a client in another language needs nothing but [`wire`], one JSON object a line.
//!
//! ```no_run
//! use tenure_guard::{Guard, Report};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let guard = Guard::from_env()?;
//! guard.heartbeat(Some("reading"))?;
//! guard.report(&Report::Complete { summary: Some("42 files read".into()), metadata: None, artifacts: Vec::new() })?;
//! # Ok(()) }
//! ```
//!
//! What a caller can rely on:
//! - A missing or malformed identity is never "probably fine": it is a [`Reason`] to stand down.
//! - Every call answers with a typed "not owner" ([`Error::NotOwner`]) once the task belongs to
//!   somebody else; the worker should then stop and exit with [`exit_code::NOT_OWNER`].
//! - A report that was answered with `Ok` survives the death of any process of Tenure.
//!
//! What it leaves to others: the check itself (the warden, from its lease, or the store), and
//! everything about ending processes (the warden).

pub mod client;
pub mod env;
pub mod exit_code;
pub mod identity;
pub mod ids;
pub mod reason;
pub mod report;
pub mod wire;

pub use client::{Acceptance, Error, Guard, Lost, stand_down};
pub use identity::{Identity, NoIdentity};
pub use ids::{AddId, ClaimLock, MalformedId, RunId, TaskId, Tenure};
pub use reason::{Reason, Verdict};
pub use report::{BlockKind, Report, ReportId};
