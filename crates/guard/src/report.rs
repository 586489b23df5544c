//! The worker's own word on how it ended.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ids::TaskId;

/// How a worker says that its run ended. The first report of a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// The work is done.
    Complete {
        /// What came of it, for people and for the task's children; at most [`Report::MAX_BYTES`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
        /// The same for programs; at most [`Report::MAX_BYTES`] as JSON text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<serde_json::Value>,
        /// Files that came of it, by absolute paths; at most [`Report::MAX_ARTIFACTS`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        artifacts: Vec<String>,
    },
    /// The work cannot go on before another task is done.
    Wait {
        /// The other task.
        after: TaskId,
        /// In words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The work cannot go on without a person.
    Block {
        /// What is missing. A worker says `needs_input` or `capability`.
        kind: BlockKind,
        /// In words.
        reason: String,
    },
    /// Not now: a quota, a rate limit, something that is not there yet.
    Defer {
        /// How long to wait, in milliseconds; without it the task's `defer_for`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
        /// In words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The work failed.
    Fail {
        /// In words.
        reason: String,
    },
}

impl Report {
    /// The most that one text or one metadata object of a report may hold, in bytes. It is kept in
    /// the store and handed to every child, so it is meant for a page, not for a file.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// The longest path of a file, in bytes: the kernel takes no longer one.
    pub const MAX_PATH: usize = 4096;

    /// The most files that one report may name: more belong into a list of their own.
    pub const MAX_ARTIFACTS: usize = 100;

    /// The longest a worker may put its task off, in milliseconds: a year.
    pub const MAX_DEFER_MS: u64 = 365 * 24 * 60 * 60 * 1000;

    /// The report's word, as the store and the wire write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Complete { .. } => "complete",
            Self::Wait { .. } => "wait",
            Self::Block { .. } => "block",
            Self::Defer { .. } => "defer",
            Self::Fail { .. } => "fail",
        }
    }

    /// Whether a worker may say this.
    ///
    /// # Errors
    /// Names the field that is too large or not a worker's to say.
    pub fn validate(&self) -> Result<(), InvalidReport> {
        let within = |field: &'static str, bytes: usize| {
            if bytes <= Self::MAX_BYTES {
                Ok(())
            } else {
                Err(InvalidReport::TooLarge { field, bytes })
            }
        };
        match self {
            Self::Complete {
                summary,
                metadata,
                artifacts,
            } => {
                within("summary", summary.as_ref().map_or(0, String::len))?;
                within(
                    "metadata",
                    metadata.as_ref().map_or(0, |json| json.to_string().len()),
                )?;
                check_artifacts(artifacts)
            }
            Self::Wait { reason, .. } => within("reason", reason.as_ref().map_or(0, String::len)),
            Self::Block {
                kind: kind @ (BlockKind::Operator | BlockKind::GaveUp),
                ..
            } => Err(InvalidReport::KindNotForWorkers(*kind)),
            Self::Defer { for_ms, reason } => {
                within("reason", reason.as_ref().map_or(0, String::len))?;
                match for_ms {
                    Some(ms) if *ms > Self::MAX_DEFER_MS => Err(InvalidReport::DeferTooLong(*ms)),
                    Some(_) | None => Ok(()),
                }
            }
            Self::Block {
                kind: BlockKind::NeedsInput | BlockKind::Capability,
                reason,
            }
            | Self::Fail { reason } => within("reason", reason.len()),
        }
    }
}

fn check_artifacts(artifacts: &[String]) -> Result<(), InvalidReport> {
    if artifacts.len() > Report::MAX_ARTIFACTS {
        return Err(InvalidReport::TooManyArtifacts(artifacts.len()));
    }
    match artifacts
        .iter()
        .find(|path| !Path::new(path).is_absolute() || path.len() > Report::MAX_PATH)
    {
        Some(path) => Err(InvalidReport::NoPath(path.clone())),
        None => Ok(()),
    }
}

/// A report that a worker may not make.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReport {
    /// One of its texts is too large.
    #[error(
        "{field} has {bytes} bytes; at most {} are kept: write the rest to a file and name it",
        Report::MAX_BYTES
    )]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// How large it is.
        bytes: usize,
    },
    /// The block kind belongs to people or to the breaker.
    #[error("a worker cannot block with kind {0}: use needs_input or capability")]
    KindNotForWorkers(BlockKind),
    /// It names too many files.
    #[error("{0} artifacts are too many: name a folder, {max} at most", max = Report::MAX_ARTIFACTS)]
    TooManyArtifacts(usize),
    /// What it names is no absolute path.
    #[error("artifact {0:?} is no absolute path of at most {max} bytes", max = Report::MAX_PATH)]
    NoPath(String),
    /// The task would be put off for more than a year.
    #[error("a task can be deferred for a year at most, not for {0} ms")]
    DeferTooLong(u64),
}

/// Why a task waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A question is open.
    NeedsInput,
    /// The worker lacks a right, a tool or a skill.
    Capability,
    /// A person stopped or blocked it.
    Operator,
    /// The breaker: a limit was reached, which the block's reason names.
    GaveUp,
}

impl BlockKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::NeedsInput,
        Self::Capability,
        Self::Operator,
        Self::GaveUp,
    ];

    /// The kind's word, as the store and the wire write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeedsInput => "needs_input",
            Self::Capability => "capability",
            Self::Operator => "operator",
            Self::GaveUp => "gave_up",
        }
    }
}

impl std::fmt::Display for BlockKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Names one report, so that the same one sent again is recognised and another one refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReportId(pub String);

impl ReportId {
    /// A new id that nobody else has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_cannot_claim_the_breakers_kind() {
        let report = Report::Block {
            kind: BlockKind::GaveUp,
            reason: String::new(),
        };
        assert_eq!(
            report.validate(),
            Err(InvalidReport::KindNotForWorkers(BlockKind::GaveUp))
        );
    }

    #[test]
    fn a_report_over_its_size_is_refused_and_says_which_field() {
        let report = Report::Fail {
            reason: "x".repeat(Report::MAX_BYTES + 1),
        };
        let error = report.validate().unwrap_err();
        assert!(
            error.to_string().starts_with("reason has 65537 bytes"),
            "{error}"
        );
    }
}
