//! The flags of `add`, and the limits among them. Which work they make is left to [`crate::verb`].

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use tenure_guard::TaskId;
use tenure_store::duration;
use tenure_store::life::{
    Backoff, BackoffBy, CatchUp, LimitsLayer, OnExit, Overlap, Protocol, TempfailExit,
};
use tenure_store::task::NotBefore;

use super::value::{
    backoff, backoff_by, count, not_before, on_exit, priority, task_id, tempfail, variable,
};

#[derive(Debug, Default, Args)]
pub struct Add {
    /// What people see; the command line stands in
    #[arg(long, allow_hyphen_values = true)]
    pub title: Option<String>,
    /// What the worker is to do, in words
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub body: String,
    /// The profile that does it, instead of a command
    #[arg(long, value_name = "PROFILE", value_parser = NonEmptyStringValueParser::new())]
    pub assignee: Option<String>,
    /// A task that must be done first; may be repeated
    #[arg(long, value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub after: Vec<TaskId>,
    /// A task that must have come to an end, however; may be repeated
    #[arg(long, value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub after_any_end: Vec<TaskId>,
    /// A task that must have been given up; where it is done, this one is cancelled
    #[arg(long, value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub after_failure: Vec<TaskId>,
    /// Higher first
    #[arg(long, value_name = "N", default_value = "0", value_parser = priority, allow_negative_numbers = true)]
    pub priority: i32,
    /// What the profile must offer; may be repeated
    #[arg(long = "skill", value_name = "SKILL", value_parser = NonEmptyStringValueParser::new())]
    pub skills: Vec<String>,
    /// A label that the dispatcher must have, like gpu; may be repeated
    #[arg(long = "require", value_name = "LABEL", value_parser = NonEmptyStringValueParser::new())]
    pub requires: Vec<String>,
    /// What it shares with others that shall not all run at once, like repo:x
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    pub limit_key: Option<String>,
    /// How many with its limit key may run at once, this one among them; 1 where nothing is said
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, requires = "limit_key")]
    pub limit: Option<u32>,
    /// Not before this time: RFC 3339, or +30m
    #[arg(long, value_name = "TIME", value_parser = not_before)]
    pub not_before: Option<NotBefore>,
    /// Not before so long after now
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub delay: Option<Duration>,
    /// Again and again, so far apart
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub every: Option<Duration>,
    /// Again and again, at the times of a cron expression, like "0 3 * * *"
    #[arg(long, value_name = "EXPRESSION")]
    pub cron: Option<String>,
    /// Whose times those of --cron are, like Europe/Berlin; UTC
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// What happens at a time while an earlier one goes on: skip, queue or replace
    #[arg(long, value_name = "POLICY")]
    pub overlap: Option<Overlap>,
    /// What happens with times that nobody dispatched at: skip, one or all
    #[arg(long, value_name = "POLICY")]
    pub catch_up: Option<CatchUp>,
    /// Where it runs; the current folder
    #[arg(long, value_name = "FOLDER")]
    pub cwd: Option<PathBuf>,
    /// A variable for the worker; may be repeated
    #[arg(long, value_name = "K=V", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// An idempotency key: the same key is the same task, for ever
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub key: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The command and its arguments, as they stand: nothing in them is replaced
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
    // Last, because its heading holds for whatever follows it.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// The keys of `[defaults]` as flags.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits, over those of the profile")]
pub struct LimitFlags {
    /// How the worker says that it is done: exit or report
    #[arg(long)]
    pub protocol: Option<Protocol>,
    /// Bad ends in a row that block the task
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub max_failures: Option<u32>,
    /// Exits 0 without a report in a row that block the task
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub violation_limit: Option<u32>,
    /// "Try later" in a row that block the task
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub max_defers: Option<u32>,
    /// The wait after a "try later" that names no time
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub defer_for: Option<Duration>,
    /// Benign ends in a row that block the task
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub max_benign: Option<u32>,
    /// Lost ends in a row that block the task
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub max_lost: Option<u32>,
    /// Blocks that its worker reports that block the task for good
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub max_blocks: Option<u32>,
    /// The wait before the next attempt, as BASE..MAX, like 2s..10m
    #[arg(long, value_name = "BASE..MAX", value_parser = backoff)]
    pub backoff: Option<Backoff>,
    /// The same after one outcome, like `timed_out=1m..1h`; may be repeated
    #[arg(long, value_name = "OUTCOME=BASE..MAX", value_parser = backoff_by)]
    pub backoff_by: Vec<BackoffBy>,
    /// What follows from an exit code or a signal: retry, `block:needs_input`, defer:5m, `give_up`; like
    /// `2=block:needs_input`; may be repeated
    #[arg(long, value_name = "EXIT=RULE", value_parser = on_exit)]
    pub on_exit: Vec<OnExit>,
    /// How long a run may take
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub max_runtime: Option<Duration>,
    /// How long the worker may be silent
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub heartbeat_timeout: Option<Duration>,
    /// Which exit code means "try later", or off
    #[arg(long, value_name = "CODE", value_parser = tempfail)]
    pub tempfail_exit: Option<TempfailExit>,
}

impl From<LimitFlags> for LimitsLayer {
    fn from(flags: LimitFlags) -> Self {
        Self {
            protocol: flags.protocol,
            max_failures: flags.max_failures,
            violation_limit: flags.violation_limit,
            max_defers: flags.max_defers,
            defer_for: flags.defer_for,
            max_benign: flags.max_benign,
            max_lost: flags.max_lost,
            max_blocks: flags.max_blocks,
            backoff: flags.backoff,
            backoff_by: last_first(flags.backoff_by, BackoffBy::over),
            on_exit: last_first(flags.on_exit, OnExit::over),
            max_runtime: flags.max_runtime,
            heartbeat_timeout: flags.heartbeat_timeout,
            tempfail_exit: flags.tempfail_exit,
        }
    }
}

/// What was said by several flags, of which a later one goes over an earlier one.
fn last_first<T>(said: Vec<T>, over: fn(T, T) -> T) -> Option<T> {
    said.into_iter()
        .reduce(|earlier, later| over(later, earlier))
}
