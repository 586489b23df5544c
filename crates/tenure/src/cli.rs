//! The command line: which verbs and flags there are. What they do is in [`crate::verb`].

mod add;
mod migrate;
mod people;
mod value;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tenure_guard::{RunId, TaskId};
use tenure_store::duration;
use tenure_store::event::EventKind;
use tenure_store::life::TaskStatus;

pub use add::Add;
pub use migrate::Migrate;
pub use people::{
    Act, Block, Cancel, Comment, Complete, Drain, Edit, Ending, Patience, Pause, Promote, Reassign,
};
pub use value::{not_before, task_id};
pub use worker::{Defer, Fail, Guard, Heartbeat};

use crate::config::Flags;

/// Reads the command line; a wrong one ends the program with code 2.
pub fn parse() -> Cli {
    Cli::parse()
}

/// Dispatches real processes so that a stale worker cannot finish, a restarted daemon cannot run a
/// task twice, and every failure comes with its cause.
#[derive(Debug, Parser)]
#[command(
    name = "tenure",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 no such task or run, 4 refused in this state, 75 store busy or away, 79 not the owner."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Where the help of each verb says what is not about the verb.
const WHERE: &str = "Before or after the verb";

/// Before or after the verb.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// The store
    #[arg(
        long,
        global = true,
        help_heading = WHERE,
        value_name = "URL",
        help = "The store: a path, sqlite:///path or postgres://user@host/database [env: TENURE_DB]"
    )]
    pub db: Option<String>,
    /// A configuration file over those of the system and the user
    #[arg(long, global = true, help_heading = WHERE, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Global {
    /// What this says about the configuration, the variable included.
    pub fn flags(&self) -> Flags {
        Flags {
            file: self.config.clone(),
            db: self.db.clone(),
            db_variable: std::env::var("TENURE_DB")
                .ok()
                .filter(|url| !url.is_empty()),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Dispatch in the foreground until told to stop
    Serve(Serve),
    /// Submit a task file, dispatch only that until nothing of it can move without a person
    Run(Run),
    /// Add one task
    Add(Box<Add>),
    /// Add the tasks of a file, all or none
    Submit(Submit),
    /// List tasks; unfinished ones, unless asked for others
    List(List),
    /// Show all about one task; inside a worker its own, unless named
    Show(Show),
    /// Show the runs of a task
    Runs(One),
    /// Print the output of a task's newest run
    Log(Log),
    /// Print what happened
    Events(Events),
    /// Wait until tasks are done, or cannot move without a person
    Wait(Wait),
    /// Say why a task stands where it stands, why its runs ended so, and what to do next
    Explain(One),
    /// Show how the store as a whole is doing
    Stats(Stats),
    /// Leave a remark: `comment ID TEXT`; inside a worker `comment TEXT`
    Comment(Comment),
    /// Let a task wait for a person: `block ID`; inside a worker report it blocked
    Block(Block),
    /// Let a blocked task go on; its streaks start anew
    Unblock(Act),
    /// The task is not wanted any more; its run is ended
    Cancel(Cancel),
    /// End a task's run and keep the task from starting again
    Stop(Ending),
    /// Try a task again from a clean slate, also one that is over
    Retry(Act),
    /// Take a running task back and leave it ready
    Reclaim(Ending),
    /// The work is done: `complete ID`; inside a worker report it complete
    Complete(Complete),
    /// Put a task away; what is not finished is cancelled
    Archive(Ending),
    /// Let a task start now instead of at its time
    Promote(Promote),
    /// Give a task to another profile
    Reassign(Reassign),
    /// Mend a task that is stuck
    Edit(Edit),
    /// Start nothing of the store, of a profile or of a task; what runs goes on
    Pause(Pause),
    /// Let it start again
    Resume(Pause),
    /// Let a dispatcher take nothing new, finish its runs and leave
    Drain(Drain),
    /// In a worker: I am alive
    Heartbeat(Heartbeat),
    /// In a worker: not now
    Defer(Defer),
    /// In a worker: the work failed
    Fail(Fail),
    /// The worker's self-check
    #[command(subcommand)]
    Guard(Guard),
    /// Say what is wrong with tasks and runs, and the command that mends it
    Diagnose(Diagnose),
    /// Look at this machine, and say what is missing, what that costs and the way out
    Doctor(Doctor),
    /// After a stop: end what still runs and close what is left
    Settle(Settle),
    /// Clear away what is old: events, logs and folders of runs, archived tasks
    Gc(Gc),
    /// Copy the store into a file, while everything goes on
    Backup(Backup),
    /// Move the store to another database, with its whole history
    Migrate(Migrate),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Print what a shell completes this command line with
    Completions(Completions),
    /// Print the version
    Version(Version),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// How logs are written to the standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

#[derive(Debug, Args)]
pub struct Run {
    /// The task file
    pub file: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// How logs are written to the standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

#[derive(Debug, Args)]
pub struct Submit {
    /// The task file
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct List {
    /// Finished ones too
    #[arg(long)]
    pub all: bool,
    /// Only those of this status
    #[arg(long)]
    pub status: Option<TaskStatus>,
    /// Only those of this assignee
    #[arg(long, value_name = "PROFILE")]
    pub assignee: Option<String>,
    /// At most so many rows; 50, and with --json all
    #[arg(long, value_name = "N", value_parser = value::count, allow_negative_numbers = true)]
    pub limit: Option<u32>,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct One {
    /// The task
    #[arg(value_parser = task_id, allow_negative_numbers = true)]
    pub id: TaskId,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Show {
    /// The task
    #[arg(value_parser = task_id, allow_negative_numbers = true)]
    pub id: Option<TaskId>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Stats {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Log {
    /// The task
    #[arg(value_parser = task_id, allow_negative_numbers = true)]
    pub id: TaskId,
    /// Go on until the run has ended
    #[arg(short, long)]
    pub follow: bool,
    /// Of this run instead of the newest
    #[arg(long, value_name = "N", value_parser = value::run_id, allow_negative_numbers = true)]
    pub run: Option<RunId>,
}

#[derive(Debug, Args)]
pub struct Events {
    /// Only this task's
    #[arg(value_parser = task_id, allow_negative_numbers = true)]
    pub id: Option<TaskId>,
    /// Go on as things happen; begins with the last ten, or with the whole history of one task
    #[arg(short, long)]
    pub follow: bool,
    /// Only those after this event
    #[arg(long, value_name = "EVENT")]
    pub after: Option<i64>,
    /// Only those of this kind
    #[arg(long)]
    pub kind: Option<EventKind>,
    /// Print a JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Wait {
    /// The tasks
    #[arg(required = true, value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub ids: Vec<TaskId>,
    /// Give up after this long, with code 75
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// Print where the tasks stand as a JSON array
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Print the configuration in force, and where each value came from
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Diagnose {
    /// Only these tasks; the whole store without
    #[arg(value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub ids: Vec<TaskId>,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Settle {
    /// Only where the service manager is stopping this unit, and not restarting it
    #[arg(long, value_name = "NAME")]
    pub unit: Option<String>,
    /// The unit is one of this user's manager
    #[arg(long, requires = "unit")]
    pub user: bool,
    /// Instead, kill what is left on this host of a run that is closed
    #[arg(long, value_name = "N", value_parser = value::run_id, allow_negative_numbers = true, conflicts_with = "unit")]
    pub run: Option<RunId>,
}

#[derive(Debug, Args)]
pub struct Gc {
    /// Events of finished tasks that are older than this
    #[arg(long, value_name = "AGE", value_parser = value::age, default_value = "30d")]
    pub events_older: Duration,
    /// Logs and folders of runs, of finished tasks, that ended longer ago than this
    #[arg(long, value_name = "AGE", value_parser = value::age, default_value = "30d")]
    pub logs_older: Duration,
    /// Tasks that were archived longer ago than this, with everything of theirs
    #[arg(long, value_name = "AGE", value_parser = value::age, default_value = "30d")]
    pub archived_older: Duration,
    /// Only say what would be cleared away
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Backup {
    /// The file; nothing may have that name yet
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell
    pub shell: Shell,
}

/// The shells that are known.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub struct Version {
    /// Print JSON, with the versions of the shapes that scripts read
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use tenure_store::life::{LimitsLayer, Protocol, TempfailExit};

    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_declaration_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_store_is_named_before_or_after_the_verb() {
        for line in ["tenure --db /x list", "tenure list --db /x"] {
            assert_eq!(
                read(line).unwrap().global.db.as_deref(),
                Some("/x"),
                "{line}"
            );
        }
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        for line in [
            "tenure",
            "tenure nonsense",
            "tenure show x",
            "tenure list --status lost",
            "tenure wait",
            "tenure wait 1 --timeout 90",
            "tenure add --env TENURE_X=1 -- true",
            "tenure add --env X -- true",
            "tenure add --not-before noon -- true",
            "tenure add true",
            "tenure comment",
            "tenure guard",
            "tenure migrate --from /a",
            "tenure migrate --from /a --to /b --undo",
            "tenure fail",
        ] {
            let error = read(line).map(|_| ()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_readme_frees_tasks_by_commands_that_are_there() {
        let readme = include_str!("../../../README.md");
        let commands = readme.split("```sh stuck\n").nth(1).unwrap();
        let commands = commands.split("```").next().unwrap();
        assert!(commands.lines().count() > 10);
        for line in commands.lines() {
            let command = line.split('#').next().unwrap();
            if let Err(error) = read(command) {
                panic!("{command}: {error}");
            }
        }
    }

    #[test]
    fn every_limit_is_a_flag() {
        let line = "tenure add --protocol report --max-failures 1 --violation-limit 2 --max-defers 3 --defer-for 4s \
            --max-benign 5 --max-lost 6 --backoff 10ms..1s --max-runtime 7s --heartbeat-timeout 8s --tempfail-exit off -- true";
        let Verb::Add(add) = read(line).unwrap().verb else {
            panic!("another verb was read");
        };
        let limits = LimitsLayer::from(add.limits).resolve();
        assert_eq!(limits.protocol, Protocol::Report);
        assert_eq!(limits.backoff.base, Duration::from_millis(10));
        assert_eq!(limits.tempfail_exit, TempfailExit::Off);
        assert_eq!(limits.heartbeat_timeout, Some(Duration::from_secs(8)));
    }

    #[test]
    fn the_short_help_reads_well() {
        insta::assert_snapshot!(Cli::command().term_width(100).render_help());
    }
}
