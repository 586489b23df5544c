//! `migrate`: a store moves from one database to another, whole, and what arrived is compared with
//! what was sent.

use serde::Serialize;
use tenure_store::copy::{self, Begun, Compared, CopyError, Move, Planned};
use tenure_store::orphan::Orphan;
use tenure_store::{InstanceId, StoreUrl};

use tenure_warden::process::{Found, Process, known_host_id};

use crate::cli::{Global, Migrate};
use crate::config::cwd;
use crate::failure::{Code, Failure};
use crate::place::Place;
use crate::table::Table;
use crate::{folders, output};

/// So much of a checksum is shown to people; `--json` has all of it.
const SHOWN: usize = 16;

/// So many open runs are named.
const NAMED: usize = 5;

/// `migrate --json`
#[derive(Serialize)]
struct Said<'a> {
    from: String,
    to: String,
    instance: InstanceId,
    /// Whether an earlier attempt was gone on with.
    resumed: bool,
    /// Whether the target is in use from now on.
    finished: bool,
    tables: &'a [Compared],
}

/// Moves it.
pub async fn run(global: &Global, args: &Migrate) -> Result<(), Failure> {
    Place::allowed(global)?;
    let from = match &args.from {
        Some(text) => address("--from", text)?,
        None => Place::find(global)?.url,
    };
    let Some(to) = &args.to else {
        return undo(&from, args.json).await;
    };
    let to = address("--to", to)?;
    if args.dry_run {
        let planned = copy::plan(&from, &to).await.map_err(told)?;
        return plan(&from, &to, &planned, args.json);
    }
    match Move::begin(&from, &to).await.map_err(told)? {
        Begun::Under(moving) => carry_out(*moving, &from, &to, args.json).await,
        Begun::Over { at } if args.json => output::json(&serde_json::json!({
            "from": from.to_string(), "to": to.to_string(), "finished": true, "at": at,
        })),
        Begun::Over { at } => output::line(format!(
            "{from} was moved to {to} at {at}: nothing is left to do"
        )),
    }
}

/// An address of the command line, which others see.
fn address(flag: &str, text: &str) -> Result<StoreUrl, Failure> {
    let url: StoreUrl = text
        .parse()
        .map_err(|error| Failure::usage(format!("{flag}: {error}")))?;
    if url.holds_password() {
        return Err(Failure::usage(format!(
            "{flag}: {url} was given with a password, which others on this machine see in a command line: leave it out there, and put it into ~/.pgpass (0600) or PGPASSWORD"
        )));
    }
    Ok(url.from_folder(&cwd()?))
}

async fn carry_out(
    mut moving: Move,
    from: &StoreUrl,
    to: &StoreUrl,
    json: bool,
) -> Result<(), Failure> {
    let goes = if moving.is_resumed() {
        "goes on"
    } else {
        "begins"
    };
    output::message(format_args!(
        "tenure: the migration from {from} to {to} {goes}"
    ));
    copy_all(&mut moving).await?;
    output::message("tenure: reading both back");
    let mut tables = Vec::new();
    while let Some(compared) = moving.compare().await.map_err(told)? {
        tables.push(compared);
    }
    let said = |finished| Said {
        from: from.to_string(),
        to: to.to_string(),
        instance: moving.instance(),
        resumed: moving.is_resumed(),
        finished,
        tables: &tables,
    };
    let is_equal = tables.iter().all(|table| table.equal);
    let said = said(is_equal);
    if is_equal {
        moving.finish().await.map_err(told)?;
    }
    if json {
        output::json(&said)?;
    } else {
        output::bytes(shown(&tables).to_string().as_bytes())?;
    }
    if !is_equal {
        return Err(told(CopyError::Differs));
    }
    if json {
        return Ok(());
    }
    output::line(format!(
        "moved: name {to} in [store] url, TENURE_DB or --db, and start the dispatcher"
    ))
}

async fn copy_all(moving: &mut Move) -> Result<(), Failure> {
    let (mut table, mut rows) = ("", 0);
    while let Some(step) = moving.step().await.map_err(told)? {
        if step.table != table {
            (table, rows) = (step.table, 0);
        }
        rows += step.rows;
        // A table ends with a step that finds nothing more.
        let so_far = if step.rows == 0 { "" } else { " so far" };
        output::message(format_args!("tenure: {table}: {rows} rows copied{so_far}"));
    }
    Ok(())
}

fn shown(tables: &[Compared]) -> Table {
    let mut shown = Table::new(["TABLE", "ROWS", "COPIED", "CHECKSUM", "READ BACK", "EQUAL"]);
    for table in tables {
        let short = |sum: &str| sum.chars().take(SHOWN).collect::<String>();
        shown.row([
            table.table.to_owned(),
            table.source.rows.to_string(),
            table.target.rows.to_string(),
            short(&table.source.checksum),
            short(&table.target.checksum),
            if table.equal { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    shown
}

fn plan(from: &StoreUrl, to: &StoreUrl, planned: &[Planned], json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&serde_json::json!({
            "from": from.to_string(), "to": to.to_string(), "dry_run": true, "tables": planned,
        }));
    }
    let mut table = Table::new(["TABLE", "ROWS", "BYTES OF TEXT"]);
    for Planned {
        table: name,
        rows,
        bytes,
    } in planned
    {
        table.row([(*name).to_owned(), rows.to_string(), bytes.to_string()]);
    }
    output::bytes(table.to_string().as_bytes())?;
    output::line(format!("would be copied from {from} to {to}"))
}

async fn undo(from: &StoreUrl, json: bool) -> Result<(), Failure> {
    copy::undo(from).await.map_err(told)?;
    if json {
        return output::json(&serde_json::json!({"from": from.to_string(), "undone": true}));
    }
    output::line(format!(
        "{from} is in use again; what its target holds is of no use any more, and can be dropped"
    ))
}

/// What a refusal says, with what is known of the processes that it is about.
fn told(error: CopyError) -> Failure {
    if let CopyError::OpenRuns { runs, .. } = &error {
        for run in runs.iter().take(NAMED) {
            output::message(format_args!("tenure: {}", described(run)));
        }
        if let Some(more) = runs.len().checked_sub(NAMED).filter(|more| *more > 0) {
            output::message(format_args!("tenure: and {more} more"));
        }
    }
    match error {
        CopyError::Open(error) => error.into(),
        CopyError::Store(error) => error.into(),
        error @ (CopyError::Nul { .. } | CopyError::Differs) => Failure::new(Code::Failed, error),
        error @ (CopyError::NoSource { .. }
        | CopyError::Served { .. }
        | CopyError::OpenRuns { .. }
        | CopyError::Residue { .. }
        | CopyError::Taken { .. }
        | CopyError::OtherVersion { .. }
        | CopyError::NewerTables { .. }
        | CopyError::NotMoving { .. }) => Failure::new(Code::Refused, error),
    }
}

fn described(run: &Orphan) -> String {
    let warden = match &run.warden {
        None => "was claimed and never started".to_owned(),
        Some(standing) => {
            let host = folders::state()
                .ok()
                .and_then(|state| known_host_id(&state).ok());
            let pid = standing.process.pid;
            match Process::find(&standing.process, host.as_deref().unwrap_or_default()) {
                Ok(Found::Alive(_)) => format!("its warden (pid {pid}) lives"),
                Ok(Found::Dead | Found::EarlierBoot) => format!("its warden (pid {pid}) is dead"),
                Ok(Found::Elsewhere) | Err(_) => {
                    format!("its warden (pid {pid}) is of another host: settle it there")
                }
            }
        }
    };
    format!(
        "task {}, run {} of profile {}: {warden}",
        run.tenure.task, run.tenure.run, run.profile
    )
}
