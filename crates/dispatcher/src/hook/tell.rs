//! Tells one event to the programs that are to know of it: each until it took it, so often at most.

use std::sync::Arc;
use std::time::Duration;

use tenure_guard::env::PREFIX;
use tenure_store::event::Event;
use tenure_store::life::Exit;
use tenure_store::{Store, StoreUrl};
use tenure_warden::hook::{Ended, Order, Told};

use super::keeper;
use crate::environment::passed_on;
use crate::settings::Settings;

/// How long a hook may take: it tells, and whatever takes longer is a task.
const LIMIT: Duration = Duration::from_secs(30);

/// How long is waited before each further try. Beyond that whoever is to be told is away for longer, and
/// other events wait behind this one.
const AGAIN: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(16),
];

/// How long after a store that did not answer it is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Tells the event to each of its programs; where one cannot be told, that is an event, and the end of
/// it.
pub(super) async fn tell(settings: Arc<Settings>, store: Store, event: Event) {
    for argv in settings.hooks.of(event.kind) {
        let program = argv.first().cloned().unwrap_or_default();
        let Some(reason) = try_hard(&settings, &store, &event, argv).await else {
            continue;
        };
        tracing::warn!(
            event.id = %event.id, event.kind = %event.kind, hook.program = program, reason,
            "hook given up: it is not told of this event",
        );
        while let Err(error) = store
            .hook_failed(event.clone(), program.clone(), reason.clone())
            .await
        {
            tracing::warn!(event.id = %event.id, error = %error, "a hook's failure waits for the store");
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
}

/// Why it could not be told, in the end.
async fn try_hard(
    settings: &Settings,
    store: &Store,
    event: &Event,
    argv: Vec<String>,
) -> Option<String> {
    let order = Order {
        env: environment(settings, store, event),
        input: match serde_json::to_string(event) {
            Ok(line) => format!("{line}\n"),
            Err(error) => return Some(error.to_string()),
        },
        argv,
        limit: LIMIT,
    };
    let program = order.argv.first().map(String::as_str).unwrap_or_default();
    let mut pauses = AGAIN.iter();
    loop {
        let told = keeper::run(&settings.warden, &order).await;
        let problem = match told {
            Ok(told) => problem(event, program, &told)?,
            Err(error) => format!("it cannot be run: {error}"),
        };
        let Some(pause) = pauses.next() else {
            return Some(problem);
        };
        tracing::warn!(
            event.id = %event.id, hook.program = program, reason = problem,
            "hook failed: trying again",
        );
        tokio::time::sleep(*pause).await;
    }
}

/// What went wrong, where something did; with the last line that it wrote.
fn problem(event: &Event, program: &str, told: &Told) -> Option<String> {
    tracing::debug!(
        event.id = %event.id, hook.program = program, hook.ended = ?told.ended,
        hook.output = told.output, "hook ended",
    );
    let problem = match told.ended {
        Ended::Exited(Exit::Code(0)) => return None,
        Ended::Exited(Exit::Code(code)) => format!("exit {code}"),
        Ended::Exited(Exit::Signal(signal)) => format!("signal {signal}"),
        Ended::Exited(Exit::Unobserved) => "its end was not seen".to_owned(),
        Ended::TimedOut => format!("it took more than {} s", LIMIT.as_secs()),
        Ended::NotStarted(errno) => {
            let error = std::io::Error::from_raw_os_error(errno);
            return Some(format!("it cannot be executed: {error}"));
        }
    };
    let said = told
        .output
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty());
    Some(match said {
        Some(line) => format!("{problem}: {}", line.trim()),
        None => problem,
    })
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
