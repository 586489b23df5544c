//! `list`: tasks, one a row.

use tenure_guard::wire::Op;
use tenure_store::life::TaskStatus;
use tenure_store::read::{Counted, Page, Stored, TaskFilter, TaskRow};

use crate::cli::{Global, List};
use crate::failure::{Code, Failure};
use crate::place::Place;
use crate::table::Table;
use crate::verb::block_on;
use crate::{escape, output, worker};

/// How many rows people are shown unless they ask for more.
const ROWS: u32 = 50;

/// The longest title in a row.
pub(super) const TITLE_CHARS: usize = 80;

/// Lists them.
pub fn run(global: &Global, args: List) -> Result<(), Failure> {
    let json = args.json;
    let page = if worker::is_inside(global) {
        by_worker(global, args)?
    } else {
        block_on(by_person(global, args))?
    };
    if json {
        output::json(&page.rows)?;
    } else if !page.rows.is_empty() {
        output::bytes(table(&page.rows).to_string().as_bytes())?;
    }
    if page.more.number > 0 {
        output::message(format_args!(
            "{} more: use --limit, --status or --assignee",
            page.more
        ));
    }
    Ok(())
}

/// What the wire answers: at most so many rows as it takes.
fn by_worker(global: &Global, args: List) -> Result<Page<TaskRow>, Failure> {
    let question = Op::List {
        all: args.all,
        status: args.status.map(|status| status.name().to_owned()),
        assignee: args.assignee,
        limit: args.limit.or((!args.json).then_some(ROWS)),
    };
    let data = worker::ask(global, &question)?;
    serde_json::from_value(data).map_err(|error| Failure::new(Code::Failed, error))
}

async fn by_person(global: &Global, args: List) -> Result<Page<TaskRow>, Failure> {
    let limit = if args.json {
        args.limit
    } else {
        args.limit.or(Some(ROWS))
    };
    let filter = TaskFilter {
        all: args.all,
        status: args.status,
        assignee: args.assignee,
        batch: None,
        limit,
    };
    Ok(match Place::find(global)?.read().await? {
        Some(store) => store.list(&filter).await?,
        None => Page {
            rows: Vec::new(),
            more: Counted::default(),
        },
    })
}

fn table(rows: &[TaskRow]) -> Table {
    let mut table = Table::new(["ID", "STATUS", "ASSIGNEE", "PRIORITY", "ATTEMPTS", "TITLE"]);
    for row in rows {
        table.row([
            row.id.to_string(),
            status(row),
            escape::line(&row.assignee),
            row.priority.to_string(),
            row.attempts.to_string(),
            escape::short(&row.title, TITLE_CHARS),
        ]);
    }
    table
}

/// The status, and why where it waits for a person; of one that recurs and waits for its time, which
/// times those are.
pub fn status(row: &TaskRow) -> String {
    let is_scheduled = row.status == TaskStatus::Scheduled;
    match (row.block_kind, &row.recurrence) {
        (Some(kind), _) => format!("{} ({kind})", row.status),
        (None, Some(Stored::Known(recurrence))) if is_scheduled => {
            let times = escape::line(&recurrence.times.to_string());
            format!("{} ({times})", row.status)
        }
        (None, Some(Stored::Known(_) | Stored::Foreign(_)) | None) => row.status.to_string(),
    }
}
