//! What stands in the store where a newer program may have written it: shown as it stands, and never a
//! reason to show nothing at all. Whoever decides by it asks for what is known.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// A word, or what is written as JSON. Its own JSON is that of either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stored<T> {
    /// This program knows what it means.
    Known(T),
    /// A newer one wrote it, so.
    Foreign(Value),
}

impl<T> Stored<T> {
    /// What is meant, where that is known here.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Foreign(_) => None,
        }
    }
}

impl<T: FromStr> Stored<T> {
    /// What a column says in a word.
    pub(crate) fn word(word: String) -> Self {
        match word.parse() {
            Ok(known) => Self::Known(known),
            Err(_) => Self::Foreign(Value::String(word)),
        }
    }
}

impl<T: DeserializeOwned> Stored<T> {
    /// What a column says in JSON.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where it is none.
    pub(crate) fn json(text: &str) -> Result<Self, Error> {
        match serde_json::from_str(text) {
            Ok(known) => Ok(Self::Known(known)),
            Err(_) => Ok(Self::Foreign(serde_json::from_str(text)?)),
        }
    }
}

impl<T: Default> Default for Stored<T> {
    fn default() -> Self {
        Self::Known(T::default())
    }
}

impl<T> From<T> for Stored<T> {
    fn from(known: T) -> Self {
        Self::Known(known)
    }
}

impl<T: PartialEq> PartialEq<T> for Stored<T> {
    fn eq(&self, other: &T) -> bool {
        self.known() == Some(other)
    }
}

impl<T: fmt::Display> fmt::Display for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => known.fmt(f),
            Self::Foreign(Value::String(word)) => f.pad(word),
            Self::Foreign(value) => value.fmt(f),
        }
    }
}
