//! Where the value of each limit came from, for whoever explains it. Made of what [`Limits`] and its
//! layers say of themselves, so that no limit can be forgotten here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::limits::{Limits, LimitsLayer};
use super::word::words;

/// The tables that are laid over each other key by key, so that each key has an origin of its own.
const TABLES: [&str; 2] = ["backoff_by", "on_exit"];

words! {
    /// Who said it.
    pub enum Origin as "origin of a limit" {
        /// The task itself.
        Task = "task",
        /// Its profile.
        Profile = "profile",
        /// `[defaults]` of the dispatcher's configuration.
        Defaults = "defaults",
        /// Nobody, or somebody who said the same as is built in.
        BuiltIn = "built-in",
    }
}

/// A limit in force, and who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// The key, as a configuration writes it: `max_failures`, `on_exit.137`.
    pub key: String,
    /// The value, as a configuration writes it; `none` where there is no limit.
    pub value: String,
    /// Who said so.
    pub origin: Origin,
}

/// The limits that are in force where these layers speak, as [`LimitsLayer::resolve`] finds them,
/// each with its origin, by their keys.
pub fn trace(task: &LimitsLayer, profile: &LimitsLayer, defaults: &LimitsLayer) -> Vec<Traced> {
    let layers = [
        (Origin::Task, said(task)),
        (Origin::Profile, said(profile)),
        (Origin::Defaults, said(defaults)),
    ];
    let resolved = task.clone().over(profile.clone()).over(defaults.clone());
    let builtin = said(&Limits::default());
    let in_force = said(&resolved.resolve()).into_iter();
    in_force
        .map(|(key, value)| {
            let speaks = layers.iter().find(|(_, layer)| layer.contains_key(&key));
            let origin = match speaks {
                // The configuration's own lowest layer says what is built in.
                Some((Origin::Defaults, _)) if builtin.get(&key) == Some(&value) => Origin::BuiltIn,
                Some((origin, _)) => *origin,
                None => Origin::BuiltIn,
            };
            Traced { key, value, origin }
        })
        .collect()
}

/// Each key and value that something says, in words.
fn said(limits: &impl Serialize) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    // Limits are objects with keys of text, which can always be written.
    let Ok(Value::Object(keys)) = serde_json::to_value(limits) else {
        return said;
    };
    for (key, value) in keys {
        if TABLES.contains(&key.as_str()) {
            let inner = value.as_object().into_iter().flatten();
            said.extend(inner.map(|(name, value)| (format!("{key}.{name}"), words_of(value))));
        } else {
            said.insert(key, words_of(&value));
        }
    }
    said
}

fn words_of(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(bounds) => {
            let bound = |name| bounds.get(name).map(words_of).unwrap_or_default();
            format!("{}..{}", bound("base"), bound("max"))
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> LimitsLayer {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_limit_names_the_layer_that_said_it() {
        let task = layer(r#"{"max_failures": 5, "on_exit": {"2": "defer"}}"#);
        let profile = layer(
            r#"{"max_failures": 1, "max_runtime": "2h", "on_exit": {"2": "give_up", "137": "retry"},
                "backoff_by": {"timed_out": {"base": "1m", "max": "1h"}}}"#,
        );
        let defaults =
            layer(r#"{"max_defers": 7, "max_lost": 5, "on_exit": {"3": "block:operator"}}"#);
        let traced = trace(&task, &profile, &defaults);
        let found = |key: &str| {
            let limit = traced.iter().find(|limit| limit.key == key).unwrap();
            (limit.value.as_str(), limit.origin)
        };
        assert_eq!(found("max_failures"), ("5", Origin::Task));
        assert_eq!(found("on_exit.2"), ("defer", Origin::Task));
        assert_eq!(found("on_exit.137"), ("retry", Origin::Profile));
        assert_eq!(found("on_exit.3"), ("block:operator", Origin::Defaults));
        assert_eq!(found("max_runtime"), ("2h", Origin::Profile));
        assert_eq!(found("backoff_by.timed_out"), ("1m..1h", Origin::Profile));
        assert_eq!(found("max_defers"), ("7", Origin::Defaults));
        assert_eq!(found("max_lost"), ("5", Origin::BuiltIn));
        assert_eq!(found("backoff"), ("2s..10m", Origin::BuiltIn));
        assert_eq!(found("heartbeat_timeout"), ("none", Origin::BuiltIn));
    }
}
