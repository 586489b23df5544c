//! The policies in force for a task, each with where its value came from.

use serde::Serialize;
use tenure_store::read::Situation;

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Its key, as a configuration writes it.
    pub key: String,
    /// Its value, as a configuration writes it.
    pub value: serde_json::Value,
    /// Where the value came from: `task`, `profile`, `defaults` or `built-in`.
    pub from: &'static str,
}

/// The policies in force.
pub fn policies(_situation: &Situation) -> Vec<Policy> {
    Vec::new()
}
