//! `events`: what happened, and with `-f` what happens.

use tenure_store::event::Event;
use tenure_store::read::EventFilter;
use tenure_store::{EventId, Store};

use crate::cli::{Events, Global};
use crate::failure::Failure;
use crate::follow::Changes;
use crate::place::Place;
use crate::verb::runs::seconds;
use crate::{escape, output};

/// How many events are read at once.
const PAGE: u32 = 500;

/// How many of the last events a follower is shown first.
const LAST: i64 = 10;

/// Prints them.
pub async fn run(global: &Global, args: &Events) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let store = match args.id {
        Some(task) => {
            let store = place.read_about(task).await?;
            // Otherwise a typo would look like a task to which nothing happened.
            store.tasks(&[task]).await?;
            Some(store)
        }
        None => store(&place, args.follow).await?,
    };
    let Some(store) = store else {
        return Ok(());
    };
    let mut changes = Changes::of(&store).await;
    let mut filter = EventFilter {
        after: EventId(beginning(&store, args).await?),
        task: args.id,
        batch: None,
        kind: args.kind,
        limit: PAGE,
    };
    loop {
        let page = store.events(&filter).await?;
        for event in &page {
            if args.json {
                output::json(event)?;
            } else {
                output::line(text(event))?;
            }
        }
        if let Some(last) = page.last() {
            filter.after = last.id;
        } else if args.follow {
            changes.next().await;
        } else {
            return Ok(());
        }
    }
}

/// A follower waits for a store that is not there yet; it makes none.
async fn store(place: &Place, follow: bool) -> Result<Option<Store>, Failure> {
    loop {
        let store = place.read().await?;
        if store.is_some() || !follow {
            return Ok(store);
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

async fn beginning(store: &Store, args: &Events) -> Result<i64, Failure> {
    match (args.after, args.follow, args.id) {
        (Some(after), _, _) => Ok(after),
        (None, true, None) => Ok((store.newest_event().await?.0 - LAST).max(0)),
        (None, true, Some(_)) | (None, false, _) => Ok(0),
    }
}

/// An event in one line.
pub fn text(event: &Event) -> String {
    let run = event
        .run_id
        .map(|run| format!(" run {run}"))
        .unwrap_or_default();
    let is_empty = |map: &serde_json::Map<_, _>| map.is_empty();
    let payload = if event.payload.as_object().is_some_and(is_empty) {
        String::new()
    } else {
        format!("  {}", escape::line(&event.payload.to_string()))
    };
    let at = seconds(event.at);
    let whose = match event.task_id {
        Some(task) => format!("task {task}"),
        None => "store".to_owned(),
    };
    format!("{at} {whose}{run} {}{payload}", event.kind)
}
