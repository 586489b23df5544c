//! Names of things: tasks, runs, and the secret that proves a claim.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An id or a claim lock that does not look like one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {expected}")]
pub struct MalformedId {
    what: &'static str,
    value: String,
    expected: &'static str,
}

/// Reads a positive decimal number without sign, space or leading zero.
fn positive(what: &'static str, text: &str) -> Result<i64, MalformedId> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse() {
        Ok(number) if plain => Ok(number),
        Ok(_) | Err(_) => Err(MalformedId {
            what,
            value: text.to_owned(),
            expected: "a positive whole number is expected",
        }),
    }
}

/// Names a task. Never reused, even after the task is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub i64);

/// Names one attempt at a task, and is the fencing token: it only rises across the whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TaskId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        positive("task id", text).map(TaskId)
    }
}

impl FromStr for RunId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        positive("run id", text).map(RunId)
    }
}

/// Names one request to add a task, so that the same one asked again is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddId(pub String);

impl AddId {
    /// The longest, in bytes: it is kept with the task, and is a name, not a text.
    pub const MAX_BYTES: usize = 128;

    /// A new id that nobody else has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// Whether it can be kept.
    ///
    /// # Errors
    /// Says what is expected instead.
    pub fn validate(&self) -> Result<(), MalformedId> {
        if (1..=Self::MAX_BYTES).contains(&self.0.len()) && !self.0.contains('\0') {
            return Ok(());
        }
        Err(MalformedId {
            what: "request id",
            value: self.0.chars().take(Self::MAX_BYTES).collect(),
            expected: "1 to 128 bytes are expected",
        })
    }
}

/// Random, unique to one claim: `<dispatcher uuid>:<32 hex>`. Never derived from host or pid.
///
/// It is a secret: [`fmt::Debug`] shows eight characters, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClaimLock(String);

impl ClaimLock {
    /// How many hexadecimal digits of randomness follow the dispatcher's id.
    const SECRET_DIGITS: usize = 32;

    /// The whole secret, for the environment, the wire and the store only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first eight characters of the random half: what a log may show.
    pub fn short(&self) -> &str {
        let secret = self.0.len() - Self::SECRET_DIGITS;
        &self.0[secret..secret + 8]
    }
}

impl fmt::Debug for ClaimLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimLock({}…)", self.short())
    }
}

impl FromStr for ClaimLock {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let well_formed = text.split_once(':').is_some_and(|(dispatcher, secret)| {
            uuid::Uuid::try_parse(dispatcher).is_ok()
                && secret.len() == Self::SECRET_DIGITS
                && secret
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(MalformedId {
                what: "claim lock",
                value: format!("{}…", text.chars().take(8).collect::<String>()),
                expected: "<dispatcher uuid>:<32 hexadecimal digits> is expected",
            })
        }
    }
}

impl TryFrom<String> for ClaimLock {
    type Error = MalformedId;

    fn try_from(text: String) -> Result<Self, MalformedId> {
        text.parse()
    }
}

impl From<ClaimLock> for String {
    fn from(lock: ClaimLock) -> Self {
        lock.0
    }
}

/// What a worker holds its task by: the fence that every write by or for it shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tenure {
    /// The task.
    #[serde(rename = "task_id")]
    pub task: TaskId,
    /// The run: the fencing token.
    #[serde(rename = "run_id")]
    pub run: RunId,
    /// The claim lock: the proof.
    #[serde(rename = "claim_lock")]
    pub lock: ClaimLock,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "0191e6a0-0000-7000-8000-000000000001:00112233445566778899aabbccddeeff";

    #[test]
    fn ids_are_positive_whole_numbers_and_nothing_else() {
        assert_eq!("7".parse(), Ok(TaskId(7)));
        for wrong in [
            "",
            "0",
            "-1",
            "+1",
            " 1",
            "1 ",
            "01",
            "1.0",
            "x",
            "99999999999999999999",
        ] {
            assert!(
                wrong.parse::<RunId>().is_err(),
                "{wrong:?} was taken for a run id"
            );
        }
    }

    #[test]
    fn a_claim_lock_shows_eight_characters_at_most() {
        let lock: ClaimLock = LOCK.parse().unwrap();
        assert_eq!(format!("{lock:?}"), "ClaimLock(00112233…)");
    }

    #[test]
    fn a_malformed_claim_lock_is_refused_without_being_shown() {
        let short = &LOCK[..LOCK.len() - 1];
        let upper = LOCK.to_uppercase();
        for wrong in ["", "x", short, &upper, &LOCK.replace(':', "-")] {
            let error = wrong.parse::<ClaimLock>().unwrap_err();
            assert!(!error.to_string().contains("00112233"), "{error}");
        }
    }
}
