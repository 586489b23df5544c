//! Every statement of the store: one file each, and this list, so that a test prepares them all.
//!
//! One text serves both databases where they agree; where they do not (the clock, row locks) each
//! has its own below `sql/sqlite` and `sql/postgres`. Parameters are whole numbers and texts only.

/// One statement, in the words of each database.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// The name of its file.
    pub name: &'static str,
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

macro_rules! statements {
    (shared { $($shared:ident = $shared_file:literal,)+ } each { $($own:ident = $own_file:literal,)+ }) => {
        $(pub(crate) const $shared: Statement = Statement {
            name: $shared_file,
            sqlite: include_str!(concat!("../sql/", $shared_file, ".sql")),
            postgres: include_str!(concat!("../sql/", $shared_file, ".sql")),
        };)+
        $(pub(crate) const $own: Statement = Statement {
            name: $own_file,
            sqlite: include_str!(concat!("../sql/sqlite/", $own_file, ".sql")),
            postgres: include_str!(concat!("../sql/postgres/", $own_file, ".sql")),
        };)+

        /// All of them.
        pub const ALL: &[Statement] = &[$($shared,)+ $($own,)+];
    };
}

statements! {
    shared {
        ADD_BATCH = "add_batch",
        ADD_LINK = "add_link",
        ADD_PAUSE = "add_pause",
        ADD_TASK = "add_task",
        ADOPT = "adopt",
        ASK = "ask",
        ASKS = "asks",
        ASK_ASSIGNEE = "ask_assignee",
        ASK_AS_HOLDER = "ask_as_holder",
        BATCH_COUNTS = "batch_counts",
        BEFORE_IN_LANE = "before_in_lane",
        BY_PROFILE = "by_profile",
        CHILDREN = "children",
        CLAIM_RUN = "claim_run",
        CLAIM_TASK = "claim_task",
        CLEAR_SKILLS = "clear_skills",
        COMMENT = "comment",
        COMMENTS_OF_TASK = "comments_of_task",
        COMMENT_AS_WORKER = "comment_as_worker",
        COUNT = "count",
        COUNT_OF_ASSIGNEE = "count_of_assignee",
        COUNT_OF_BATCH = "count_of_batch",
        DRAIN = "drain",
        DRAIN_AT = "drain_at",
        EARLIER_ATTEMPTS = "earlier_attempts",
        EARLIER_BLOCKS = "earlier_blocks",
        END = "end",
        EVENTS = "events",
        EVENTS_OF_BATCH = "events_of_batch",
        EVENTS_OF_TASK = "events_of_task",
        FREE_CHILD = "free_child",
        HEARTBEAT = "heartbeat",
        HOLD_BACK = "hold_back",
        LANES = "lanes",
        LANES_OF_BATCH = "lanes_of_batch",
        LEAVE_OUT = "leave_out",
        LIMITS_OF_RUN = "limits_of_run",
        LINK_BEHIND = "link_behind",
        LIST = "list",
        LIST_OF_ASSIGNEE = "list_of_assignee",
        LIST_OF_BATCH = "list_of_batch",
        LIVING = "living",
        MAKE_READY = "make_ready",
        MEET_LINK = "meet_link",
        META = "meta",
        MOVE_TASK = "move_task",
        NEWEST_EVENT = "newest_event",
        NEWEST_EVENTS_OF_TASK = "newest_events_of_task",
        NEWEST_RUNS_OF_TASK = "newest_runs_of_task",
        NOTE_WORKER = "note_worker",
        OPEN_RUN = "open_run",
        OPEN_RUNS = "open_runs",
        ORPHANS = "orphans",
        PARENTS = "parents",
        PARENT_RESULTS = "parent_results",
        PAUSED_AT = "paused_at",
        PAUSES = "pauses",
        PAUSE_TASK = "pause_task",
        PROMOTE = "promote",
        PUBLISH = "publish",
        REASSIGN = "reassign",
        RECORDED = "recorded",
        REMOVE_PAUSE = "remove_pause",
        RENEW = "renew",
        REOPEN = "reopen",
        REPORT = "report",
        RESET_FAILURES = "reset_failures",
        RETIRE = "retire",
        RETIRE_ALL = "retire_all",
        RUN = "run",
        RUNNING_BY_KEY = "running_by_key",
        RUNNING_OF_PROFILE = "running_of_profile",
        RUNNING_WITH_KEY = "running_with_key",
        RUNNING_WITH_PROFILE = "running_with_profile",
        RUNS_OF_TASK = "runs_of_task",
        SEEN = "seen",
        SEEN_AT = "seen_at",
        SET_META = "set_meta",
        SET_RESULT = "set_result",
        STANDING = "standing",
        START = "start",
        TALLIES = "tallies",
        TASK = "task",
        TASK_BY_KEY = "task_by_key",
        TASK_BY_REQUEST = "task_by_request",
        UNFINISHED = "unfinished",
        UNMET_CHILDREN = "unmet_children",
        UNMET_LINKS = "unmet_links",
        UNMET_PARENTS = "unmet_parents",
        UNSTARTED = "unstarted",
        WAITS_FOR = "waits_for",
        WAIVE = "waive",
    }
    each {
        ADD_EVENTS = "add_events",
        ADD_TALLIES = "add_tallies",
        BELONGS = "belongs",
        CANDIDATES = "candidates",
        CANDIDATES_OF_BATCH = "candidates_of_batch",
        CHILDREN_TO_TELL = "children_to_tell",
        CLOSING = "closing",
        DESCENDANTS = "descendants",
        DUE = "due",
        EDITED_TASK = "edited_task",
        LOCK_PROFILE = "lock_profile",
        LOCK_SCHEMA = "lock_schema",
        MAY_CLAIM = "may_claim",
        NEXT_DUE = "next_due",
        NOW = "now",
        PARENT = "parent",
        READY_LONGEST = "ready_longest",
        WISHED_RUN = "wished_run",
        WISHED_TASK = "wished_task",
    }
}
