//! The shape of one layer: which keys there are, and which values make sense. What is not said is
//! `None` and falls through to the layer beneath.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tenure_dispatcher::template::Template;
use tenure_dispatcher::{OnStop, Profile};
use tenure_guard::env::PREFIX;
use tenure_store::StoreUrl;
use tenure_store::duration;
use tenure_store::life::LimitsLayer;
use tenure_store::task::SHELL;
use tenure_warden::isolation::Workspace;

use super::hooks;
use super::isolation::LimitShape;
use crate::limit_keys::with_limit_keys;

/// The shortest lease: beneath it the steps of renewing and ending would be less than the store's
/// own deadline of 3 s.
const MIN_LEASE: Duration = Duration::from_secs(6);

/// More workers than this on one machine are a typo.
const MAX_SLOTS: u32 = 100_000;

/// A layer, or all of them merged.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    #[serde(default)]
    pub store: StoreShape,
    #[serde(default)]
    pub dispatcher: DispatcherShape,
    #[serde(default)]
    pub defaults: LimitsLayer,
    #[serde(default)]
    pub profiles: BTreeMap<String, ProfileShape>,
    #[serde(default)]
    pub hooks: BTreeMap<String, Vec<String>>,
}

/// `[store]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreShape {
    pub url: Option<String>,
    pub password_file: Option<PathBuf>,
}

/// `[dispatcher]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DispatcherShape {
    pub slots: Option<u32>,
    #[serde(with = "duration::optional", default)]
    pub lease: Option<Duration>,
    #[serde(with = "duration::optional", default)]
    pub kill_grace: Option<Duration>,
    #[serde(with = "duration::optional", default)]
    pub finish_grace: Option<Duration>,
    pub on_stop: Option<OnStop>,
    #[serde(with = "duration::optional", default)]
    pub poll: Option<Duration>,
    pub log_max_bytes: Option<String>,
    pub labels: Option<Vec<String>>,
}

with_limit_keys! {
    /// `[profiles.NAME]`
    #[derive(Debug, Default)]
    pub struct ProfileShape {
        command: Option<Vec<String>>,
        skills: Option<Vec<String>>,
        requires: Option<Vec<String>>,
        max_running: Option<u32>,
        env: BTreeMap<String, String>,
        pass_env: Option<Vec<String>>,
        pub(super) user: Option<String>,
        pub(super) umask: Option<String>,
        pub(super) nice: Option<i32>,
        pub(super) rlimits: BTreeMap<String, LimitShape>,
        pub(super) memory_max: Option<String>,
        pub(super) pids_max: Option<u64>,
        pub(super) no_new_privs: Option<bool>,
        workspace: Option<Workspace>,
    }
}

/// A value that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, in full.
    pub key: String,
    /// What is wrong, with the value, and the way out.
    pub what: String,
}

impl Problem {
    fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            what: what.into(),
        }
    }
}

impl Shape {
    /// Checks what the types cannot, as far as one layer alone can be wrong.
    pub fn validate(&self) -> Result<(), Problem> {
        if let Some(url) = &self.store.url {
            url.parse::<StoreUrl>()
                .map_err(|error| Problem::new("store.url", error.to_string()))?;
        }
        self.dispatcher.validate()?;
        limits("defaults", &self.defaults)?;
        for (name, profile) in &self.profiles {
            profile.validate(name)?;
        }
        for (kind, argv) in &self.hooks {
            hooks::check(kind, argv).map_err(|what| Problem::new(format!("hooks.{kind}"), what))?;
        }
        Ok(())
    }
}

impl DispatcherShape {
    fn validate(&self) -> Result<(), Problem> {
        match self.slots {
            Some(slots) if !(1..=MAX_SLOTS).contains(&slots) => {
                return Err(Problem::new(
                    "dispatcher.slots",
                    format!("{slots} is out of range: 1 to {MAX_SLOTS} is expected"),
                ));
            }
            Some(_) | None => {}
        }
        match self.lease {
            Some(lease) if lease < MIN_LEASE => {
                return Err(Problem::new(
                    "dispatcher.lease",
                    format!(
                        "{} is too short: at least 6s is expected",
                        duration::format(lease)
                    ),
                ));
            }
            Some(_) | None => {}
        }
        if self.poll == Some(Duration::ZERO) {
            return Err(Problem::new(
                "dispatcher.poll",
                "0s would never rest: like 5s is expected",
            ));
        }
        labels("dispatcher.labels", self.labels.as_deref())?;
        match self.log_max_bytes.as_deref().map(super::size::parse) {
            Some(Err(what)) => Err(Problem::new("dispatcher.log_max_bytes", what)),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

/// A label is a word that is compared with others, and nothing more.
fn labels(key: &str, labels: Option<&[String]>) -> Result<(), Problem> {
    if labels
        .iter()
        .copied()
        .flatten()
        .any(|label| label.trim().is_empty())
    {
        return Err(Problem::new(key, "a label is empty: leave it out"));
    }
    Ok(())
}

impl ProfileShape {
    fn validate(&self, name: &str) -> Result<(), Problem> {
        let within = |key: &str| format!("profiles.{name}.{key}");
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(Problem::new(
                format!("profiles.{name}"),
                format!(
                    "{name:?} is no name of a profile: lower-case letters, digits, _ and - are expected"
                ),
            ));
        }
        match &self.command {
            Some(_) if name == SHELL => {
                return Err(Problem::new(
                    within("command"),
                    "the reserved profile `shell` runs each task's own command: choose another name",
                ));
            }
            Some(command) => {
                templates(command).map_err(|what| Problem::new(within("command"), what))?;
            }
            None => {}
        }
        if self.max_running == Some(0) {
            return Err(Problem::new(
                within("max_running"),
                "0 would run nothing: at least 1 is expected",
            ));
        }
        for skill in self.skills.iter().flatten() {
            if skill.trim().is_empty() {
                return Err(Problem::new(
                    within("skills"),
                    "a skill is empty: leave it out",
                ));
            }
        }
        labels(&within("requires"), self.requires.as_deref())?;
        for (variable, value) in &self.env {
            if let Some(what) = variable_problem(variable, value) {
                return Err(Problem::new(within("env"), what));
            }
        }
        for pattern in self.pass_env.iter().flatten() {
            if let Some(what) = pattern_problem(pattern) {
                return Err(Problem::new(within("pass_env"), what));
            }
        }
        self.isolation(name)?;
        limits(&format!("profiles.{name}"), &self.limits())
    }

    /// Which variables its workers inherit, where it says so.
    pub fn passes_on(&self) -> &[String] {
        self.pass_env.as_deref().unwrap_or_default()
    }

    /// The profile, once all layers have spoken.
    pub fn resolve(&self, name: &str, default_pass_env: &[&str]) -> Result<Profile, Problem> {
        let command = match &self.command {
            Some(command) => Some(
                templates(command)
                    .map_err(|what| Problem::new(format!("profiles.{name}.command"), what))?,
            ),
            None if name == SHELL => None,
            None => {
                return Err(Problem::new(
                    format!("profiles.{name}.command"),
                    "is missing: say which program does the work, like [\"my-agent\", \"{context}\"]",
                ));
            }
        };
        let pass_env = self.pass_env.clone();
        Ok(Profile {
            command,
            limits: self.limits(),
            skills: self.skills.clone().unwrap_or_default(),
            requires: self.requires.clone().unwrap_or_default(),
            max_running: self.max_running,
            env: self.env.clone(),
            isolation: self.isolation(name)?,
            workspace: self.workspace.unwrap_or_default(),
            pass_env: pass_env
                .unwrap_or_else(|| default_pass_env.iter().map(ToString::to_string).collect()),
        })
    }
}

fn limits(table: &str, layer: &LimitsLayer) -> Result<(), Problem> {
    layer
        .validate()
        .map_err(|error| Problem::new(format!("{table}.{}", error.key), error.problem))
}

fn templates(command: &[String]) -> Result<Vec<Template>, String> {
    match command.first() {
        Some(program) if !program.is_empty() => {}
        Some(_) | None => return Err("the command is empty: name a program".to_owned()),
    }
    if let Some(argument) = command.iter().find(|argument| argument.contains('\0')) {
        return Err(format!(
            "{argument:?} holds a NUL byte, which no argument can"
        ));
    }
    let parsed = command.iter().map(|argument| Template::parse(argument));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// What is wrong with a variable of an `env` table, if anything.
pub fn variable_problem(name: &str, value: &str) -> Option<String> {
    if name.starts_with(PREFIX) {
        return Some(format!(
            "{name:?} is Tenure's own: {PREFIX}* cannot be set, choose another name"
        ));
    }
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some(format!("{name:?} is no name of a variable"));
    }
    value
        .contains('\0')
        .then(|| format!("the value of {name:?} holds a NUL byte, which no variable can"))
}

fn pattern_problem(pattern: &str) -> Option<String> {
    if pattern.starts_with(PREFIX) {
        return Some(format!(
            "{pattern:?} is Tenure's own and is never passed on: leave it out"
        ));
    }
    let stem = pattern.strip_suffix('*').unwrap_or(pattern);
    (pattern.is_empty() || stem.contains(['*', '=', '\0'])).then(|| {
        format!("{pattern:?} is no name of a variable; only a trailing * stands for any rest")
    })
}
