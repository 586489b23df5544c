//! `pause` and `resume`: what may start, and what may not. What runs goes on either way.

use serde::Serialize;
use tenure_guard::TaskId;
use tenure_store::Store;
use tenure_store::pause::{Pausable, PauseChange};

use crate::caller::Caller;
use crate::cli::{Global, Pause};
use crate::failure::{Code, Failure};
use crate::offered;
use crate::place::{self, Place};
use crate::verb::runs::seconds;
use crate::{escape, output};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It starts nothing from now on.
    Pause,
    /// It starts tasks again.
    Resume,
}

/// What became of one, as scripts see it.
#[derive(Serialize)]
struct Answer {
    /// `store`, or `profile:NAME`, where it is no task.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<TaskId>,
    ok: bool,
    #[serde(flatten)]
    change: Option<PauseChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Does it for each.
pub async fn run(global: &Global, args: Pause, change: Change) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let caller = Caller::of(global);
    let store = match args.ids.first() {
        Some(&first) => place.change(first).await?,
        None => place.open().await?,
    };
    let what = match &args.profile {
        Some(profile) => {
            if change == Change::Pause {
                let offered = offered::at(&store, &place.config).await?;
                offered.check_profile(profile).map_err(Failure::usage)?;
            }
            vec![Pausable::Profile(profile.clone())]
        }
        None if args.ids.is_empty() => vec![Pausable::Store],
        None => args.ids.iter().copied().map(Pausable::Task).collect(),
    };
    let mut answers = Vec::with_capacity(what.len());
    let mut code: Option<Code> = None;
    for one in what {
        let changed = carry_out(&store, &one, change, args.reason.clone()).await;
        if let Err(failure) = &changed {
            code = code.or(Some(failure.code));
        }
        if !args.json {
            tell(&one, change, &changed, &caller)?;
        }
        answers.push(answer(&one, changed, &caller));
    }
    place::poke(&store).await;
    if args.json {
        output::json(&answers)?;
    }
    code.map_or(Ok(()), |code| Err(Failure::silent(code)))
}

async fn carry_out(
    store: &Store,
    what: &Pausable,
    change: Change,
    reason: Option<String>,
) -> Result<PauseChange, Failure> {
    let what = what.clone();
    let changed = match change {
        Change::Pause => store.pause(what, place::by(), reason).await,
        Change::Resume => store.resume(what, place::by(), reason).await,
    };
    Ok(changed?)
}

fn tell(
    what: &Pausable,
    change: Change,
    changed: &Result<PauseChange, Failure>,
    caller: &Caller,
) -> Result<(), Failure> {
    let changed = match changed {
        Ok(changed) => changed,
        Err(failure) => {
            output::message(format_args!(
                "tenure: {}",
                escape::block(&failure.said(caller))
            ));
            return Ok(());
        }
    };
    let what = escape::line(&what.to_string());
    let since = changed.paused_at.map(seconds);
    let since = since
        .map(|since| format!(" since {since}"))
        .unwrap_or_default();
    match (change, changed.changed) {
        (Change::Pause, true) => output::line(format!("{what} is paused; what runs goes on")),
        (Change::Pause, false) => output::line(format!("{what} is paused{since}")),
        (Change::Resume, true) => output::line(format!("{what} goes on; it was paused{since}")),
        (Change::Resume, false) => output::line(format!("{what} was not paused")),
    }
}

fn answer(what: &Pausable, changed: Result<PauseChange, Failure>, caller: &Caller) -> Answer {
    let (id, what) = match what {
        Pausable::Store => (None, Some("store".to_owned())),
        Pausable::Profile(profile) => (None, Some(format!("profile:{profile}"))),
        Pausable::Task(task) => (Some(*task), None),
    };
    let (change, failure) = match changed {
        Ok(change) => (Some(change), None),
        Err(failure) => (None, Some(failure)),
    };
    Answer {
        what,
        id,
        ok: failure.is_none(),
        change,
        code: failure.as_ref().map(|failure| failure.code as u8),
        error: failure.map(|failure| failure.said(caller)),
    }
}
