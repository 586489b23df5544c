//! What a rule found.

use serde::Serialize;
use serde_json::{Value, json};
use tenure_guard::{RunId, TaskId};

use super::rule::{Rule, RuleId};
use crate::caller::Caller;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is by design; somebody may wonder all the same.
    Info,
    /// It goes badly, and may come right by itself.
    Warning,
    /// It stays as it is until somebody acts.
    Error,
}

impl Severity {
    /// As JSON and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One matter: an element of `tenure diagnose --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which rule found it.
    pub rule: RuleId,
    /// How bad it is: the rule's.
    pub severity: Severity,
    /// When the rule fires, in words.
    pub condition: &'static str,
    /// The task that it is about, or the first of several.
    pub task: Option<TaskId>,
    /// The run that it is about.
    pub run: Option<RunId>,
    /// What was seen, in words.
    pub evidence: String,
    /// The same for programs: an object, whose keys depend on the rule.
    pub facts: Value,
    /// The command that mends it; nothing where nothing need be done.
    pub mend: Option<String>,
}

/// A finding without what its rule knows of itself.
#[derive(Clone, Debug)]
pub struct Matter {
    task: Option<TaskId>,
    run: Option<RunId>,
    evidence: String,
    facts: Value,
    mend: Option<String>,
}

impl Matter {
    /// Something was seen.
    pub fn new(evidence: impl Into<String>) -> Self {
        Self {
            task: None,
            run: None,
            evidence: evidence.into(),
            facts: json!({}),
            mend: None,
        }
    }

    /// Of this task.
    pub fn task(self, task: TaskId) -> Self {
        Self {
            task: Some(task),
            ..self
        }
    }

    /// Of this run.
    pub fn run(self, run: RunId) -> Self {
        Self {
            run: Some(run),
            ..self
        }
    }

    /// The same for programs.
    pub fn facts(self, facts: Value) -> Self {
        Self { facts, ..self }
    }

    /// This command mends it.
    pub fn mend(self, command: impl Into<String>) -> Self {
        Self {
            mend: Some(command.into()),
            ..self
        }
    }

    /// The finding of a rule, with its command for this caller.
    pub(super) fn of(self, rule: &Rule, caller: &Caller) -> Finding {
        Finding {
            rule: rule.id,
            severity: rule.severity,
            condition: rule.condition,
            task: self.task,
            run: self.run,
            evidence: self.evidence,
            facts: self.facts,
            mend: self.mend.map(|command| caller.command(&command)),
        }
    }
}
