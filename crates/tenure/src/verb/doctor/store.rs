//! The store: whether it opens, whose eyes may read it, and who serves it.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;

use tenure_store::dispatcher::Dispatcher;
use tenure_store::read::Serving;
use tenure_store::{Store, StoreUrl};

use super::Finding;
use crate::escape;
use crate::place::Place;
use crate::verb::seconds;

const CHECK: &str = "store";

/// The bits by which others than the owner may do anything.
const OTHERS: u32 = 0o077;

/// The store where it can be read, and what is to say of it.
pub async fn look(place: &Place) -> (Option<Store>, Vec<Finding>) {
    let url = &place.url;
    let store = match place.read().await {
        Ok(Some(store)) => store,
        Ok(None) => {
            let finding = Finding::notice(
                CHECK,
                format!("{url} is not there yet"),
                "nothing; the first verb that writes makes it",
                "`tenure add`, `tenure serve`",
            );
            return (None, vec![finding]);
        }
        Err(failure) => {
            let finding = Finding::problem(
                CHECK,
                failure.message(),
                "nothing can be added, dispatched or shown",
                "as the message says; `tenure config show` says who named this store",
            );
            return (None, vec![finding]);
        }
    };
    let mut findings = vec![Finding::ok(
        CHECK,
        format!("{url} opens, instance {}", store.instance()),
    )];
    if let StoreUrl::Sqlite(path) = url
        && let Ok(file) = std::fs::metadata(path)
        && file.mode() & OTHERS != 0
    {
        findings.push(Finding::notice(
            CHECK,
            format!("{} has mode {:o}", path.display(), file.mode() & 0o777),
            "others on this machine can read claim locks, and with those act as a worker",
            format!("chmod 600 {}", path.display()),
        ));
    }
    (Some(store), findings)
}

/// Who serves it, whoever does so here first.
pub async fn served(store: &Store, here: Option<&Dispatcher>) -> Vec<Finding> {
    let mut serving = match store.serving().await {
        Ok(serving) => serving,
        Err(error) => {
            return vec![Finding::problem(
                CHECK,
                error.to_string(),
                "whether it is served is not known",
                "as the message says",
            )];
        }
    };
    if serving.is_empty() {
        return vec![Finding::notice(
            CHECK,
            "no dispatcher serves it",
            "tasks wait; what still runs goes on under its wardens",
            "`tenure serve`, `systemctl start tenured`",
        )];
    }
    let is_here = |one: &Serving| here.is_some_and(|here| here.id == one.dispatcher.id);
    serving.sort_by_key(|one| !is_here(one));
    serving.iter().map(serves).collect()
}

fn serves(serving: &Serving) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let dispatcher = &serving.dispatcher;
    let host = escape::line(&dispatcher.host_name);
    if dispatcher.version != ours {
        return Finding::notice(
            CHECK,
            format!(
                "dispatcher {} on {host} is version {}, this is {ours}",
                dispatcher.id, dispatcher.version
            ),
            "what the newer one knows the older one does not do",
            "restart the dispatcher; its workers live on",
        );
    }
    let mut found = format!(
        "dispatcher {} on {host} serves it, with {} slots",
        dispatcher.id, dispatcher.slots
    );
    if !dispatcher.labels.is_empty() {
        let labels = escape::line(&dispatcher.labels.join(", "));
        // Writing to a string cannot fail.
        let _ = write!(found, ", labels {labels}");
    }
    if let Some(seen) = serving.seen_at {
        let _ = write!(found, ", last seen {}", seconds(seen));
    }
    Finding::ok(CHECK, found)
}
