//! How often, how long, how far apart: every limit of a task, resolved in one place.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::{Backoff, BackoffBy};
use super::on_exit::OnExit;
use super::outcome::Outcome;
use super::word::words;
use crate::duration;

words! {
    /// How a worker says that it is done.
    pub enum Protocol as "protocol" {
        /// By its exit code.
        Exit = "exit",
        /// By a report; exit 0 without one is a protocol violation.
        Report = "report",
    }
}

/// Which exit code means "try later", if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TempfailValue", into = "TempfailValue")]
pub enum TempfailExit {
    /// This one.
    Code(i32),
    /// None.
    Off,
}

/// How a configuration writes it: `75` or `"off"`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TempfailValue {
    Code(i64),
    Word(String),
}

impl TryFrom<TempfailValue> for TempfailExit {
    type Error = String;

    fn try_from(value: TempfailValue) -> Result<Self, String> {
        match value {
            TempfailValue::Code(code @ 1..=255) => i32::try_from(code)
                .map(Self::Code)
                .map_err(|error| error.to_string()),
            TempfailValue::Word(word) if word == "off" => Ok(Self::Off),
            TempfailValue::Code(code) => Err(format!(
                "{code} is no exit code: 1 to 255 or \"off\" is expected"
            )),
            TempfailValue::Word(word) => Err(format!(
                "{word:?} is no exit code: 1 to 255 or \"off\" is expected"
            )),
        }
    }
}

impl From<TempfailExit> for TempfailValue {
    fn from(tempfail: TempfailExit) -> Self {
        match tempfail {
            TempfailExit::Code(code) => Self::Code(code.into()),
            TempfailExit::Off => Self::Word("off".into()),
        }
    }
}

/// The limits in force for a run. Copied to the run when it is claimed, so that what was decided
/// then holds until the run closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How the worker says that it is done.
    pub protocol: Protocol,
    /// Failed, crashed, timed out, silent and not executable, in a row; then the breaker.
    pub max_failures: u32,
    /// Protocol violations in a row; then the breaker.
    pub violation_limit: u32,
    /// Defers in a row; then the breaker.
    pub max_defers: u32,
    /// How long a defer without a stated time lasts.
    #[serde(with = "duration")]
    pub defer_for: Duration,
    /// Benign ends in a row; then the breaker.
    pub max_benign: u32,
    /// Lost ends in a row; then the breaker.
    pub max_lost: u32,
    /// Blocks that its worker reported since it last came to an end; then the breaker.
    #[serde(default = "max_blocks")]
    pub max_blocks: u32,
    /// How long to wait before the next attempt.
    pub backoff: Backoff,
    /// The same, for some outcomes.
    #[serde(default)]
    pub backoff_by: BackoffBy,
    /// What follows from some exit codes and signals, where nobody said more.
    #[serde(default)]
    pub on_exit: OnExit,
    /// How long a run may take.
    #[serde(with = "duration::optional", default)]
    pub max_runtime: Option<Duration>,
    /// How long a worker may be silent.
    #[serde(with = "duration::optional", default)]
    pub heartbeat_timeout: Option<Duration>,
    /// Which exit code means "try later".
    pub tempfail_exit: TempfailExit,
}

/// A run that was claimed before there was such a limit has this one.
fn max_blocks() -> u32 {
    5
}

impl Limits {
    /// How long to wait after this outcome.
    pub fn backoff_after(&self, outcome: Outcome) -> Backoff {
        let own = self.backoff_by.0.get(&outcome);
        own.copied().unwrap_or(self.backoff)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            protocol: Protocol::Exit,
            max_failures: 3,
            violation_limit: 3,
            max_defers: 20,
            defer_for: Duration::from_mins(5),
            max_benign: 20,
            max_lost: 5,
            max_blocks: max_blocks(),
            backoff: Backoff::default(),
            backoff_by: BackoffBy::default(),
            on_exit: OnExit::default(),
            max_runtime: None,
            heartbeat_timeout: None,
            tempfail_exit: TempfailExit::Code(tenure_guard::exit_code::TRY_LATER),
        }
    }
}

/// What one layer says about limits: a task, a profile or `[defaults]`. Silence falls through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each field is the one of `Limits`, where it is explained"
)]
pub struct LimitsLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violation_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_defers: Option<u32>,
    #[serde(
        with = "duration::optional",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub defer_for: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_benign: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lost: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_blocks: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_by: Option<BackoffBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exit: Option<OnExit>,
    #[serde(
        with = "duration::optional",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub max_runtime: Option<Duration>,
    #[serde(
        with = "duration::optional",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub heartbeat_timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tempfail_exit: Option<TempfailExit>,
}

impl LimitsLayer {
    /// What this layer says, and where it is silent, what the layer beneath says. The tables
    /// `on_exit` and `backoff_by` are laid over each other key by key.
    #[must_use]
    pub fn over(self, beneath: Self) -> Self {
        Self {
            protocol: self.protocol.or(beneath.protocol),
            max_failures: self.max_failures.or(beneath.max_failures),
            violation_limit: self.violation_limit.or(beneath.violation_limit),
            max_defers: self.max_defers.or(beneath.max_defers),
            defer_for: self.defer_for.or(beneath.defer_for),
            max_benign: self.max_benign.or(beneath.max_benign),
            max_lost: self.max_lost.or(beneath.max_lost),
            max_blocks: self.max_blocks.or(beneath.max_blocks),
            backoff: self.backoff.or(beneath.backoff),
            backoff_by: both(self.backoff_by, beneath.backoff_by, BackoffBy::over),
            on_exit: both(self.on_exit, beneath.on_exit, OnExit::over),
            max_runtime: self.max_runtime.or(beneath.max_runtime),
            heartbeat_timeout: self.heartbeat_timeout.or(beneath.heartbeat_timeout),
            tempfail_exit: self.tempfail_exit.or(beneath.tempfail_exit),
        }
    }

    /// The limits in force where this is all that was said; the built-in ones fill the rest.
    pub fn resolve(self) -> Limits {
        let builtin = Limits::default();
        Limits {
            protocol: self.protocol.unwrap_or(builtin.protocol),
            max_failures: self.max_failures.unwrap_or(builtin.max_failures),
            violation_limit: self.violation_limit.unwrap_or(builtin.violation_limit),
            max_defers: self.max_defers.unwrap_or(builtin.max_defers),
            defer_for: self.defer_for.unwrap_or(builtin.defer_for),
            max_benign: self.max_benign.unwrap_or(builtin.max_benign),
            max_lost: self.max_lost.unwrap_or(builtin.max_lost),
            max_blocks: self.max_blocks.unwrap_or(builtin.max_blocks),
            backoff: self.backoff.unwrap_or(builtin.backoff),
            backoff_by: self.backoff_by.unwrap_or_default(),
            on_exit: self.on_exit.unwrap_or_default(),
            max_runtime: self.max_runtime.or(builtin.max_runtime),
            heartbeat_timeout: self.heartbeat_timeout.or(builtin.heartbeat_timeout),
            tempfail_exit: self.tempfail_exit.unwrap_or(builtin.tempfail_exit),
        }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the key whose value makes no sense.
    pub fn validate(&self) -> Result<(), InvalidLimit> {
        let at_least_one = [
            ("max_failures", self.max_failures),
            ("violation_limit", self.violation_limit),
            ("max_defers", self.max_defers),
            ("max_benign", self.max_benign),
            ("max_lost", self.max_lost),
            ("max_blocks", self.max_blocks),
        ];
        for (key, value) in at_least_one {
            if value == Some(0) {
                return Err(InvalidLimit {
                    key: key.into(),
                    problem: "is 0; at least 1 is expected".into(),
                });
            }
        }
        let positive = [
            ("defer_for", self.defer_for),
            ("max_runtime", self.max_runtime),
            ("heartbeat_timeout", self.heartbeat_timeout),
        ];
        for (key, value) in positive {
            if value == Some(Duration::ZERO) {
                return Err(InvalidLimit {
                    key: key.into(),
                    problem: "is zero; leave it out instead".into(),
                });
            }
        }
        self.backoff
            .map_or(Ok(()), |backoff| check_backoff("backoff", backoff))?;
        let mut by = self.backoff_by.iter().flat_map(|by| &by.0);
        by.try_for_each(|(outcome, backoff)| {
            check_backoff(&format!("backoff_by.{outcome}"), *backoff)
        })
    }
}

/// A table of both layers, where both have one.
fn both<T>(above: Option<T>, beneath: Option<T>, over: fn(T, T) -> T) -> Option<T> {
    match (above, beneath) {
        (Some(above), Some(beneath)) => Some(over(above, beneath)),
        (above, beneath) => above.or(beneath),
    }
}

fn check_backoff(key: &str, backoff: Backoff) -> Result<(), InvalidLimit> {
    let (bound, problem) = if backoff.base.is_zero() {
        ("base", "is zero: a wait is expected, like 2s".to_owned())
    } else if backoff.max < backoff.base {
        let (max, base) = (
            duration::format(backoff.max),
            duration::format(backoff.base),
        );
        let problem =
            format!("is {max}, less than {key}.base with {base}: make it at least as long");
        ("max", problem)
    } else {
        return Ok(());
    };
    Err(InvalidLimit {
        key: format!("{key}.{bound}").into(),
        problem,
    })
}

/// A limit whose value makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {problem}")]
pub struct InvalidLimit {
    /// Which key.
    pub key: Cow<'static, str>,
    /// What is wrong with it, and the way out.
    pub problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_outranks_its_profile_which_outranks_the_defaults() {
        let task = LimitsLayer {
            max_failures: Some(5),
            ..LimitsLayer::default()
        };
        let profile = LimitsLayer {
            max_failures: Some(1),
            max_defers: Some(2),
            ..LimitsLayer::default()
        };
        let defaults = LimitsLayer {
            max_failures: Some(7),
            max_defers: Some(8),
            max_lost: Some(9),
            ..LimitsLayer::default()
        };
        let limits = task.over(profile).over(defaults).resolve();
        assert_eq!(
            (limits.max_failures, limits.max_defers, limits.max_lost),
            (5, 2, 9)
        );
        assert_eq!(limits.max_benign, Limits::default().max_benign);
    }

    #[test]
    fn limits_read_back_from_the_run_as_they_were_written() {
        let limits = Limits {
            max_runtime: Some(Duration::from_millis(5400)),
            ..Limits::default()
        };
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(serde_json::from_str::<Limits>(&text).unwrap(), limits);
    }

    #[test]
    fn a_limit_of_zero_is_refused_by_name() {
        let layer = LimitsLayer {
            max_failures: Some(0),
            ..LimitsLayer::default()
        };
        assert_eq!(layer.validate().unwrap_err().key, "max_failures");
    }
}
