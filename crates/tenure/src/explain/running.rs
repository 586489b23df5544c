//! How far an open run is, and who stands over it.

use tenure_store::life::{Ask, RunStatus};
use tenure_store::read::{RunView, Situation};

use super::{Code, Reason};

/// That its warden can do nothing, where that is so; then what its run does.
pub fn reasons(situation: &Situation, is_warden_stopped: bool) -> Vec<Reason> {
    let task = &situation.task;
    let Some(run) = open_run(situation) else {
        let words = "the task names a run that is not among its newest";
        let reason = Reason::new(Code::Unattended, words, "the residue is cleared");
        return vec![reason.command(format!("tenure edit {} --clear-claim", task.id))];
    };
    let warden = run.warden_pid.filter(|_| is_warden_stopped);
    let stopped = warden.map(|pid| warden_stopped(run, pid));
    stopped
        .into_iter()
        .chain([reason(situation, run)])
        .collect()
}

/// The run that is open, where the task names one of its newest.
pub fn open_run(situation: &Situation) -> Option<&RunView> {
    let mut runs = situation.runs.iter();
    runs.find(|run| Some(run.run_id) == situation.task.current_run_id)
}

fn warden_stopped(run: &RunView, pid: i32) -> Reason {
    let words = format!(
        "the warden of run {} (pid {pid}) is stopped (SIGSTOP): it passes nothing on and ends nothing",
        run.run_id
    );
    Reason::new(Code::WardenStopped, words, "the process is let go on")
        .command(format!("kill -CONT {pid}"))
}

fn reason(situation: &Situation, run: &RunView) -> Reason {
    let task = &situation.task;
    let is_attended = situation
        .dispatchers
        .iter()
        .any(|serving| serving.dispatcher.id == run.dispatcher_id);
    match run.status {
        _ if !is_attended => unattended(run),
        RunStatus::Claimed => Reason::new(
            Code::Starting,
            format!(
                "run {} was claimed, and its command is about to start",
                run.run_id
            ),
            "its warden is made, and its room",
        )
        .since(run.claimed_at),
        RunStatus::Ending => ending(run),
        RunStatus::Running | RunStatus::Ended => Reason::new(
            Code::Running,
            format!("run {} works{}{}", run.run_id, pid(run), note(run)),
            "its worker ends",
        )
        .since(run.started_at.unwrap_or(run.claimed_at))
        .until(run.deadline_at)
        .command(format!("tenure log -f {}", task.id)),
    }
}

fn unattended(run: &RunView) -> Reason {
    let words = format!(
        "run {} is open{}, and its dispatcher is gone; its warden keeps it, and keeps what it reports",
        run.run_id,
        pid(run)
    );
    let change =
        "the next dispatcher of its host takes the run up, or closes it where nothing of it lives";
    Reason::new(Code::Unattended, words, change)
        .since(run.claimed_at)
        .command("tenure serve")
}

fn pid(run: &RunView) -> String {
    run.pid
        .map(|pid| format!(" as pid {pid}"))
        .unwrap_or_default()
}

fn note(run: &RunView) -> String {
    run.note
        .as_ref()
        .map(|note| format!(", and says: {note}"))
        .unwrap_or_default()
}

fn ending(run: &RunView) -> Reason {
    let (words, since) = match (&run.ask, &run.report) {
        (_, Some(_)) => (
            format!("run {} has reported how it ended", run.run_id),
            run.reported_at,
        ),
        (Some(ask), None) => (
            format!("run {} was asked to end: {}", run.run_id, asked(run, *ask)),
            run.asked_at,
        ),
        (None, None) => (format!("run {} ends", run.run_id), None),
    };
    let change = "its whole tree is dead: TERM, kill_grace, KILL";
    Reason::new(Code::Ending, words, change).since(since.unwrap_or(run.claimed_at))
}

/// What was asked, by whom and why.
pub(super) fn asked(run: &RunView, ask: Ask) -> String {
    let by = run.ask_by.as_deref().unwrap_or("somebody");
    match &run.ask_reason {
        Some(reason) => format!("{ask}, by {by}: {reason}"),
        None => format!("{ask}, by {by}"),
    }
}
