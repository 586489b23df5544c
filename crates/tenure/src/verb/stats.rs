//! `stats`: how the store as a whole is doing.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use tenure_store::duration;
use tenure_store::read::{Gone, OfProfile, Pause, Serving, Stats, Tally, Unfinished};

use crate::cli::{Global, Stats as Args};
use crate::failure::Failure;
use crate::place::Place;
use crate::table::Table;
use crate::verb::seconds;
use crate::{escape, output};

/// Shows it.
pub async fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let stats = match Place::find(global)?.read().await? {
        Some(store) => Some(store.stats().await?),
        None => None,
    };
    if args.json {
        output::json(&Shown::of(stats.as_ref()))
    } else {
        match &stats {
            Some(stats) => output::bytes(text(stats).as_bytes()),
            None => output::line("there is no store yet"),
        }
    }
}

/// `stats --json`.
#[derive(Serialize)]
struct Shown<'a> {
    /// When this was so, by the store's clock; null where there is no store.
    at: Option<jiff::Timestamp>,
    /// Tasks that are not over, by status; those that were put away are left out.
    unfinished: Unfinished,
    /// The same by profile.
    profiles: &'a [OfProfile],
    /// Over how many days ends are told, today among them.
    days: u32,
    /// How runs ended in these days.
    ends: &'a [Tally],
    /// Who dispatches.
    dispatchers: Vec<ShownDispatcher<'a>>,
    /// Who is gone while runs of it are open.
    gone: Vec<ShownGone<'a>>,
    /// What may not start.
    pauses: &'a [Pause],
}

/// A living dispatcher.
#[derive(Serialize)]
struct ShownDispatcher<'a> {
    id: tenure_store::DispatcherId,
    host: &'a str,
    pid: i32,
    version: &'a str,
    labels: &'a [String],
    /// Its last sign of life; null on SQLite, where its lock says that it lives.
    seen_at: Option<jiff::Timestamp>,
    slots: u32,
    runs: u64,
    batch_id: Option<tenure_store::BatchId>,
    drain_at: Option<jiff::Timestamp>,
    held: &'a [tenure_store::held::Held],
}

/// A dispatcher that is gone.
#[derive(Serialize)]
struct ShownGone<'a> {
    id: tenure_store::DispatcherId,
    host: &'a str,
    /// Its last sign of life; null on SQLite.
    seen_at: Option<jiff::Timestamp>,
    runs: u64,
}

impl<'a> Shown<'a> {
    fn of(stats: Option<&'a Stats>) -> Self {
        Self {
            at: stats.map(|stats| stats.at),
            unfinished: stats.map(|stats| stats.unfinished).unwrap_or_default(),
            profiles: stats.map_or(&[], |stats| &stats.profiles),
            days: Stats::DAYS,
            ends: stats.map_or(&[], |stats| &stats.ends),
            dispatchers: stats.map_or_else(Vec::new, |stats| {
                stats.dispatchers.iter().map(ShownDispatcher::of).collect()
            }),
            gone: stats.map_or_else(Vec::new, |stats| {
                stats.gone.iter().map(ShownGone::of).collect()
            }),
            pauses: stats.map_or(&[], |stats| &stats.pauses),
        }
    }
}

impl<'a> ShownDispatcher<'a> {
    fn of(serving: &'a Serving) -> Self {
        let Serving {
            dispatcher,
            runs,
            seen_at,
            ..
        } = serving;
        Self {
            id: dispatcher.id,
            host: &dispatcher.host_name,
            pid: dispatcher.process.pid,
            version: &dispatcher.version,
            labels: &dispatcher.labels,
            seen_at: *seen_at,
            slots: dispatcher.slots,
            runs: *runs,
            batch_id: dispatcher.batch,
            drain_at: dispatcher.drain_at,
            held: &dispatcher.held,
        }
    }
}

impl<'a> ShownGone<'a> {
    fn of(gone: &'a Gone) -> Self {
        Self {
            id: gone.dispatcher.id,
            host: &gone.dispatcher.host_name,
            seen_at: gone.seen_at,
            runs: gone.runs,
        }
    }
}

fn text(stats: &Stats) -> String {
    let Unfinished {
        todo,
        scheduled,
        ready,
        running,
        blocked,
    } = stats.unfinished;
    let mut text = format!(
        "{ready} ready, {running} running, {blocked} blocked, {todo} todo, {scheduled} scheduled\n"
    );
    for serving in &stats.dispatchers {
        let _ = writeln!(text, "{}", dispatcher(serving));
    }
    if stats.dispatchers.is_empty() {
        text.push_str("no dispatcher lives\n");
    }
    for gone in &stats.gone {
        let _ = writeln!(text, "{}", left_behind(gone));
    }
    for pause in &stats.pauses {
        let _ = writeln!(text, "{}", paused(pause));
    }
    if !stats.profiles.is_empty() {
        let _ = write!(text, "\n{}", profiles(&stats.profiles));
    }
    if !stats.ends.is_empty() {
        let _ = write!(text, "\n{}", ends(&stats.ends));
    }
    text
}

fn dispatcher(serving: &Serving) -> String {
    let Serving {
        dispatcher,
        runs,
        seen_at,
        ..
    } = serving;
    let mut text = format!(
        "dispatcher {} (pid {} on {}): {runs} of {} slots taken",
        dispatcher.id,
        dispatcher.process.pid,
        escape::line(&dispatcher.host_name),
        dispatcher.slots
    );
    if !dispatcher.labels.is_empty() {
        let labels = escape::line(&dispatcher.labels.join(", "));
        let _ = write!(text, ", labels {labels}");
    }
    if let Some(seen) = seen_at {
        let _ = write!(text, ", last seen {}", seconds(*seen));
    }
    if let Some(since) = dispatcher.drain_at {
        let _ = write!(text, ", takes nothing new since {}", seconds(since));
    }
    for held in &dispatcher.held {
        let (profile, why) = (escape::line(&held.profile), escape::line(&held.why));
        let until = seconds(held.until);
        let _ = write!(text, "\n  holds {profile} back until {until}: {why}");
    }
    text
}

fn left_behind(gone: &Gone) -> String {
    let Gone {
        dispatcher,
        seen_at,
        runs,
    } = gone;
    let seen = seen_at.map_or_else(String::new, |seen| format!(", last seen {}", seconds(seen)));
    format!(
        "dispatcher {} (pid {} on {}) is gone{seen}, and {runs} of its runs are open",
        dispatcher.id,
        dispatcher.process.pid,
        escape::line(&dispatcher.host_name),
    )
}

fn paused(pause: &Pause) -> String {
    let what = match &pause.profile {
        Some(name) => format!("profile {}", escape::line(name)),
        None => "the store".to_owned(),
    };
    let reason = pause.reason.as_deref().map(escape::line);
    format!(
        "{what} is paused since {} by {}{}",
        seconds(pause.since),
        escape::line(&pause.by),
        reason
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default()
    )
}

fn profiles(profiles: &[OfProfile]) -> Table {
    let mut table = Table::new(["PROFILE", "READY", "RUNNING", "BLOCKED", "READY SINCE"]);
    for one in profiles {
        table.row([
            escape::line(&one.profile),
            one.ready.to_string(),
            one.running.to_string(),
            one.blocked.to_string(),
            one.ready_since.map_or_else(|| "-".to_owned(), seconds),
        ]);
    }
    table
}

fn ends(ends: &[Tally]) -> Table {
    let heading = format!("RUNS IN {} DAYS", Stats::DAYS);
    let mut table = Table::new(["PROFILE", "OUTCOME", &heading, "MEAN TIME"]);
    for tally in ends {
        table.row([
            escape::line(&tally.profile),
            tally.outcome.to_string(),
            tally.runs.to_string(),
            duration::format(Duration::from_millis(tally.mean_ms)),
        ]);
    }
    table
}
