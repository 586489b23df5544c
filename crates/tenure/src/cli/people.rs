//! What people want of tasks, of what may start, and of dispatchers.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tenure_guard::{BlockKind, TaskId};
use tenure_store::duration;

use super::value::{block_kind, json, task_id, words};

#[derive(Debug, Args)]
#[command(
    override_usage = "tenure comment [OPTIONS] <ID> <TEXT>\n       tenure comment [OPTIONS] <TEXT>    (in a worker)"
)]
pub struct Comment {
    /// The task and the remark; in a worker just the remark
    #[arg(required = true, num_args = 1..=2, value_name = "WORDS")]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Block {
    /// The tasks; not in a worker
    #[arg(value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub ids: Vec<TaskId>,
    /// Why it waits: `needs_input`, `capability`, or a person's `operator` (the default)
    #[arg(long, value_parser = block_kind)]
    pub kind: Option<BlockKind>,
    /// In words what it waits for; must be given, but for --after
    #[arg(long, value_parser = words, allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// In a worker: go on, as a new run, once this task is done
    #[arg(long, value_name = "ID", value_parser = task_id, allow_negative_numbers = true, conflicts_with = "kind")]
    pub after: Option<TaskId>,
    #[command(flatten)]
    pub patience: Patience,
    /// Print a JSON array of what became of each
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Act {
    /// The tasks
    #[arg(required = true, value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub ids: Vec<TaskId>,
    /// Why, for the record
    #[arg(long, allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// Print a JSON array of what became of each
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Ending {
    #[command(flatten)]
    pub act: Act,
    #[command(flatten)]
    pub patience: Patience,
}

#[derive(Debug, Args)]
pub struct Cancel {
    #[command(flatten)]
    pub ending: Ending,
    /// And every unfinished task that waits for it, directly or through others
    #[arg(long)]
    pub tree: bool,
    /// Only say what would become of each
    #[arg(long)]
    pub dry_run: bool,
}

/// For verbs that take a running task away.
#[derive(Clone, Copy, Debug, Args)]
pub struct Patience {
    /// Only ask; do not wait until the run has ended
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait for the end, else code 75
    #[arg(long, value_name = "D", value_parser = duration::parse, default_value = "2m")]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub struct Complete {
    /// The tasks; not in a worker
    #[arg(value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub ids: Vec<TaskId>,
    /// What came of it, for people and for the task's children
    #[arg(long, allow_hyphen_values = true)]
    pub summary: Option<String>,
    /// The same for programs
    #[arg(long, value_name = "JSON", value_parser = json, allow_hyphen_values = true)]
    pub metadata: Option<serde_json::Value>,
    /// A file that came of it; may be given again
    #[arg(long = "artifact", value_name = "PATH")]
    pub artifacts: Vec<PathBuf>,
    /// Why a person says so, for the record; not in a worker
    #[arg(long, allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// Print a JSON array of what became of each; not in a worker
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Promote {
    #[command(flatten)]
    pub act: Act,
    /// Also where parents are not done: it waits for none of them any more
    #[arg(long)]
    pub force: bool,
    /// Only say what would become of each
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Reassign {
    /// The tasks, and last who is to do them
    #[arg(required = true, value_parser = task_id, allow_negative_numbers = true)]
    pub ids: Vec<TaskId>,
    /// Who is to do them
    #[arg(required = true)]
    pub profile: String,
    /// Take it back first, where it runs
    #[arg(long)]
    pub reclaim: bool,
    /// Why, for the record
    #[arg(long, allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// Print a JSON array of what became of it
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub patience: Patience,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and any of them may be given"
)]
#[group(id = "mend", required = true, multiple = true, args = ["clear_skills", "clear_requires", "reset_failures", "clear_claim"])]
pub struct Edit {
    #[command(flatten)]
    pub act: Act,
    /// It requires no skills any more
    #[arg(long)]
    pub clear_skills: bool,
    /// It requires no labels any more
    #[arg(long)]
    pub clear_requires: bool,
    /// All its streaks begin at 0
    #[arg(long)]
    pub reset_failures: bool,
    /// No run that is dead has it any more
    #[arg(long)]
    pub clear_claim: bool,
}

#[derive(Debug, Args)]
pub struct Pause {
    /// The tasks; without any the whole store
    #[arg(value_name = "ID", value_parser = task_id, allow_negative_numbers = true)]
    pub ids: Vec<TaskId>,
    /// Whatever is of this profile
    #[arg(long, value_name = "PROFILE", conflicts_with = "ids")]
    pub profile: Option<String>,
    /// Why, for the record
    #[arg(long, allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// Print a JSON array of what became of each
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Drain {
    /// Which dispatcher, by its id, or all of a host, by its name; without it the only living one
    #[arg(value_name = "DISPATCHER|HOST")]
    pub which: Option<String>,
    /// Why, for the record
    #[arg(long, allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// Only ask; do not wait until it has left
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait until it has left, else code 75; without it as long as its runs take
    #[arg(long, value_name = "D", value_parser = duration::parse, conflicts_with = "no_wait")]
    pub timeout: Option<Duration>,
}
