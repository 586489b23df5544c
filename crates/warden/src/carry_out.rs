//! What a worker asks of the store, carried out there and put into the words of the wire: by the
//! dispatcher for whoever stands on a lifeline, by the desk of a warden that has none.

use serde_json::{Value, json};
use tenure_guard::wire::{Answer, MAX_LINE, MAX_ROWS, Op};
use tenure_guard::{TaskId, Tenure};
use tenure_store::life::TaskStatus;
use tenure_store::read::{Detail, TaskFilter};
use tenure_store::{Error, Store};

/// The longest data of an answer, in bytes; around it there is what the wire and the lifeline say.
const MAX_DATA: usize = MAX_LINE - 4096;

/// Carries out one request of a worker, fenced. Checks and watches are the warden's own to answer.
///
/// # Errors
/// The store's.
pub async fn carry_out(store: &Store, tenure: Tenure, op: Op) -> Result<Answer, Error> {
    match op {
        Op::Check | Op::Watch => {}
        Op::Heartbeat { note } => store.heartbeat(tenure, note).await?,
        Op::Comment { text } => store.comment_as_worker(tenure, text).await?,
        Op::Report { id, report } => store.report(tenure, id, report).await?,
        Op::Add { id, task } => {
            let task = serde_json::from_value(task).map_err(|error| {
                Error::Invalid(format!("task: {error}: the wire's page tells its fields"))
            })?;
            let added = store.add_as_worker(tenure, id, task).await?;
            return Ok(Answer::Data { data: json!(added) });
        }
        Op::Show { task } => return show(store, &tenure, task).await,
        Op::List {
            all,
            status,
            assignee,
            limit,
        } => {
            let filter = TaskFilter {
                all,
                status: status.as_deref().map(read_status).transpose()?,
                assignee,
                batch: None,
                limit: Some(limit.unwrap_or(MAX_ROWS).min(MAX_ROWS)),
            };
            return list(store, &tenure, &filter).await;
        }
    }
    Ok(Answer::Ok)
}

/// The answer where the store did not give one, or would not; nothing where it is away and the request
/// may be kept.
pub fn refused(error: Error, op: Option<&Op>) -> Option<Answer> {
    let is_kept = match op {
        Some(Op::Add { .. } | Op::Show { .. } | Op::List { .. }) => false,
        Some(
            Op::Check | Op::Watch | Op::Heartbeat { .. } | Op::Comment { .. } | Op::Report { .. },
        )
        | None => true,
    };
    if let Error::NotOwner { reason } = error {
        return Some(Answer::NotOwner { reason });
    }
    if !error.is_away() {
        let message = error.to_string();
        return Some(Answer::Refused { message });
    }
    (!is_kept).then(|| Answer::Later {
        message: error.to_string(),
    })
}

fn read_status(word: &str) -> Result<TaskStatus, Error> {
    word.parse()
        .map_err(|_| Error::Invalid(format!("status: {word:?} is none")))
}

async fn show(store: &Store, tenure: &Tenure, task: Option<TaskId>) -> Result<Answer, Error> {
    let task = task.unwrap_or(tenure.task);
    let mut detail = store.show_as_worker(tenure, task).await?;
    let mut cut = false;
    loop {
        let mut data = serde_json::to_value(&detail)?;
        data["cut"] = cut.into();
        if data.to_string().len() <= MAX_DATA {
            return Ok(Answer::Data { data });
        }
        cut = true;
        if !shorten(&mut detail) {
            return Err(Error::Refused {
                task,
                why: "it is too long for one line of the wire".into(),
            });
        }
    }
}

/// Leaves out the older half of what there is most of; `false` where nothing can be left out.
fn shorten(detail: &mut Detail) -> bool {
    let counts = [
        detail.events.len(),
        detail.runs.len(),
        detail.comments.len(),
    ];
    let half = |count: usize| count.div_ceil(2);
    match counts {
        [0, 0, 0] => return false,
        [events, runs, comments] if events >= runs && events >= comments => {
            detail.events.drain(..half(events));
        }
        [_, runs, comments] if runs >= comments => {
            detail.runs.drain(..half(runs));
        }
        [_, _, comments] => {
            detail.comments.drain(..half(comments));
        }
    }
    true
}

async fn list(store: &Store, tenure: &Tenure, filter: &TaskFilter) -> Result<Answer, Error> {
    let page = store.list_as_worker(tenure, filter).await?;
    let mut more = page.more;
    let mut room = MAX_DATA;
    let mut rows: Vec<Value> = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let row = serde_json::to_value(row)?;
        match room.checked_sub(row.to_string().len() + 1) {
            // Those that follow would leave a gap.
            Some(rest) if more.number == page.more.number => {
                room = rest;
                rows.push(row);
            }
            Some(_) | None => more.number += 1,
        }
    }
    Ok(Answer::Data {
        data: json!({ "rows": rows, "more": more }),
    })
}
