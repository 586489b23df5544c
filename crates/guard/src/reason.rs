//! The guard's answer, and every reason it can have for "stand down".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::env;

/// What the guard answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The task is still this worker's.
    Owned,
    /// It is not, or that cannot be known: do nothing, exit 79.
    StandDown {
        /// Why.
        reason: Reason,
    },
}

/// Why a worker must stand down. In the order in which the check looks at things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reason {
    /// `TENURE_CONTRACT` is missing, or names a version that this program does not know.
    UnsupportedContract,
    /// `TENURE_TASK_ID` is not a task id.
    InvalidTaskId,
    /// `TENURE_RUN_ID` is missing or empty.
    MissingRunId,
    /// `TENURE_RUN_ID` is not a run id.
    InvalidRunId,
    /// `TENURE_CLAIM_LOCK` is missing or empty.
    MissingClaimLock,
    /// `TENURE_CLAIM_LOCK` is not a claim lock.
    InvalidClaimLock,
    /// The store did not answer, and no valid lease is in hand.
    StoreUnreachable,
    /// There is no such task.
    TaskMissing,
    /// The task is not running; the status it has instead.
    TaskNotRunning(String),
    /// The task's current run is another one.
    RunMismatch,
    /// The run is held by another claim lock.
    ClaimMismatch,
    /// The run is being ended, by this verb.
    Ending(String),
    /// The lease is over.
    LeaseExpired,
    /// The run's command was started before: the start is committed once.
    AlreadyStarted,
}

impl Reason {
    /// The variable of the worker's environment that is wrong, where one is.
    pub fn variable(&self) -> Option<&'static str> {
        match self {
            Self::UnsupportedContract => Some(env::CONTRACT),
            Self::InvalidTaskId => Some(env::TASK_ID),
            Self::MissingRunId | Self::InvalidRunId => Some(env::RUN_ID),
            Self::MissingClaimLock | Self::InvalidClaimLock => Some(env::CLAIM_LOCK),
            Self::StoreUnreachable
            | Self::TaskMissing
            | Self::TaskNotRunning(_)
            | Self::RunMismatch
            | Self::ClaimMismatch
            | Self::Ending(_)
            | Self::LeaseExpired
            | Self::AlreadyStarted => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedContract => f.write_str("unsupported_contract"),
            Self::InvalidTaskId => f.write_str("invalid_task_id"),
            Self::MissingRunId => f.write_str("missing_run_id"),
            Self::InvalidRunId => f.write_str("invalid_run_id"),
            Self::MissingClaimLock => f.write_str("missing_claim_lock"),
            Self::InvalidClaimLock => f.write_str("invalid_claim_lock"),
            Self::StoreUnreachable => f.write_str("store_unreachable"),
            Self::TaskMissing => f.write_str("task_missing"),
            Self::TaskNotRunning(status) => write!(f, "task_not_running:{status}"),
            Self::RunMismatch => f.write_str("run_mismatch"),
            Self::ClaimMismatch => f.write_str("claim_mismatch"),
            Self::Ending(verb) => write!(f, "ending:{verb}"),
            Self::LeaseExpired => f.write_str("lease_expired"),
            Self::AlreadyStarted => f.write_str("already_started"),
        }
    }
}

/// A reason that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no reason that this version knows")]
pub struct UnknownReason(String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        if let Some(status) = text.strip_prefix("task_not_running:") {
            return Ok(Self::TaskNotRunning(status.to_owned()));
        }
        if let Some(verb) = text.strip_prefix("ending:") {
            return Ok(Self::Ending(verb.to_owned()));
        }
        match text {
            "unsupported_contract" => Ok(Self::UnsupportedContract),
            "invalid_task_id" => Ok(Self::InvalidTaskId),
            "missing_run_id" => Ok(Self::MissingRunId),
            "invalid_run_id" => Ok(Self::InvalidRunId),
            "missing_claim_lock" => Ok(Self::MissingClaimLock),
            "invalid_claim_lock" => Ok(Self::InvalidClaimLock),
            "store_unreachable" => Ok(Self::StoreUnreachable),
            "task_missing" => Ok(Self::TaskMissing),
            "run_mismatch" => Ok(Self::RunMismatch),
            "claim_mismatch" => Ok(Self::ClaimMismatch),
            "lease_expired" => Ok(Self::LeaseExpired),
            "already_started" => Ok(Self::AlreadyStarted),
            unknown => Err(UnknownReason(unknown.to_owned())),
        }
    }
}

impl TryFrom<String> for Reason {
    type Error = UnknownReason;

    fn try_from(text: String) -> Result<Self, UnknownReason> {
        text.parse()
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back_as_it_is_written() {
        for text in [
            "unsupported_contract",
            "invalid_task_id",
            "missing_run_id",
            "invalid_run_id",
            "missing_claim_lock",
            "invalid_claim_lock",
            "store_unreachable",
            "task_missing",
            "task_not_running:ready",
            "run_mismatch",
            "claim_mismatch",
            "ending:cancel",
            "lease_expired",
            "already_started",
        ] {
            assert_eq!(text.parse::<Reason>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_verdict_has_the_shape_that_scripts_rely_on() {
        let verdict = Verdict::StandDown {
            reason: Reason::RunMismatch,
        };
        assert_eq!(
            serde_json::to_string(&verdict).unwrap(),
            r#"{"verdict":"stand_down","reason":"run_mismatch"}"#
        );
        assert_eq!(
            serde_json::to_string(&Verdict::Owned).unwrap(),
            r#"{"verdict":"owned"}"#
        );
    }
}
