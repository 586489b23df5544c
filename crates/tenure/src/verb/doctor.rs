//! `doctor`: looks at this machine as a dispatcher would find it, and says of each thing that is
//! missing what that costs and the way out. It creates and changes nothing.
//!
//! A file a subject; what is right for tasks and runs is not asked here.

mod clock;
mod folders;
mod hooks;
mod kernel;
mod leftovers;
mod limits;
mod programs;
mod server;
mod store;
mod unit;

use serde::Serialize;
use tenure_store::Store;
use tenure_store::dispatcher::Dispatcher;
use tenure_warden::process::{Found, Process, known_host_id};

use crate::caller::Caller;
use crate::cli::{Doctor, Global};
use crate::failure::{Code, Failure};
use crate::place::Place;
use crate::{escape, output};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Something is missing that a dispatcher can do without, at a cost.
    Notice,
    /// A promise cannot be kept, or nothing works at all.
    Problem,
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    check: &'static str,
    severity: Severity,
    found: String,
    #[serde(flatten)]
    lack: Option<Lack>,
}

/// What is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Lack {
    cost: String,
    mend: String,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            severity: Severity::Ok,
            found: found.into(),
            lack: None,
        }
    }

    fn notice(
        check: &'static str,
        found: impl Into<String>,
        cost: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            check,
            severity: Severity::Notice,
            found: found.into(),
            lack: Some(Lack {
                cost: cost.into(),
                mend: mend.into(),
            }),
        }
    }

    fn problem(
        check: &'static str,
        found: impl Into<String>,
        cost: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Problem,
            ..Self::notice(check, found, cost, mend)
        }
    }

    fn text(&self) -> String {
        let severity = match self.severity {
            Severity::Ok => "ok",
            Severity::Notice => "notice",
            Severity::Problem => "problem",
        };
        let first = format!(
            "{severity:8} {:11}{}\n",
            self.check,
            escape::line(&self.found)
        );
        match &self.lack {
            None => first,
            Some(Lack { cost, mend }) => format!(
                "{first}{:20}it costs: {}\n{:20}way out: {}\n",
                "",
                escape::line(cost),
                "",
                escape::line(mend)
            ),
        }
    }
}

/// Looks at everything; a problem is a failure.
pub async fn run(global: &Global, args: &Doctor) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let (store, mut findings) = store::look(&place).await;
    let served = match &store {
        Some(store) => living_here(store).await,
        None => None,
    };
    if let Some(store) = &store {
        findings.extend(store::served(store, served.as_ref()).await);
        findings.extend(server::look(store).await);
    }
    findings.extend(clock::look(store.as_ref()).await);
    findings.extend(kernel::look(served.as_ref()));
    findings.extend(limits::look(&place.config, served.as_ref()));
    findings.extend(folders::look(global, &place));
    findings.push(programs::look()?);
    findings.extend(hooks::look(&place.config.hooks));
    findings.extend(unit::look());
    if let Some(store) = &store {
        findings.extend(leftovers::look(store).await);
    }
    let caller = Caller::of(global);
    for lack in findings.iter_mut().filter_map(|one| one.lack.as_mut()) {
        lack.mend = caller.message(&lack.mend);
    }
    if args.json {
        output::json(&findings)?;
    } else {
        let text: String = findings.iter().map(Finding::text).collect();
        output::bytes(text.as_bytes())?;
    }
    let is_ill = findings
        .iter()
        .any(|finding| finding.severity == Severity::Problem);
    if is_ill {
        return Err(Failure::silent(Code::Failed));
    }
    Ok(())
}

/// The dispatcher that serves this store on this host, where one does: what holds for its process
/// matters more than what holds for ours.
async fn living_here(store: &Store) -> Option<Dispatcher> {
    let host = known_host_id(&crate::folders::state().ok()?).ok()?;
    let living = store.living_dispatchers().await.ok()?;
    living.into_iter().find(|dispatcher| {
        matches!(
            Process::find(&dispatcher.process, &host),
            Ok(Found::Alive(_))
        )
    })
}

/// The process whose surroundings count: the dispatcher's, else our own.
fn subject(served: Option<&Dispatcher>) -> String {
    served.map_or_else(
        || "self".to_owned(),
        |dispatcher| dispatcher.process.pid.to_string(),
    )
}
