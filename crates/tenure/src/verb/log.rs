//! `log`: the output of a run, and with `-f` what is still being written.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tenure_store::Store;
use tenure_store::read::RunView;

use crate::cli::{Global, Log};
use crate::escape::Screen;
use crate::failure::{Code, Failure};
use crate::follow::Changes;
use crate::output;
use crate::place::Place;
use crate::run_log::{Next, RunLog};

/// How often a growing log is looked at: nobody tells of bytes in a file.
const LOOK: Duration = Duration::from_millis(200);

/// Prints it.
pub async fn run(global: &Global, args: &Log) -> Result<(), Failure> {
    let store = Place::find(global)?.read_about(args.id).await?;
    let run = wanted(&store, args).await?;
    let Some(path) = run.log.clone() else {
        return Err(missing(format!("run {} has no log", run.run_id)));
    };
    let mut log = open(&path, &run)?;
    let mut printer = Printer {
        screen: output::is_terminal().then(Screen::default),
        is_within_line: false,
    };
    if !args.follow {
        return printer.copy(&mut log);
    }
    loop {
        // Caller before reading: what was written before the end is then read for certain.
        let ended = store.run(run.run_id).await?.ended_at.is_some();
        printer.copy(&mut log)?;
        if ended {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The run that is asked for; a follower waits for the first one, and for its log.
async fn wanted(store: &Store, args: &Log) -> Result<RunView, Failure> {
    let mut changes = Changes::of(store).await;
    loop {
        let run = match args.run {
            Some(run) => Some(store.run(run).await?),
            None => store.runs(args.id).await?.pop(),
        };
        match run {
            Some(run) if run.task_id != args.id => {
                return Err(missing(format!(
                    "run {} is not of task {}, but of task {}",
                    run.run_id, args.id, run.task_id
                )));
            }
            Some(run) if run.log.is_some() || run.ended_at.is_some() || !args.follow => {
                return Ok(run);
            }
            None if !args.follow => {
                return Err(missing(format!("task {} has no run yet", args.id)));
            }
            Some(_) | None => changes.next().await,
        }
    }
}

fn missing(message: String) -> Failure {
    Failure::new(Code::NoSuch, anyhow::anyhow!(message))
}

fn open(path: &Path, run: &RunView) -> Result<RunLog, Failure> {
    RunLog::open(path).map_err(|error| {
        let folder_is_gone = path.parent().is_some_and(|folder| !folder.exists());
        if error.kind() == ErrorKind::NotFound && folder_is_gone && run.ended_at.is_some() {
            return missing(format!(
                "the log of run {} is not on this host any more: `gc` cleared it away, or it ran elsewhere",
                run.run_id
            ));
        }
        Failure::io(format!("the log {} cannot be read", path.display()), error)
    })
}

/// Prints a log; a terminal gets nothing that speaks to it.
struct Printer {
    screen: Option<Screen>,
    /// The line that was printed last has no end yet.
    is_within_line: bool,
}

impl Printer {
    /// Prints what there is, and tells of what is missing.
    fn copy(&mut self, log: &mut RunLog) -> Result<(), Failure> {
        loop {
            let next = log
                .next()
                .map_err(|error| Failure::io("the log cannot be read", error))?;
            match next {
                Next::End => return Ok(()),
                Next::Cut(bytes) => {
                    self.break_line()?;
                    output::message(format_args!(
                        "tenure: {bytes} older bytes were cut (log_max_bytes)"
                    ));
                }
                Next::Truncated => {
                    self.break_line()?;
                    output::message("tenure: the worker truncated its log");
                }
                Next::Bytes(bytes) => self.print(&bytes)?,
            }
        }
    }

    fn print(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.is_within_line = !bytes.ends_with(b"\n");
        match &mut self.screen {
            Some(screen) => output::bytes(screen.show(bytes).as_bytes()),
            None => output::bytes(bytes),
        }
    }

    /// A line whose rest was cut must not run into another.
    fn break_line(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.is_within_line) {
            return output::bytes(b"\n");
        }
        Ok(())
    }
}
