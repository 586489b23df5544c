//! The table of ends: for every way to end, wherever the dispatcher is at that moment, the outcome that
//! is concluded is the one that the contract says.

use tenure_tests::Database;
use tenure_tests::process::Signal;

use crate::ways::{By, CONFIG, Way, When, play};

on_both!(every_way_to_end_is_concluded_as_it_was_wherever_the_dispatcher_is,);

/// What most ways share.
const PLAIN: Way = Way {
    label: "",
    keys: &[],
    steps: &[],
    by: By::Itself,
    outcome: "completed",
    reason: "",
    status: "done",
};

/// By exits and signals alone.
const BY_EXIT: [Way; 12] = [
    Way {
        label: "exit 0",
        reason: "exit 0",
        ..PLAIN
    },
    Way {
        label: "exit 0 under protocol report",
        keys: &[("protocol", "report")],
        outcome: "protocol_violation",
        reason: "exit 0 without a report",
        ..GAVE_UP
    },
    Way {
        label: "exit 7",
        steps: &["exit", "7"],
        reason: "exit 7",
        ..GAVE_UP
    },
    Way {
        label: "exit 7 under protocol report",
        keys: &[("protocol", "report")],
        steps: &["exit", "7"],
        reason: "exit 7",
        ..GAVE_UP
    },
    Way {
        label: "exit 75",
        steps: &["exit", "75"],
        outcome: "deferred",
        reason: "try later",
        ..GAVE_UP
    },
    Way {
        label: "exit 75 where it is off",
        keys: &[("tempfail_exit", "off")],
        steps: &["exit", "75"],
        reason: "exit 75",
        ..GAVE_UP
    },
    Way {
        label: "exit 79, never told",
        steps: &["exit", "79"],
        reason: "never told",
        ..GAVE_UP
    },
    Way {
        label: "a guard that stood down",
        steps: &["forget", "TENURE_CLAIM_LOCK", "stand-down"],
        outcome: "stale",
        reason: "missing_claim_lock",
        ..GAVE_UP
    },
    Way {
        label: "SIGKILL",
        steps: &["signal", "9"],
        outcome: "crashed",
        reason: "signal 9",
        ..GAVE_UP
    },
    Way {
        label: "SIGSEGV",
        steps: &["signal", "11"],
        outcome: "crashed",
        reason: "signal 11",
        ..GAVE_UP
    },
    Way {
        label: "abort",
        steps: &["abort"],
        outcome: "crashed",
        reason: "signal 6",
        ..GAVE_UP
    },
    Way {
        label: "a SIGTERM that nobody of us sent",
        steps: &["signal", "15"],
        outcome: "crashed",
        reason: "signal 15",
        ..GAVE_UP
    },
];

/// What ways share whose task then waits for a person.
const GAVE_UP: Way = Way {
    outcome: "failed",
    status: "blocked",
    ..PLAIN
};

/// By the worker's own word, whatever its exit says after it.
const BY_REPORT: [Way; 10] = [
    Way {
        label: "reported complete",
        steps: &["complete", "all well"],
        reason: "all well",
        ..PLAIN
    },
    Way {
        label: "reported complete under protocol report",
        keys: &[("protocol", "report")],
        steps: &["complete", "all well"],
        reason: "all well",
        ..PLAIN
    },
    Way {
        label: "reported complete, then exit 3",
        steps: &["complete", "before 3", "exit", "3"],
        reason: "before 3",
        ..PLAIN
    },
    Way {
        label: "reported complete, then SIGSEGV",
        steps: &["complete", "before SEGV", "signal", "11"],
        reason: "before SEGV",
        ..PLAIN
    },
    Way {
        label: "reported complete, then hung",
        steps: &["complete", "before hanging", "hang"],
        reason: "before hanging",
        ..PLAIN
    },
    Way {
        label: "reported complete, then hung and did not heed",
        steps: &["complete", "deaf", "ignore-term", "hang"],
        reason: "deaf",
        ..PLAIN
    },
    Way {
        label: "reported block",
        steps: &["block", "which one?"],
        outcome: "blocked",
        reason: "needs_input: which one?",
        ..GAVE_UP
    },
    Way {
        label: "reported defer",
        steps: &["defer", "3600000", "the quota"],
        outcome: "deferred",
        reason: "the quota",
        ..GAVE_UP
    },
    Way {
        label: "reported fail",
        steps: &["fail", "no such branch"],
        reason: "no such branch",
        ..GAVE_UP
    },
    Way {
        label: "reported fail, then exit 75",
        steps: &["fail", "no excuse", "exit", "75"],
        reason: "no excuse",
        ..GAVE_UP
    },
];

/// By limits, by people, by what happens to the warden.
const BY_OTHERS: [Way; 9] = [
    Way {
        label: "over its time",
        keys: &[("max_runtime", "{limit}")],
        steps: &["hang"],
        outcome: "timed_out",
        reason: "timeout",
        ..GAVE_UP
    },
    Way {
        label: "over its time, and reported in the grace",
        keys: &[("max_runtime", "{limit}")],
        // It need not be let go: however early its time is up, it heeds that.
        steps: &["on-term", "complete", "late", "print", "{go}"],
        reason: "late",
        ..PLAIN
    },
    Way {
        label: "no heartbeat any more",
        keys: &[("heartbeat_timeout", "2s")],
        steps: &["beat-until", "{go}", "hang"],
        outcome: "silent",
        reason: "silence",
        ..GAVE_UP
    },
    Way {
        label: "stopped by a person",
        steps: &["hang"],
        by: By::Person("stop", &[]),
        outcome: "stopped",
        reason: "asked: stop",
        ..GAVE_UP
    },
    Way {
        label: "cancelled by a person",
        steps: &["ignore-term", "hang"],
        by: By::Person("cancel", &[]),
        outcome: "cancelled",
        reason: "asked: cancel",
        status: "cancelled",
        ..PLAIN
    },
    Way {
        label: "blocked by a person",
        steps: &["hang"],
        by: By::Person("block", &["--kind", "needs_input", "--reason", "wait"]),
        outcome: "blocked",
        reason: "asked: block",
        ..GAVE_UP
    },
    Way {
        label: "reclaimed by a person",
        steps: &["hang"],
        by: By::Person("reclaim", &[]),
        outcome: "reclaimed",
        reason: "asked: reclaim",
        ..PLAIN
    },
    Way {
        label: "the warden was told to end",
        steps: &["hang"],
        by: By::Warden(Signal::TERM),
        outcome: "interrupted",
        reason: "told to end from outside",
        ..GAVE_UP
    },
    Way {
        label: "the warden was killed",
        steps: &["hang"],
        by: By::Warden(Signal::KILL),
        outcome: "lost",
        reason: "the warden was killed",
        ..GAVE_UP
    },
];

/// All of them.
pub const WAYS: [&[Way]; 3] = [&BY_EXIT, &BY_REPORT, &BY_OTHERS];

fn every_way_to_end_is_concluded_as_it_was_wherever_the_dispatcher_is(on: Database) {
    let home = on.home_with(CONFIG);
    let cast: Vec<(When, Way)> = WAYS
        .into_iter()
        .flatten()
        .flat_map(|way| When::ALL.map(|when| (when, *way)))
        .collect();
    play(&home, &cast);
}
