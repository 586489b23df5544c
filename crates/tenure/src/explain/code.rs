//! Every reason that `explain` can give, as a word for programs. What holds a task back is one word;
//! how a run ended is its outcome and, behind a `+`, what brought it about; a breaker's trip is
//! `gave_up:` and the limit. The list only grows, and the README has it as a table.

/// Declares the words, each with its meaning for people.
macro_rules! codes {
    ( $( $variant:ident = $word:literal: $meaning:literal, )+ ) => {
        /// Why a task stands where it stands, or how a run ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        pub enum Code {
            $( #[doc = $meaning] #[serde(rename = $word)] $variant, )+
        }

        impl Code {
            /// Every one of them.
            #[cfg(test)]
            pub const ALL: &'static [Self] = &[$( Self::$variant ),+];

            /// The word for programs.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $word ),+ }
            }

            /// What it means, as the README has it.
            #[cfg(test)]
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $meaning ),+ }
            }
        }
    };
}

codes! {
    Starting = "starting": "it was claimed, and its command is about to start",
    Running = "running": "its worker runs",
    Ending = "ending": "it reported, or was asked to end; it closes when its whole tree is dead",
    Unattended = "unattended": "its run is open, and its dispatcher is gone; the next one takes it up",
    WardenStopped = "warden_stopped": "the process of its run's warden is stopped, and can do nothing for it",
    WaitsForParent = "waits_for_parent": "a parent has not come to the end that it waits for",
    ParentBlocked = "parent_blocked": "a parent waits for a person",
    ParentGaveUp = "parent_gave_up": "a parent was given up, and does not come by itself",
    ParentCancelled = "parent_cancelled": "a parent was cancelled, and does not come by itself",
    AncestorStuck = "ancestor_stuck": "a task that its parents wait for needs a person",
    NotYetDue = "not_yet_due": "its time has not come: asked for, deferred, or a back-off",
    PausedStore = "paused_store": "a person keeps the whole store from starting anything",
    PausedProfile = "paused_profile": "a person keeps its profile from starting anything",
    PausedTask = "paused_task": "a person keeps the task from starting",
    NoDispatcher = "no_dispatcher": "no dispatcher serves the store",
    DispatcherStopped = "dispatcher_stopped": "the process of the dispatcher that could take it is stopped",
    BatchOnly = "batch_only": "the only dispatchers serve another batch each",
    ProfileMissing = "profile_missing": "no living dispatcher has its profile",
    SkillMissing = "skill_missing": "its profile does not offer a skill that it requires",
    LabelMissing = "label_missing": "no living dispatcher that can do it has a label that it, or its profile, requires",
    BeyondDispatchers = "beyond_dispatchers": "a newer tenure added it, and no living dispatcher knows all that it asks",
    Draining = "draining": "the dispatchers that could take it take nothing new",
    HeldBack = "held_back": "its profile cannot start where it could run, and is tried again later",
    NoSlot = "no_slot": "every slot of the dispatchers that could take it is taken",
    ProfileFull = "profile_full": "as many of its profile run as `max_running` allows",
    LimitKeyFull = "limit_key_full": "as many run with its limit key as its limit allows",
    BehindOthers = "behind_others": "others of its profile are taken before it",
    NextInLine = "next_in_line": "nothing holds it: it is taken next",
    BlockedNeedsInput = "blocked_needs_input": "its worker, or a person, says that it needs an answer",
    BlockedCapability = "blocked_capability": "it needs something that its profile cannot do",
    BlockedOperator = "blocked_operator": "a person stopped it, or lets it wait",
    GaveUpFailures = "gave_up:max_failures": "it failed so often in a row",
    GaveUpViolations = "gave_up:violation_limit": "it ended so often in a row without a report",
    GaveUpDefers = "gave_up:max_defers": "it put itself off so often in a row",
    GaveUpBenign = "gave_up:max_benign": "it ended so often in a row before it did anything",
    GaveUpLost = "gave_up:max_lost": "its end went unseen so often in a row",
    GaveUpBlocks = "gave_up:max_blocks": "its worker blocked it so often since it last came to an end",
    GaveUpOnExit = "gave_up:on_exit": "a rule gives up at this exit",
    GaveUp = "gave_up": "a limit was reached that this version does not know",
    Done = "done": "the work is done",
    Cancelled = "cancelled": "nobody wants it any more",
    Archived = "archived": "a person put it away",
    CompletedReported = "completed+reported": "its worker said so",
    CompletedExit = "completed+exit_0": "exit code 0, under protocol `exit`",
    BlockedReported = "blocked+reported": "its worker said what it needs",
    BlockedWaits = "blocked+waits": "its worker said which task it waits for",
    BlockedAsked = "blocked+asked": "a person blocked it",
    BlockedOnExit = "blocked+on_exit": "a rule blocks at this exit",
    DeferredReported = "deferred+reported": "its worker said when to try again",
    DeferredExit = "deferred+exit": "the exit code that means \"try later\", or a rule that defers",
    FailedReported = "failed+reported": "its worker said why",
    FailedExit = "failed+exit": "an exit code other than 0",
    FailedNotToldToStandDown = "failed+exit_79_not_stood_down": "exit 79 by a worker that was never told \"not owner\"",
    FailedOom = "failed+oom": "an exit code, after the kernel killed something of it for want of memory",
    CrashedSignal = "crashed+signal": "a signal that nobody of Tenure sent",
    CrashedOom = "crashed+oom": "the kernel killed it for want of memory",
    ViolationNoReport = "protocol_violation+no_report": "exit 0 without a report, under protocol `report`",
    TimedOut = "timed_out+max_runtime": "it took longer than `max_runtime`",
    Silent = "silent+heartbeat_timeout": "no heartbeat for `heartbeat_timeout`",
    SpawnNoEntry = "spawn_failed+enoent": "there is no such program, folder or user",
    SpawnNoAccess = "spawn_failed+eacces": "the program or folder may not be used",
    SpawnNoProgram = "spawn_failed+enoexec": "the file is no program that this kernel can execute",
    SpawnOther = "spawn_failed+other": "the kernel, or Tenure, refused to start it so",
    NeverStartedDispatcher = "never_started+dispatcher_gone": "its dispatcher died before the command was let go",
    NeverStartedOurs = "never_started+own_side": "Tenure's own side failed before the command ran",
    StaleEnvironment = "stale+environment": "its guard stood down: a variable of its environment was wrong",
    StaleNotOwner = "stale+not_owner": "its guard stood down: the task was not its own, or that could not be known",
    ReclaimedAsked = "reclaimed+asked": "a person took it back",
    ReclaimedLapsed = "reclaimed+lease_over": "its host fell silent until its lease was over, and another host took it back",
    LostNewBoot = "lost+new_boot": "the host was started anew",
    LostWardenKilled = "lost+warden_killed": "its warden was killed, and with it whoever saw the end",
    LostOutOfReach = "lost+out_of_reach": "it ran where nobody here can look, and its lease is over",
    LostUnobserved = "lost+unobserved": "nobody was told of the end",
    InterruptedSignal = "interrupted+signal": "a TERM, HUP or INT to its warden or dispatcher ended it",
    InterruptedShutdown = "interrupted+shutdown": "its dispatcher was stopped, and ended its workers",
    StoppedAsked = "stopped+asked": "a person stopped it",
    CancelledAsked = "cancelled+asked": "a person cancelled it",
    CancelledArchived = "cancelled+archived": "a person put the task away",
    EndUnknown = "unknown": "a newer tenure ended it in a way that this one does not know",
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Code {
    /// The breaker's trip, from the reason that it wrote: the limit's name comes first.
    pub fn of_trip(reason: &str) -> Self {
        let limit = reason.split([' ', ':', '.']).next().unwrap_or_default();
        match limit {
            "max_failures" => Self::GaveUpFailures,
            "violation_limit" => Self::GaveUpViolations,
            "max_defers" => Self::GaveUpDefers,
            "max_benign" => Self::GaveUpBenign,
            "max_lost" => Self::GaveUpLost,
            "max_blocks" => Self::GaveUpBlocks,
            "on_exit" => Self::GaveUpOnExit,
            _ => Self::GaveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_every_code_with_its_meaning() {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let rows: Vec<String> = Code::ALL
            .iter()
            .map(|code| format!("| `{code}` | {} |", code.meaning()))
            .collect();
        let table = rows.join("\n");
        assert!(
            readme.contains(&table),
            "the README's table of reasons should be:\n{table}"
        );
    }

    #[test]
    fn a_trip_is_known_by_the_limit_that_it_names() {
        let trip = "max_failures = 3 reached: crashed: killed by signal 9";
        assert_eq!(Code::of_trip(trip), Code::GaveUpFailures);
        assert_eq!(
            Code::of_trip("on_exit.2 = give_up: failed: exit 2"),
            Code::GaveUpOnExit
        );
        assert_eq!(Code::of_trip("something newer"), Code::GaveUp);
    }
}
