//! `show`: all about one task.

use std::fmt::Write as _;

use serde::Serialize;
use tenure_guard::TaskId;
use tenure_guard::wire::Op;
use tenure_store::event::Event;
use tenure_store::life::{LinkKind, Recurrence};
use tenure_store::read::{CommentView, Detail, Related, Stored, TaskRow};

use crate::caller::Caller;
use crate::cli::{Global, Show};
use crate::failure::{Code, Failure};
use crate::place::Place;
use crate::verb::block_on;
use crate::verb::runs::seconds;
use crate::{escape, output, worker};

/// How many of the newest events people are shown; `events ID` has them all.
const EVENTS: usize = 10;

/// Shows it.
pub fn run(global: &Global, args: &Show) -> Result<(), Failure> {
    let detail = match args.id {
        id if worker::is_inside(global) => by_worker(global, id)?,
        Some(id) => block_on(by_person(global, id))?,
        None => {
            return Err(Failure::usage(
                "which task? `tenure show 7` (without an id a worker is shown its own)",
            ));
        }
    };
    if args.json {
        output::json(&Shown::of(&detail))
    } else {
        output::bytes(text(&detail, &Caller::of(global)).as_bytes())
    }
}

async fn by_person(global: &Global, id: TaskId) -> Result<Detail, Failure> {
    let store = Place::find(global)?.read_about(id).await?;
    Ok(store.show(id).await?)
}

/// What the wire answers: the oldest is left out where all of it would be too long.
fn by_worker(global: &Global, id: Option<TaskId>) -> Result<Detail, Failure> {
    let data = worker::ask(global, &Op::Show { task: id })?;
    if data["cut"] == true {
        output::message("the oldest runs, events or remarks are left out: it is too long");
    }
    serde_json::from_value(data).map_err(|error| Failure::new(Code::Failed, error))
}

/// All of it as scripts see it.
#[derive(Serialize)]
struct Shown<'a> {
    task: &'a TaskRow,
    runs: Vec<super::runs::Shown<'a>>,
    events: &'a [Event],
    parents: &'a [Related],
    children: &'a [Related],
    comments: &'a [CommentView],
}

impl<'a> Shown<'a> {
    fn of(detail: &'a Detail) -> Self {
        let Detail {
            task,
            runs,
            events,
            parents,
            children,
            comments,
        } = detail;
        Self {
            task,
            runs: super::runs::shown(runs),
            events,
            parents,
            children,
            comments,
        }
    }
}

fn text(detail: &Detail, caller: &Caller) -> String {
    let mut text = fields(detail, caller);
    for (what, related) in [("after", &detail.parents), ("before", &detail.children)] {
        for one in related {
            field(&mut text, what, &describe(one));
        }
    }
    for path in artifacts(detail) {
        field(&mut text, "artifact", path);
    }
    if !detail.task.body.is_empty() {
        let _ = write!(text, "\n{}\n", escape::block(&detail.task.body));
    }
    if !detail.runs.is_empty() {
        let _ = write!(text, "\n{}", super::runs::table(&detail.runs));
    }
    if !detail.comments.is_empty() {
        text.push('\n');
    }
    for comment in &detail.comments {
        let (at, author) = (seconds(comment.created_at), escape::line(&comment.author));
        let _ = writeln!(text, "{at} {author}: {}", escape::block(&comment.text));
    }
    text.push('\n');
    let from = detail.events.len().saturating_sub(EVENTS);
    for event in &detail.events[from..] {
        let _ = writeln!(text, "{}", super::events::text(event));
    }
    text
}

fn fields(detail: &Detail, caller: &Caller) -> String {
    let task = &detail.task;
    let mut text = String::new();
    field(&mut text, "task", &task.id.to_string());
    field(&mut text, "title", &task.title);
    if let Some(name) = &task.name {
        field(&mut text, "name", name);
    }
    field(&mut text, "status", &super::list::status(task));
    if let Some(reason) = &task.block_reason {
        field(&mut text, "because", reason);
    }
    if !task.status.is_finished() {
        field(
            &mut text,
            "why",
            &caller.tenure(format_args!("explain {}", task.id)),
        );
    }
    if let Some(time) = task.archived_at {
        field(&mut text, "archived", &seconds(time));
    }
    if let Some(time) = task.paused_at {
        field(&mut text, "paused", &seconds(time));
    }
    if let Some(time) = task.not_before {
        field(&mut text, "not before", &seconds(time));
    }
    if let Some(recurrence) = &task.recurrence {
        field(&mut text, "recurs", &recurs(task, recurrence));
    }
    field(&mut text, "assignee", &task.assignee);
    if let Some(command) = &task.command {
        let known = command.known().map(|command| format!("{command:?}"));
        field(
            &mut text,
            "command",
            &known.unwrap_or_else(|| foreign(command)),
        );
    }
    field(&mut text, "folder", &task.cwd.display().to_string());
    field(&mut text, "priority", &task.priority.to_string());
    if !task.skills.is_empty() {
        field(&mut text, "skills", &task.skills.join(", "));
    }
    if !task.requires.is_empty() {
        field(&mut text, "requires", &task.requires.join(", "));
    }
    field(&mut text, "attempts", &task.attempts.to_string());
    let streaks = [
        ("failures", task.failures),
        ("violations", task.violations),
        ("defers", task.defers),
        ("benign", task.benign),
        ("lost", task.lost),
    ];
    for (what, count) in streaks {
        if count > 0 {
            field(&mut text, what, &format!("{count} in a row"));
        }
    }
    if let Some(key) = &task.key {
        field(&mut text, "key", key);
    }
    if let (Some(key), Some(limit)) = (&task.limit_key, task.limit) {
        let together = format!("{key}: at most {limit} at once");
        field(&mut text, "limit key", &together);
    }
    field(&mut text, "created", &created(task));
    text
}

/// When, and by whom where that is known.
fn created(task: &TaskRow) -> String {
    let at = seconds(task.created_at);
    match (task.created_by.as_str(), task.created_by_run) {
        ("", _) => at,
        (by, Some(run)) => format!("{at} by {by}, run {run}"),
        (by, None) => format!("{at} by {by}"),
    }
}

/// The files that came of it: as its person says, else as its newest report.
fn artifacts(detail: &Detail) -> impl Iterator<Item = &str> {
    let reports = detail
        .runs
        .iter()
        .rev()
        .filter_map(|run| run.report.as_ref());
    let said = detail.task.result.iter().chain(reports);
    let named = said.filter_map(|report| report["complete"]["artifacts"].as_array());
    named
        .take(1)
        .flatten()
        .filter_map(serde_json::Value::as_str)
}

fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<10}  {}", escape::line(value));
}

/// What a newer version wrote, as it stands.
fn foreign<T: serde::Serialize>(told: &Stored<T>) -> String {
    serde_json::to_string(told).unwrap_or_default()
}

fn recurs(task: &TaskRow, recurrence: &Stored<Recurrence>) -> String {
    let Stored::Known(Recurrence {
        times,
        overlap,
        catch_up,
    }) = recurrence
    else {
        return foreign(recurrence);
    };
    let series = task.series_id.unwrap_or(task.id);
    format!("{times}, overlap {overlap}, catch-up {catch_up}; of the series of task {series}")
}

fn describe(related: &Related) -> String {
    let how = match related.kind {
        LinkKind::Success => "",
        LinkKind::AnyEnd => ", however it ends",
        LinkKind::Failure => ", if it is given up",
    };
    let Related {
        id, title, status, ..
    } = related;
    format!("{id} {title} ({status}{how})")
}
