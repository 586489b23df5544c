//! What became of each of several tasks: a line or a JSON object each, and one exit code for all.

use serde::Serialize;
use tenure_guard::{RunId, TaskId};
use tenure_store::life::{Ask, TaskStatus};
use tenure_store::read::TaskRow;

use crate::caller::Caller;
use crate::failure::{Code, Failure};
use crate::verb::list;
use crate::{escape, output};

/// What became of one task, as scripts see it: `{"id":7,"ok":true,"status":"ready"}`, or
/// `{"id":8,"ok":false,"code":4,"error":"…"}`.
#[derive(Debug, Serialize)]
struct Answer {
    id: TaskId,
    ok: bool,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum What {
    /// Where it stands now.
    Stands {
        status: TaskStatus,
        /// More that the verb has to say.
        #[serde(flatten)]
        more: serde_json::Map<String, serde_json::Value>,
    },
    /// Its run is asked, and nobody waited for the end.
    Asked {
        status: TaskStatus,
        run: RunId,
        ask: Ask,
    },
    /// It would stand there; nothing was written.
    Would {
        dry_run: bool,
        status: TaskStatus,
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
    /// It was not done.
    Refused { code: u8, error: String },
}

/// The answers of one verb. People read each when it is known, scripts all in the order in which
/// they were asked for.
#[derive(Debug)]
pub(super) struct Answers {
    json: bool,
    caller: Caller,
    order: Vec<TaskId>,
    known: Vec<Answer>,
    refusals: Vec<(TaskId, Code)>,
}

impl Answers {
    /// For this caller.
    pub(super) fn new(json: bool, caller: Caller) -> Self {
        Self {
            json,
            caller,
            order: Vec::new(),
            known: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// An answer for this task will come.
    pub(super) fn expect(&mut self, id: TaskId) {
        self.order.push(id);
    }

    fn place(&self, id: TaskId) -> usize {
        let found = self.order.iter().position(|one| *one == id);
        found.unwrap_or(self.order.len())
    }

    /// It stands there now.
    pub(super) fn stands(&mut self, row: &TaskRow) -> Result<(), Failure> {
        let line = format!("task {} is {}", row.id, list::status(row));
        self.stands_with(row, serde_json::Map::new(), &line)
    }

    /// The same, with more to say.
    pub(super) fn stands_with(
        &mut self,
        row: &TaskRow,
        more: serde_json::Map<String, serde_json::Value>,
        line: &str,
    ) -> Result<(), Failure> {
        let status = row.status;
        self.ok(row.id, What::Stands { status, more }, line)
    }

    /// Its run is asked.
    pub(super) fn asked(&mut self, id: TaskId, run: RunId, ask: Ask) -> Result<(), Failure> {
        let line = format!("task {id}: run {run} is asked to {ask}");
        let status = TaskStatus::Running;
        self.ok(id, What::Asked { status, run, ask }, &line)
    }

    /// It would stand there.
    pub(super) fn would(
        &mut self,
        id: TaskId,
        status: TaskStatus,
        run: Option<RunId>,
        title: &str,
    ) -> Result<(), Failure> {
        let title = escape::short(title, list::TITLE_CHARS);
        let line = match run {
            Some(run) => format!("task {id} would be {status} after run {run} has ended: {title}"),
            None => format!("task {id} would be {status}: {title}"),
        };
        let what = What::Would {
            dry_run: true,
            status,
            run,
        };
        self.ok(id, what, &line)
    }

    fn ok(&mut self, id: TaskId, what: What, line: &str) -> Result<(), Failure> {
        if !self.json {
            output::line(line)?;
        }
        let ok = true;
        self.known.push(Answer { id, ok, what });
        Ok(())
    }

    /// It was not done.
    pub(super) fn refused(&mut self, id: TaskId, failure: &Failure) {
        let error = failure.said(&self.caller);
        if !self.json {
            output::message(format_args!("tenure: {}", escape::block(&error)));
        }
        self.refusals.push((id, failure.code));
        let code = failure.code as u8;
        let (ok, what) = (false, What::Refused { code, error });
        self.known.push(Answer { id, ok, what });
    }

    /// Prints what scripts want, and ends with the code of the first refusal.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if self.json {
            let mut answers = std::mem::take(&mut self.known);
            answers.sort_by_key(|answer| self.place(answer.id));
            output::json(&answers)?;
        }
        let first = self.refusals.iter().min_by_key(|(id, _)| self.place(*id));
        first.map_or(Ok(()), |(_, code)| Err(Failure::silent(*code)))
    }
}
