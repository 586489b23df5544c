//! The worker's side of the command line: identity from the environment, over the warden's socket;
//! on the configured store where there is no socket.

use std::time::Duration;

use serde_json::Value;
use tenure_guard::wire::{Added, Answer, Op};
use tenure_guard::{AddId, Guard, Identity, NoIdentity, Reason, Report, ReportId, Verdict};
use tenure_store::Store;
use tenure_store::task::NewTask;
use tenure_warden::carry_out::carry_out;

use crate::cli::Global;
use crate::failure::{Code, Failure};
use crate::place::Place;

/// Whether this process was started as a worker, or by one.
pub fn is_worker() -> bool {
    std::env::var_os(tenure_guard::env::TASK_ID).is_some()
}

/// Whether a verb that people and workers share is the worker's: a worker that names a store acts
/// there as a person does.
pub fn is_inside(global: &Global) -> bool {
    let flags = global.flags();
    is_worker() && flags.db.is_none() && flags.db_variable.is_none()
}

/// Refuses what only a worker can say, and an id that only a person gives.
///
/// # Errors
/// A usage error.
pub fn require(verb: &str, id: Option<impl std::fmt::Debug>) -> Result<(), Failure> {
    match (is_worker(), id) {
        (true, None) => Ok(()),
        (true, Some(id)) => Err(Failure::usage(format!(
            "inside a worker `{verb}` is about its own task and takes no id: leave {id:?} out"
        ))),
        (false, _) => Err(Failure::usage(format!(
            "not a worker: `{verb}` is a worker's word, and TENURE_TASK_ID is not set"
        ))),
    }
}

/// What a worker says about its run.
pub enum Word {
    /// I am alive.
    Heartbeat(Option<String>),
    /// A remark.
    Comment(String),
    /// How it ended.
    Report(Report),
}

/// Says it.
///
/// # Errors
/// Not the owner (79); refused (4); where there is no warden, what the store says.
pub fn say(global: &Global, word: Word) -> Result<(), Failure> {
    let guard = Guard::from_env()?;
    if guard.identity().socket.is_none() {
        return on_store(global, guard.identity().clone(), word);
    }
    match word {
        Word::Heartbeat(note) => guard.heartbeat(note.as_deref())?,
        Word::Comment(text) => guard.comment(&text)?,
        Word::Report(report) => {
            guard.report(&report)?;
        }
    }
    Ok(())
}

/// How long a store that is away is left alone before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Adds a task to this worker's own store.
///
/// # Errors
/// As [`say`].
pub fn add(global: &Global, task: &NewTask) -> Result<Added, Failure> {
    let id = AddId::random();
    let task = serde_json::to_value(task).map_err(|error| Failure::new(Code::Failed, error))?;
    let data = ask(global, &Op::Add { id, task })?;
    serde_json::from_value(data).map_err(|error| Failure::new(Code::Failed, error))
}

/// Asks for what only the store knows. A worker is never told that its store is away: it waits, as
/// for a report that is kept, for as long as its run may last.
///
/// # Errors
/// As [`say`].
pub fn ask(global: &Global, op: &Op) -> Result<Value, Failure> {
    let guard = Guard::from_env()?;
    if guard.identity().socket.is_none() {
        return ask_store(global, guard.identity().clone(), op.clone());
    }
    loop {
        match guard.look(op.clone()) {
            Err(tenure_guard::Error::Later { .. }) => std::thread::sleep(PAUSE),
            answer => return Ok(answer?),
        }
    }
}

fn ask_store(global: &Global, identity: Identity, op: Op) -> Result<Value, Failure> {
    let place = Place::configured(global)?;
    let tenure = identity.tenure;
    crate::verb::block_on(async {
        let store = place.change(tenure.task).await?;
        let answer = carry_out(&store, tenure, op).await?;
        crate::place::poke(&store).await;
        if let Answer::Data { data } = answer {
            return Ok(data);
        }
        let problem = anyhow::anyhow!("the store answered {answer:?}");
        Err(Failure::new(Code::Failed, problem))
    })
}

fn on_store(global: &Global, identity: Identity, word: Word) -> Result<(), Failure> {
    let place = Place::configured(global)?;
    let tenure = identity.tenure;
    crate::verb::block_on(async {
        let store = place.change(tenure.task).await?;
        match word {
            Word::Heartbeat(note) => store.heartbeat(tenure, note).await?,
            Word::Comment(text) => store.comment_as_worker(tenure, text).await?,
            Word::Report(report) => {
                report
                    .validate()
                    .map_err(|error| Failure::new(Code::Usage, error))?;
                store.report(tenure, ReportId::random(), report).await?;
            }
        }
        crate::place::poke(&store).await;
        Ok(())
    })
}

/// Does this worker still own its task? What cannot be known is "stand down".
///
/// # Errors
/// Where this is no worker at all.
pub fn check(global: &Global) -> Result<Verdict, Failure> {
    let identity = match Identity::from_env() {
        Ok(identity) => identity,
        Err(NoIdentity::StandDown(reason)) => return Ok(Verdict::StandDown { reason }),
        Err(error @ NoIdentity::NotAWorker) => return Err(Failure::new(Code::Usage, error)),
    };
    let verdict = if identity.socket.is_some() {
        let guard = Guard::new(identity);
        guard.check().map_err(|error| error.to_string())
    } else {
        check_on_store(global, &identity).map_err(|failure| failure.message())
    };
    Ok(verdict.unwrap_or_else(|problem| {
        crate::output::message(format_args!("tenure: {}", crate::escape::line(&problem)));
        Verdict::StandDown {
            reason: Reason::StoreUnreachable,
        }
    }))
}

fn check_on_store(global: &Global, identity: &Identity) -> Result<Verdict, Failure> {
    let place = Place::configured(global)?;
    crate::verb::block_on(async {
        let store: Option<Store> = place.read().await?;
        match store {
            Some(store) => Ok(store.check(&identity.tenure).await?),
            None => Ok(Verdict::StandDown {
                reason: Reason::StoreUnreachable,
            }),
        }
    })
}
