//! A lane: the tasks of one profile that the same dispatchers may take at the same moment, because
//! they require the same skills and labels and share a limit key with its limit. The claim looks at each lane's best tasks, and
//! never at a task of a lane that it cannot take from, however many wait there.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a lane's tasks have in common. Its text is what the index of ready tasks begins with.
///
/// **Invariant:** all that a task asks of whoever runs it stands here, so that a program which does not know
/// some of it leaves the lane alone, whatever it asks, and pays nothing for that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lane {
    /// What the profile must offer, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) skills: Vec<String>,
    /// Which labels the dispatcher must have, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requires: Vec<String>,
    /// How many may run at once is counted by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit_key: Option<String>,
    /// At most so many with that key, as all tasks of this lane say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u32>,
}

impl Lane {
    /// Of tasks that require these skills and labels, and share a limit key with its limit.
    pub(crate) fn of(skills: &[String], requires: &[String], limit: Option<(&str, u32)>) -> Self {
        Self {
            skills: set(skills),
            requires: set(requires),
            limit_key: limit.map(|(key, _)| key.to_owned()),
            limit: limit.map(|(_, limit)| limit),
        }
    }

    /// From what the store wrote.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        Ok(serde_json::from_str(text)?)
    }

    /// As the store writes it: nothing for the lane of tasks that ask nothing.
    pub(crate) fn text(&self) -> Result<String, Error> {
        if *self == Self::default() {
            return Ok(String::new());
        }
        Ok(serde_json::to_string(self)?)
    }
}

/// Each of these words once, sorted.
fn set(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    words.sort_unstable();
    words.dedup();
    words
}
