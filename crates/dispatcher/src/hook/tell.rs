//! Tells one program of one event, once.

use std::time::Duration;

use tenure_guard::env::PREFIX;
use tenure_store::event::Event;
use tenure_store::life::Exit;
use tenure_store::{Store, StoreUrl};
use tenure_warden::hook::{Ended, Order, Told};

use super::keeper;
use super::standing::Why;
use crate::environment::passed_on;
use crate::settings::Settings;

/// How long a hook may take: it tells, and whatever takes longer is a task.
const LIMIT: Duration = Duration::from_secs(30);

/// Tells it; else why it was not told, for us and for people.
///
/// # Errors
/// Why it was not told.
pub(super) async fn tell(
    settings: &Settings,
    store: &Store,
    event: &Event,
    argv: &[String],
) -> Result<(), (Why, String)> {
    let line = serde_json::to_string(event).map_err(|error| (Why::Refused, error.to_string()))?;
    let order = Order {
        env: environment(settings, store, event),
        input: format!("{line}\n"),
        argv: argv.to_vec(),
        limit: LIMIT,
    };
    let told = keeper::run(&settings.warden, &order).await;
    let told = told.map_err(|error| (Why::Refused, format!("it cannot be run: {error}")))?;
    tracing::debug!(
        event.id = %event.id, hook.program = argv.first(), hook.ended = ?told.ended,
        hook.output = told.output, "hook ended",
    );
    problem(&told).map_or(Ok(()), Err)
}

/// What went wrong, where something did; with the last line that it wrote.
fn problem(told: &Told) -> Option<(Why, String)> {
    let (why, problem) = match told.ended {
        Ended::Exited(Exit::Code(0)) => return None,
        Ended::Exited(Exit::Code(code)) => (Why::Refused, format!("exit {code}")),
        Ended::Exited(Exit::Signal(signal)) => (Why::Refused, format!("signal {signal}")),
        Ended::Exited(Exit::Unobserved) => (Why::Refused, "its end was not seen".to_owned()),
        Ended::TimedOut => {
            let limit = LIMIT.as_secs();
            (Why::Hung, format!("it took more than {limit} s"))
        }
        Ended::NotStarted(errno) => {
            let error = std::io::Error::from_raw_os_error(errno);
            let problem = format!("it cannot be executed: {error}");
            return Some((Why::NotExecutable, problem));
        }
    };
    let mut said = told.output.lines().rev();
    let problem = match said.find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{problem}: {}", line.trim()),
        None => problem,
    };
    Some((why, problem))
}

/// What a hook finds in its environment: what is passed on, and the event. None of a worker's variables,
/// so that `tenure` takes it for a person; and the store where its address can hold no password.
fn environment(
    settings: &Settings,
    store: &Store,
    event: &Event,
) -> std::collections::BTreeMap<String, String> {
    let mut variables = passed_on(&settings.environment, &settings.hooks.pass_env);
    variables.retain(|name, _| !name.starts_with(PREFIX));
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            variables.insert(format!("{PREFIX}{name}"), value);
        }
    };
    set("EVENT_ID", Some(event.id.to_string()));
    set("EVENT_KIND", Some(event.kind.to_string()));
    set("EVENT_AT", Some(event.at.to_string()));
    set("EVENT_TASK_ID", event.task_id.map(|id| id.to_string()));
    set("EVENT_RUN_ID", event.run_id.map(|id| id.to_string()));
    set("BIN", Some(settings.bin.display().to_string()));
    let address = match store.url() {
        StoreUrl::Sqlite(_) => Some(store.url().to_string()),
        StoreUrl::Postgres(_) => None,
    };
    set("DB", address);
    variables
}
