//! What is said beforehand about exit codes and signals: rules that speak where neither a report nor
//! an ask did. None makes an end better than the kernel saw it: what is deferred still counts toward
//! `max_defers`, and what is blocked waits for a person.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tenure_guard::BlockKind;

use super::exit::Exit;
use crate::duration;

/// What a shell adds to a signal's number to make an exit code of it.
const SHELL_SIGNAL: i32 = 128;

/// The ends of which a rule speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitKey {
    /// This exit code, 1 to 255; 128 and more also speaks for the signal that a shell calls so.
    Code(i32),
    /// This signal.
    Signal(i32),
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitRule {
    /// What would follow without a rule: takes back what a layer beneath says.
    Retry,
    /// It waits for a person.
    Block(BlockKind),
    /// Not now: again after this time, else after `defer_for`.
    Defer(Option<Duration>),
    /// The breaker, at once: trying again is of no use.
    GiveUp,
}

/// The rules, each with the ends of which it speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<String, String>",
    into = "BTreeMap<String, String>"
)]
pub struct OnExit(pub BTreeMap<ExitKey, ExitRule>);

impl OnExit {
    /// These rules, and what the layer beneath says of other ends.
    #[must_use]
    pub fn over(mut self, beneath: Self) -> Self {
        for (key, rule) in beneath.0 {
            self.0.entry(key).or_insert(rule);
        }
        self
    }

    /// The rule for an end, with the key that named it. A signal's own name goes before its code.
    pub fn rule(&self, exit: Exit) -> Option<(ExitKey, ExitRule)> {
        let find = |key| self.0.get(&key).map(|rule| (key, *rule));
        match exit {
            Exit::Code(code) => find(ExitKey::Code(code)),
            Exit::Signal(signal) => {
                find(ExitKey::Signal(signal)).or_else(|| find(ExitKey::Code(SHELL_SIGNAL + signal)))
            }
            Exit::Unobserved => None,
        }
    }
}

impl fmt::Display for ExitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Signal(signal) => match Signal::try_from(*signal) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {signal}"),
            },
        }
    }
}

impl FromStr for ExitKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "{text:?} is no end of a worker: an exit code from 1 to 255 is expected, or a signal like SIGKILL"
            )
        };
        match text.parse::<i32>() {
            Ok(0) => Err(
                "0 is how a worker says that it is done: an exit code from 1 to 255 is expected"
                    .to_owned(),
            ),
            Ok(code @ 1..=255) => Ok(Self::Code(code)),
            Ok(_) => Err(expected()),
            Err(_) => text
                .to_uppercase()
                .parse::<Signal>()
                .map(|signal| Self::Signal(signal as i32))
                .map_err(|_| expected()),
        }
    }
}

impl fmt::Display for ExitRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry => f.write_str("retry"),
            Self::Block(kind) => write!(f, "block:{kind}"),
            Self::Defer(None) => f.write_str("defer"),
            Self::Defer(Some(wait)) => write!(f, "defer:{}", duration::format(*wait)),
            Self::GiveUp => f.write_str("give_up"),
        }
    }
}

impl FromStr for ExitRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "retry, block:needs_input, block:capability, block:operator, defer, \
                                defer:5m or give_up is expected";
        let unknown = || format!("{text:?} is no rule: {EXPECTED}");
        match text.split_once(':') {
            None => match text {
                "retry" => Ok(Self::Retry),
                "defer" => Ok(Self::Defer(None)),
                "give_up" => Ok(Self::GiveUp),
                _ => Err(unknown()),
            },
            Some(("defer", wait)) => match duration::parse(wait) {
                Ok(Duration::ZERO) => Err(format!(
                    "{text:?} waits for no time: like defer:5m is expected"
                )),
                Ok(wait) => Ok(Self::Defer(Some(wait))),
                Err(error) => Err(format!("{text:?}: {error}")),
            },
            Some(("block", kind)) => match BlockKind::ALL.iter().find(|one| one.name() == kind) {
                Some(BlockKind::GaveUp) | None => Err(unknown()),
                Some(
                    kind @ (BlockKind::NeedsInput | BlockKind::Capability | BlockKind::Operator),
                ) => Ok(Self::Block(*kind)),
            },
            Some(_) => Err(unknown()),
        }
    }
}

impl TryFrom<BTreeMap<String, String>> for OnExit {
    type Error = String;

    fn try_from(said: BTreeMap<String, String>) -> Result<Self, String> {
        let mut rules = BTreeMap::new();
        for (key, rule) in said {
            rules.insert(key.parse()?, rule.parse()?);
        }
        Ok(Self(rules))
    }
}

impl From<OnExit> for BTreeMap<String, String> {
    fn from(rules: OnExit) -> Self {
        let rules = rules.0.into_iter();
        rules
            .map(|(key, rule)| (key.to_string(), rule.to_string()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(said: &[(&str, &str)]) -> Result<OnExit, String> {
        let said = said.iter();
        said.map(|(key, rule)| ((*key).to_owned(), (*rule).to_owned()))
            .collect::<BTreeMap<_, _>>()
            .try_into()
    }

    #[test]
    fn rules_read_back_as_they_are_written() {
        let rules = rules(&[
            ("2", "block:needs_input"),
            ("3", "block:capability"),
            ("4", "block:operator"),
            ("5", "defer"),
            ("6", "defer:5m"),
            ("137", "retry"),
            ("sigterm", "give_up"),
        ])
        .unwrap();
        let text = serde_json::to_string(&rules).unwrap();
        assert!(text.contains("\"SIGTERM\":\"give_up\""), "{text}");
        assert_eq!(serde_json::from_str::<OnExit>(&text).unwrap(), rules);
    }

    #[test]
    fn what_is_no_end_or_no_rule_is_refused_by_its_value() {
        for (key, rule, word) in [
            ("0", "retry", "1 to 255"),
            ("256", "retry", "\"256\""),
            ("SIGNOPE", "retry", "SIGNOPE"),
            ("2", "block", "\"block\""),
            ("2", "block:gave_up", "block:gave_up"),
            ("2", "defer:5", "defer:5"),
            ("2", "defer:0s", "no time"),
            ("2", "done", "give_up is expected"),
        ] {
            let message = rules(&[(key, rule)]).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn a_code_over_128_speaks_for_its_signal_where_the_signal_has_no_rule() {
        let only_code = rules(&[("137", "defer")]).unwrap();
        let both = rules(&[("137", "defer"), ("SIGKILL", "give_up")]).unwrap();
        let rule = |rules: &OnExit, exit| rules.rule(exit).map(|(_, rule)| rule);
        let (kill, code) = (Exit::Signal(9), Exit::Code(137));
        assert_eq!(rule(&only_code, kill), Some(ExitRule::Defer(None)));
        assert_eq!(rule(&both, kill), Some(ExitRule::GiveUp));
        assert_eq!(rule(&both, code), Some(ExitRule::Defer(None)));
        assert_eq!(rule(&both, Exit::Signal(15)), None);
        assert_eq!(rule(&both, Exit::Unobserved), None);
    }
}
