//! Workers that misbehave in every way that a process can: each ends as the contract says, and leaves
//! nothing behind.

use std::path::Path;

use tenure_tests::process::{self, Process};
use tenure_tests::{Database, Home, program, skip};
use tenure_warden::cgroup::{self, Keeper};

use crate::ways::{By, CONFIG, Way, When, play};

on_both!(
    a_worker_that_misbehaves_ends_as_it_should_and_leaves_nothing_behind,
    a_worker_that_leaves_its_cgroup_is_ended_all_the_same,
    a_fork_bomb_stays_below_its_limit_and_is_ended_whole,
    a_line_of_a_hundred_mebibytes_is_a_log_like_any_other,
    workers_that_end_before_anybody_could_look_at_them_are_completed_every_one,
);

/// What most of them share: they do something nobody should, and end well.
const WELL: Way = Way {
    label: "",
    keys: &[],
    steps: &[],
    by: By::Itself,
    outcome: "completed",
    reason: "exit 0",
    status: "done",
};

/// What those share that a person ends.
const ENDED: Way = Way {
    by: By::Person("stop", &[]),
    outcome: "stopped",
    reason: "asked: stop",
    status: "blocked",
    ..WELL
};

/// Hiding from whoever ends the tree.
const HIDING: [Way; 12] = [
    Way {
        label: "does not heed SIGTERM",
        steps: &["ignore-term", "hang"],
        ..ENDED
    },
    Way {
        label: "stops itself",
        steps: &["stop-itself"],
        ..ENDED
    },
    Way {
        label: "leaves children that hold its output",
        steps: &[
            "child",
            "append",
            "{left}",
            "{pid}",
            "ignore-term",
            "hang",
            "end",
            "wait-for",
            "{left}",
        ],
        ..WELL
    },
    Way {
        label: "leaves an orphan in another session",
        steps: &[
            "orphan",
            "ignore-term",
            "append",
            "{left}",
            "{pid}",
            "hang",
            "end",
            "wait-for",
            "{left}",
        ],
        ..WELL
    },
    Way {
        label: "is ended with an orphan of an orphan",
        steps: &[
            "orphan",
            "orphan",
            "ignore-term",
            "append",
            "{left}",
            "{pid}",
            "hang",
            "end",
            "end",
            "ignore-term",
            "hang",
        ],
        ..ENDED
    },
    Way {
        label: "clears its environment",
        steps: &["clear-environment"],
        ..WELL
    },
    Way {
        label: "leaves an orphan without an environment",
        steps: &[
            "orphan",
            "clear-environment",
            "ignore-term",
            "append",
            "{left}",
            "{pid}",
            "hang",
            "end",
            "wait-for",
            "{left}",
        ],
        ..WELL
    },
    Way {
        label: "leaves a stopped orphan",
        steps: &[
            "orphan",
            "append",
            "{left}",
            "{pid}",
            "stop-itself",
            "end",
            "wait-for",
            "{left}",
        ],
        ..WELL
    },
    Way {
        label: "leaves a child that is stopped for its tracer",
        steps: &[
            "child",
            "be-traced",
            "append",
            "{left}",
            "{pid}",
            "stop-itself",
            "end",
            "wait-for",
            "{left}",
        ],
        ..WELL
    },
    Way {
        label: "leaves a child in a process group of its own",
        steps: &[
            "child",
            "leave-group",
            "append",
            "{left}",
            "{pid}",
            "hang",
            "end",
            "wait-for",
            "{left}",
        ],
        ..WELL
    },
    Way {
        label: "takes the orphans to itself, and is killed",
        steps: &[
            "be-subreaper",
            "orphan",
            "ignore-term",
            "append",
            "{left}",
            "{pid}",
            "hang",
            "end",
            "wait-for",
            "{left}",
            "signal",
            "9",
        ],
        outcome: "crashed",
        reason: "signal 9",
        status: "blocked",
        ..WELL
    },
    Way {
        label: "leaves a relay in which each runner ends",
        steps: &["relay", "2000"],
        ..WELL
    },
];

/// Breaking what is around it.
const BREAKING: [Way; 9] = [
    Way {
        label: "goes on without its main thread",
        steps: &["exit-main-thread", "sleep", "300", "exit", "4"],
        outcome: "failed",
        reason: "exit 4",
        status: "blocked",
        ..WELL
    },
    Way {
        label: "hangs without its main thread",
        steps: &["exit-main-thread", "append", "{left}", "{pid}", "hang"],
        ..ENDED
    },
    Way {
        label: "leaves an orphan without its main thread",
        steps: &[
            "orphan",
            "exit-main-thread",
            "ignore-term",
            "append",
            "{left}",
            "{pid}",
            "hang",
            "end",
            "wait-for",
            "{left}",
        ],
        ..WELL
    },
    Way {
        label: "floods its output",
        steps: &["flood", "32"],
        ..WELL
    },
    Way {
        label: "writes what is no text",
        steps: &["garbage"],
        ..WELL
    },
    Way {
        label: "closes its descriptors",
        steps: &["close-descriptors"],
        ..WELL
    },
    Way {
        label: "kills its process group",
        steps: &[
            "child",
            "ignore-term",
            "append",
            "{left}",
            "{pid}",
            "hang",
            "end",
            "wait-for",
            "{left}",
            "kill-group",
        ],
        outcome: "crashed",
        reason: "signal 9",
        status: "blocked",
        ..WELL
    },
    Way {
        label: "kills its siblings",
        steps: &[
            "orphan",
            "append",
            "{left}",
            "{pid}",
            "hang",
            "end",
            "wait-for",
            "{left}",
            "kill-siblings",
        ],
        ..WELL
    },
    Way {
        label: "reports in words that are no text for a terminal, and crashes",
        steps: &["complete", "\u{1b}[2J\u{7}\u{202e}", "abort"],
        reason: "\u{1b}[2J\u{7}\u{202e}",
        ..WELL
    },
];

fn a_worker_that_misbehaves_ends_as_it_should_and_leaves_nothing_behind(on: Database) {
    let home = on.home_with(CONFIG);
    let ways = HIDING.iter().chain(&BREAKING);
    let cast: Vec<(When, Way)> = ways
        .flat_map(|way| [When::Watched, When::Unwatched, When::Adopted].map(|when| (when, *way)))
        .collect();
    play(&home, &cast);
}

/// The root of the cgroups of the second version, where we may move processes to.
fn cgroup_root() -> Option<&'static str> {
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    roots.into_iter().find(|root| {
        let procs = format!("{root}/cgroup.procs");
        Path::new(&format!("{root}/cgroup.controllers")).exists()
            && std::fs::File::options().write(true).open(procs).is_ok()
    })
}

fn a_worker_that_leaves_its_cgroup_is_ended_all_the_same(on: Database) {
    let Some(root) = cgroup_root() else {
        return skip("no cgroup can be left here");
    };
    let steps = [
        "change-cgroup",
        root,
        "orphan",
        "clear-environment",
        "ignore-term",
        "append",
        "left",
        "{pid}",
        "hang",
        "end",
        "wait-for",
        "left",
    ];
    let home = on.home();
    let _dispatcher = home.serve();
    let task = home.add(&[], &steps);
    let left = home.until_written("left").trim().parse().unwrap();
    let left = Process::now(left);
    home.until(task, "done");
    assert!(left.is_none_or(|left| !left.lives()));
}

fn a_fork_bomb_stays_below_its_limit_and_is_ended_whole(on: Database) {
    if cgroup::look().cgroups.pids == Keeper::Rlimit {
        return skip("no cgroup here has the pids controller");
    }
    let keys = "pids_max = 32\nmax_failures = 1";
    let bomb = Home::profile("bomb", keys, &["fork-bomb", "300", "made"]);
    let home = on.home_with(&bomb);
    let _dispatcher = home.serve();
    home.until(home.add_for("bomb", &[]), "done");
    let made: u32 = home.read("made").trim().parse().unwrap();
    assert!(
        (1..32).contains(&made),
        "{made} children under a limit of 32"
    );
    let worker = program::worker();
    let left = process::with_in_environment(home.path());
    let left: Vec<_> = left.iter().filter(|one| one.runs(&worker)).collect();
    assert!(left.is_empty(), "left of the bomb: {left:?}");
}

fn a_line_of_a_hundred_mebibytes_is_a_log_like_any_other(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    home.until(home.add(&[], &["long-line", "100"]), "done");
}

fn workers_that_end_before_anybody_could_look_at_them_are_completed_every_one(on: Database) {
    let home = on.home_with("[dispatcher]\nslots = 8");
    let _dispatcher = home.serve();
    let worker = program::worker().display().to_string();
    let tasks = format!("[[task]]\ncommand = ['{worker}']\n").repeat(250);
    let file = home.write("work/tasks.toml", &tasks);
    let said = home.tenure(&["run", file.to_str().unwrap()]).ok();
    assert!(said.out.starts_with("250 of 250 tasks done"), "{said}");
}
