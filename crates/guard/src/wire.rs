//! What a worker and its warden say to each other: one JSON object a line, over a Unix socket.
//!
//! A request names its version, shows the whole [`Tenure`] and asks one thing; the answer is one
//! line. Several requests may follow each other on one connection.
//!
//! ```text
//! {"v":1,"task_id":7,"run_id":9,"claim_lock":"…","op":"check"}
//! {"v":1,"answer":"owned"}
//! {"v":1,"task_id":7,"run_id":9,"claim_lock":"…","op":"report","id":"a1","report":{"complete":{"summary":"42 files"}}}
//! {"v":1,"answer":"ok"}
//! ```
//!
//! After `watch` the warden answers `owned` at once, and writes one more line, `stand_down`, when
//! the task stops being this worker's.
//!
//! A worker can add tasks to its own store and look around there:
//!
//! ```text
//! {"v":1,"task_id":7,"run_id":9,"claim_lock":"…","op":"add","id":"b1","task":{"work":{"assignee":"reviewer"},"title":"chapter 2","cwd":"/srv/book","after":[{"task":7}]}}
//! {"v":1,"answer":"data","data":{"id":12,"created":true}}
//! {"v":1,"task_id":7,"run_id":9,"claim_lock":"…","op":"show","task":12}
//! {"v":1,"answer":"data","data":{"task":{"id":12,…},"runs":[],"events":[…],…}}
//! {"v":1,"task_id":7,"run_id":9,"claim_lock":"…","op":"list","all":false,"status":"ready","limit":20}
//! {"v":1,"answer":"data","data":{"rows":[{"id":12,…}],"more":{"number":3,"at_least":false}}}
//! ```
//!
//! - `add`: `id` names the request; the same id again is the same task, so what got no answer, or
//!   `later`, is asked again under the same id. Of `task`, `work` and `cwd` are required: `work` is
//!   `{"command":[…]}` or `{"assignee":"…"}`, `cwd` an absolute path. Then there are `title`, `body`,
//!   `after`, `after_any_end` and `after_failure` (each a list of `{"task":ID}`), `priority`, `skills`, `requires`,
//!   `not_before` (`{"at":"2026-01-31T08:00:00Z"}` or `{"in":{"secs":1800,"nanos":0}}`), `env`, `key`,
//!   `limit_key` (`{"key":"…","limit":1}`), and `limits` (the keys of `[defaults]`, durations like
//!   `"5m"`). A run adds at most [`MAX_ADDED`] tasks.
//! - `show`: `task` without a value is the worker's own. What `tenure show --json` prints, with `cut`
//!   true where the oldest runs, events or remarks were left out so that it fits a line.
//! - `list`: the rows of `tenure list --json`, at most [`MAX_ROWS`] and what fits a line, and how many
//!   `more` there are.
//!
//! A warden that is older than these answers `refused` and names the operations that it knows.

use serde::{Deserialize, Serialize};

use crate::ids::{AddId, TaskId, Tenure};
use crate::reason::Reason;
use crate::report::{Report, ReportId};

/// The version of this wire. A warden of version N+1 speaks N.
pub const VERSION: u32 = 1;

/// The longest line that either side reads, in bytes: a report's two texts with every byte escaped,
/// and room for the rest.
pub const MAX_LINE: usize = 1024 * 1024;

/// The most tasks that one run adds: a worker that fans out in a circle is stopped here, and more
/// belong into a task file.
pub const MAX_ADDED: u32 = 1000;

/// The most rows that one `list` answers.
pub const MAX_ROWS: u32 = 200;

/// One question or one word of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The version of the wire.
    pub v: u32,
    /// Who asks. Every request shows it.
    #[serde(flatten)]
    pub tenure: Tenure,
    /// What is asked.
    #[serde(flatten)]
    pub op: Op,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Is the task still mine?
    Check,
    /// The same, and tell me when it stops being mine.
    Watch,
    /// I am alive, and perhaps what I am doing.
    Heartbeat {
        /// In words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A remark for people and for later attempts.
    Comment {
        /// The remark; at most [`Report::MAX_BYTES`].
        text: String,
    },
    /// How my run ended.
    Report {
        /// The same id again is the same report.
        id: ReportId,
        /// The report.
        report: Report,
    },
    /// Another task, to the same store; mine is its creator.
    Add {
        /// The same id again is the same task.
        id: AddId,
        /// The task, as the module says.
        task: serde_json::Value,
    },
    /// All about a task of my store.
    Show {
        /// Which one; without it my own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
    },
    /// The tasks of my store.
    List {
        /// Finished ones too.
        #[serde(default)]
        all: bool,
        /// Only those of this status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// Only those of this assignee.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignee: Option<String>,
        /// At most so many; [`MAX_ROWS`] without it, and never more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
}

/// "I stood down": what a guard says before it exits 79, so that its run's end is known for benign.
///
/// It is the one line without a tenure, since the tenure may be what is wrong. The warden takes it
/// only from a process of its own session, answers nothing, and lets it decide nothing but how an
/// exit 79 is understood; such ends have a limit of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The version of the wire.
    pub v: u32,
    /// Why the guard stood down.
    pub stood_down: Reason,
}

/// The warden's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The version of the wire.
    pub v: u32,
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What the warden answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To a check: the task is yours.
    Owned,
    /// To a check, or after a watch: it is not.
    StandDown {
        /// Why.
        reason: Reason,
    },
    /// To a write: it is durable.
    Ok,
    /// To a report: the store is away; the warden keeps it and writes it later. A success.
    Kept,
    /// To a write: the task is not yours, nothing was written.
    NotOwner {
        /// Why.
        reason: Reason,
    },
    /// To a write: not possible as asked, nothing was written.
    Refused {
        /// Why, and the way out.
        message: String,
    },
    /// To an add: what became of it. To a show or a list: what is there.
    Data {
        /// As the module says.
        data: serde_json::Value,
    },
    /// To an add, a show or a list: the store is away, and nobody knows whether it was done. The same
    /// again may succeed.
    Later {
        /// Why.
        message: String,
    },
}

/// What became of a task that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Its id.
    pub id: TaskId,
    /// Whether it is new; `false` where its idempotency key was there already.
    pub created: bool,
}

impl Request {
    /// Checks what the types cannot: version and sizes.
    ///
    /// # Errors
    /// The sentence for [`Answer::Refused`].
    pub fn validate(&self) -> Result<(), String> {
        if self.v != VERSION {
            return Err(format!(
                "wire version {} is not spoken here: send {VERSION}",
                self.v
            ));
        }
        match &self.op {
            Op::Check | Op::Watch | Op::Show { .. } | Op::List { .. } => Ok(()),
            Op::Add { id, .. } => id.validate().map_err(|error| error.to_string()),
            Op::Heartbeat { note } => within("note", note.as_deref().unwrap_or_default()),
            Op::Comment { text } => within("text", text),
            Op::Report { report, .. } => report.validate().map_err(|error| error.to_string()),
        }
    }
}

fn within(field: &str, text: &str) -> Result<(), String> {
    if text.len() <= Report::MAX_BYTES {
        return Ok(());
    }
    Err(format!(
        "{field} has {} bytes; at most {} are kept",
        text.len(),
        Report::MAX_BYTES
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_line_that_the_documentation_shows() {
        let line = r#"{"v":1,"task_id":7,"run_id":9,"claim_lock":"0191e6a0-0000-7000-8000-000000000001:00112233445566778899aabbccddeeff","op":"report","id":"a1","report":{"complete":{"summary":"42 files"}}}"#;
        let request: Request = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), line);
        assert_eq!(request.validate(), Ok(()));
    }

    #[test]
    fn an_add_is_the_line_that_the_documentation_shows() {
        let line = r#"{"v":1,"task_id":7,"run_id":9,"claim_lock":"0191e6a0-0000-7000-8000-000000000001:00112233445566778899aabbccddeeff","op":"add","id":"b1","task":{"cwd":"/srv/book"}}"#;
        let request: Request = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), line);
        assert_eq!(request.validate(), Ok(()));
        let nameless = line.replace("b1", "");
        let request: Request = serde_json::from_str(&nameless).unwrap();
        assert!(request.validate().unwrap_err().contains("id"));
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let line = r#"{"v":2,"task_id":7,"run_id":9,"claim_lock":"0191e6a0-0000-7000-8000-000000000001:00112233445566778899aabbccddeeff","op":"check"}"#;
        let request: Request = serde_json::from_str(line).unwrap();
        assert!(request.validate().unwrap_err().contains("version 2"));
    }

    #[test]
    fn a_request_without_a_claim_lock_is_no_request() {
        assert!(
            serde_json::from_str::<Request>(r#"{"v":1,"task_id":7,"run_id":9,"op":"check"}"#)
                .is_err()
        );
    }
}
