//! `diagnose`: what is wrong with tasks and runs, and the command that mends it. What counts as wrong
//! is in [`crate::diagnose`]; here is found out what that is judged by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tenure_dispatcher::examine::examine;
use tenure_guard::{RunId, TaskId};
use tenure_store::dispatcher::Dispatcher;
use tenure_store::suspects::{MOST, Scope};
use tenure_store::{Error, Store};
use tenure_warden::process::{boot_id, known_host_id};

use crate::caller::Caller;
use crate::cli::{Diagnose, Global};
use crate::diagnose::{Facts, Finding, Here, Left, Severity, Surroundings, judge};
use crate::failure::{Code, Failure};
use crate::offered;
use crate::place::Place;
use crate::{carriers, escape, folders, here, output};

/// So long a task may be blocked before somebody should have spoken of it.
const BLOCKED_LONG: Duration = Duration::from_hours(24);

/// Diagnoses; an error among the findings is a failure.
pub async fn run(global: &Global, args: Diagnose) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let findings = match (place.read().await?, args.ids.as_slice()) {
        (Some(store), ids) => diagnose(global, &place, &store, ids).await?,
        (None, []) => Vec::new(),
        (None, [id, ..]) => return Err(Error::NoSuchTask(*id).into()),
    };
    if args.json {
        output::json(&findings)?;
    } else if findings.is_empty() {
        output::line("nothing is wrong")?;
    } else {
        let text: String = findings.iter().map(text).collect();
        output::bytes(text.as_bytes())?;
    }
    if findings.iter().any(|one| one.severity == Severity::Error) {
        return Err(Failure::silent(Code::Failed));
    }
    Ok(())
}

async fn diagnose(
    global: &Global,
    place: &Place,
    store: &Store,
    ids: &[TaskId],
) -> Result<Vec<Finding>, Failure> {
    let scopes = if ids.is_empty() {
        vec![Scope::Store]
    } else {
        ids.iter().copied().map(Scope::Task).collect()
    };
    let around = Arc::new(surroundings(global, place, store).await?);
    let mut findings: Vec<Finding> = Vec::new();
    for scope in scopes {
        let facts = Facts {
            suspects: store.suspects(scope, BLOCKED_LONG).await?,
            around: Arc::clone(&around),
        };
        for cut in &facts.suspects.cut {
            output::message(format_args!(
                "tenure: there are more than {MOST} {cut}: only so many were looked at"
            ));
        }
        let found = judge(&facts).into_iter();
        let wanted = found.filter(|one| match scope {
            Scope::Store => true,
            Scope::Task(task) => one.task == Some(task),
        });
        for finding in wanted {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

async fn surroundings(
    global: &Global,
    place: &Place,
    store: &Store,
) -> Result<Surroundings, Failure> {
    let (serving, last_served) = store.serving_or_last().await?;
    let living: Vec<Dispatcher> = serving.iter().map(|one| one.dispatcher.clone()).collect();
    let here = here();
    let runs = match &here {
        Some(here) => examine(store, &here.host, &living).await?,
        None => Vec::new(),
    };
    let left = match &here {
        Some(_) => left(store).await?,
        None => Vec::new(),
    };
    Ok(Surroundings {
        serving,
        last_served,
        stopped: here::stopped(living.iter()),
        offered: offered::of(living, &place.config),
        runs,
        left,
        caller: Caller::of(global),
        here,
    })
}

/// Where this is. A host without an id ran nothing yet.
fn here() -> Option<Here> {
    Some(Here {
        host: known_host_id(&folders::state().ok()?).ok()?,
        boot: boot_id().ok()?,
    })
}

/// Processes here of runs that are not open.
async fn left(store: &Store) -> Result<Vec<Left>, Failure> {
    let folder = folders::of_store(&folders::state()?, store.instance());
    let mut by_run: BTreeMap<RunId, Vec<i32>> = BTreeMap::new();
    for carrier in carriers::carriers(&folder) {
        by_run.entry(carrier.run).or_default().push(carrier.pid);
    }
    let mut left = Vec::new();
    for (run, mut pids) in by_run {
        let task = match store.run(run).await {
            Ok(view) if view.ended_at.is_none() => continue,
            Ok(view) => Some(view.task_id),
            Err(Error::NoSuchRun(_)) => None,
            Err(error) => return Err(error.into()),
        };
        // It may have ended since, as its run did.
        pids.retain(|pid| carriers::carried(*pid, &folder) == Some(run));
        if !pids.is_empty() {
            left.push(Left { run, task, pids });
        }
    }
    Ok(left)
}

fn text(one: &Finding) -> String {
    let about = match (one.task, one.run) {
        (Some(task), Some(run)) => format!("task {task}, run {run}: "),
        (Some(task), None) => format!("task {task}: "),
        (None, Some(run)) => format!("run {run}: "),
        (None, None) => String::new(),
    };
    let mend = one.mend.as_ref().map_or(String::new(), |mend| {
        format!("{:9}mend: {}\n", "", escape::line(mend))
    });
    format!(
        "{:9}{}\n{:9}{about}{}\n{mend}",
        one.severity.name(),
        one.rule.name(),
        "",
        escape::line(&one.evidence)
    )
}
