//! What to do next: by how the newest run ended and by what holds the task, each with the exact command
//! where there is one. Nothing is advised where nothing is wrong.

use serde::Serialize;
use tenure_guard::{BlockKind, TaskId};
use tenure_store::life::{End, TaskStatus};
use tenure_store::read::{RunView, Situation};

use super::{Code, ended, parents};

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// In words.
    pub words: String,
    /// The command, where one does it.
    pub command: Option<String>,
}

fn step(words: impl Into<String>, command: impl Into<String>) -> Step {
    Step {
        words: words.into(),
        command: Some(command.into()),
    }
}

fn words(words: impl Into<String>) -> Step {
    Step {
        words: words.into(),
        command: None,
    }
}

/// What to do next, the best first.
pub fn steps(situation: &Situation) -> Vec<Step> {
    let task = &situation.task;
    let mut steps = Vec::new();
    let is_over = task.status.is_finished();
    if let Some(run) = situation.runs.first().filter(|_| !is_over)
        && let Some(code) = ended::code(run)
    {
        steps.extend(mend(task.id, run, code));
    }
    // What lapsed was on a host that nobody here can look at.
    let newest = situation.runs.first();
    let is_here = |run: &&RunView| !matches!(run.known_end(), Some(End::Lapsed { .. }));
    if newest
        .filter(is_here)
        .is_some_and(|run| run.tree_unverified)
    {
        let words = "see whether something of it is left on this host";
        steps.push(step(words, "tenure doctor"));
    }
    match (task.status, task.block_kind) {
        (TaskStatus::Blocked, Some(BlockKind::NeedsInput)) => {
            let answer = format!("tenure comment {} \"the answer\"", task.id);
            steps.push(step("answer, where its next attempt reads it", answer));
            steps.push(go_on(task.id, "let it go on"));
        }
        (TaskStatus::Blocked, Some(BlockKind::Capability)) => {
            let reassign = format!("tenure reassign {} PROFILE", task.id);
            steps.push(step("give it to a profile that can do it", reassign));
            steps.push(go_on(task.id, "or let it go on, once its profile can"));
        }
        (TaskStatus::Blocked, Some(BlockKind::Operator | BlockKind::GaveUp) | None) => {
            steps.push(go_on(task.id, "let it go on; all streaks begin anew"));
        }
        (
            TaskStatus::Todo
            | TaskStatus::Scheduled
            | TaskStatus::Ready
            | TaskStatus::Running
            | TaskStatus::Done
            | TaskStatus::Cancelled,
            _,
        ) => {}
    }
    if task.status == TaskStatus::Todo && parents::are_stuck(situation) {
        let promote = format!("tenure promote {} --force", task.id);
        let words = match situation.parents.len() {
            0 | 1 => "let it start without its parent",
            _ => "let it start without any of its parents",
        };
        steps.push(step(words, promote));
    }
    steps
}

fn go_on(task: TaskId, words: &str) -> Step {
    step(words, format!("tenure unblock {task}"))
}

/// A way to mend the cause of an end.
#[derive(Clone, Copy)]
enum Mend {
    /// Reading what the run wrote.
    Log(&'static str),
    /// Raising a limit of its profile.
    Raise(&'static str),
    /// What no command does.
    Do(&'static str),
    /// What a command does.
    Run(&'static str, &'static str),
}

/// What mends the causes of ends; whatever is not named needs no mending.
const MENDS: &[(&[Code], &[Mend])] = &[
    (
        &[Code::FailedReported, Code::FailedExit, Code::CrashedSignal],
        &[Mend::Log("read what it wrote")],
    ),
    (
        &[Code::FailedOom, Code::CrashedOom],
        &[
            Mend::Log("read what it wrote before"),
            Mend::Raise("memory_max"),
        ],
    ),
    (
        &[Code::FailedNotToldToStandDown],
        &[Mend::Do(
            "let the worker exit 79 only where its guard says \"stand down\"; any other code is a plain failure",
        )],
    ),
    (
        &[Code::ViolationNoReport],
        &[
            Mend::Log("see where it left without a report"),
            Mend::Do(
                "let it report complete, block, defer or fail before it exits, or set protocol = \"exit\"",
            ),
        ],
    ),
    (
        &[Code::TimedOut],
        &[
            Mend::Log("see what took so long"),
            Mend::Raise("max_runtime"),
        ],
    ),
    (
        &[Code::Silent],
        &[
            Mend::Log("see where it fell silent"),
            Mend::Raise("heartbeat_timeout"),
        ],
    ),
    (
        &[
            Code::SpawnNoEntry,
            Code::SpawnNoAccess,
            Code::SpawnNoProgram,
            Code::SpawnOther,
        ],
        &[
            Mend::Run(
                "mend the command, the folder or the user that is named above",
                "tenure config show",
            ),
            Mend::Run("and look at what else this host lacks", "tenure doctor"),
        ],
    ),
    (
        &[Code::NeverStartedOurs],
        &[Mend::Run("look at what this host lacks", "tenure doctor")],
    ),
    (
        &[Code::StaleEnvironment],
        &[Mend::Do(
            "find who takes TENURE_* out of the worker's environment: a wrapper, sudo, a container, a clean shell",
        )],
    ),
    (
        &[Code::ReclaimedLapsed],
        &[Mend::Do(
            "see whether the host that is named above lives and reaches the store: there, `tenure doctor` tells what is left of it",
        )],
    ),
    (
        &[Code::DeferredExit, Code::DeferredReported],
        &[Mend::Log("read why it put itself off")],
    ),
];

/// What mends the cause of an end.
fn mend(task: TaskId, run: &RunView, code: Code) -> Vec<Step> {
    let named = MENDS.iter().filter(|(codes, _)| codes.contains(&code));
    let mends = named.flat_map(|(_, mends)| *mends);
    mends
        .map(|mend| match mend {
            Mend::Log(words) => step(*words, format!("tenure log {task} --run {}", run.run_id)),
            Mend::Raise(key) => words(format!(
                "or raise {key} of its profile, where that is too little"
            )),
            Mend::Do(what) => words(*what),
            Mend::Run(words, command) => step(*words, *command),
        })
        .collect()
}
