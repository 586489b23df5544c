//! When a task runs again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::word::words;
use crate::duration;

/// How a task recurs: at each of its times it becomes ready, and its successor is added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// At which times.
    pub times: Times,
    /// What happens at a time while an earlier one of the series is not over.
    pub overlap: Overlap,
    /// What happens with times that passed while nobody dispatched.
    pub catch_up: CatchUp,
}

/// At which times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// So far apart, counted from the first.
    Every(#[serde(with = "duration")] Duration),
    /// As a cron expression says.
    Cron {
        /// Five fields, or six with seconds first.
        expression: String,
        /// A name of the time zone database, like `Europe/Berlin`.
        time_zone: String,
    },
}

words! {
    /// What happens at a time while an earlier one of the series is not over.
    pub enum Overlap as "overlap policy" {
        /// The time passes.
        Skip = "skip",
        /// It waits for the earlier one.
        Queue = "queue",
        /// The earlier one is cancelled, and it begins when that has ended.
        Replace = "replace",
    }
}

words! {
    /// What happens with times that passed while nobody dispatched.
    pub enum CatchUp as "catch-up policy" {
        /// They pass.
        Skip = "skip",
        /// One run stands for all of them.
        One = "one",
        /// Each is made up for.
        All = "all",
    }
}
