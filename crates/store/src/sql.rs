//! Every statement of the store: one file each, and this list, so that a test prepares them all.
//!
//! One text serves both databases where they agree; where they do not (the clock, row locks) each
//! has its own below `sql/sqlite` and `sql/postgres`. Parameters are whole numbers and texts only.
//! What copies whole tables is made from their columns, in `copy/layout.rs`.

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
    (
        shared { $($shared:ident = $shared_file:literal,)+ }
        each { $($own:ident = $own_file:literal,)+ }
        moving { $($moving:ident = $moving_file:literal,)+ }
    ) => {
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

        $(pub(crate) const $moving: Statement = Statement {
            name: $moving_file,
            sqlite: include_str!(concat!("../sql/moving/", $moving_file, ".sql")),
            postgres: include_str!(concat!("../sql/moving/", $moving_file, ".sql")),
        };)+

        /// All that every store understands.
        pub const ALL: &[Statement] = &[$($shared,)+ $($own,)+];

        /// Those about the table of a migration, which the first of them makes.
        pub const MOVING: &[Statement] = &[$($moving,)+];
    };
}

statements! {
    shared {
        ADD_BATCH = "add_batch",
        ADD_LINK = "add_link",
        ADD_PAUSE = "add_pause",
        ADD_SUCCESSOR = "add_successor",
        ADD_TASK = "add_task",
        ADOPT = "adopt",
        ASK = "ask",
        ASKS = "asks",
        ASK_ASSIGNEE = "ask_assignee",
        ASK_AS_HOLDER = "ask_as_holder",
        BATCH_COUNTS = "batch_counts",
        BATCH_OF_TASK = "batch_of_task",
        BEFORE_IN_LANE = "before_in_lane",
        BEGIN_SERIES = "begin_series",
        BY_PROFILE = "by_profile",
        CHILDREN = "children",
        CLAIM_RUN = "claim_run",
        CLAIM_TASK = "claim_task",
        CLEAR_CHILDREN = "clear_children",
        CLEAR_COMMENTS = "clear_comments",
        CLEAR_DISPATCHERS = "clear_dispatchers",
        CLEAR_EVENTS = "clear_events",
        CLEAR_PARENTS = "clear_parents",
        CLEAR_RUNS = "clear_runs",
        CLEAR_SKILLS = "clear_skills",
        CLEAR_TASK = "clear_task",
        CLEAR_TASK_EVENTS = "clear_task_events",
        COMMENT = "comment",
        COMMENTS_OF_TASK = "comments_of_task",
        COMMENT_AS_WORKER = "comment_as_worker",
        COUNT = "count",
        COUNT_ADDED = "count_added",
        COUNT_BLOCKED = "count_blocked",
        COUNT_OF_ASSIGNEE = "count_of_assignee",
        COUNT_OF_BATCH = "count_of_batch",
        DRAIN = "drain",
        DRAIN_AT = "drain_at",
        EARLIER_ATTEMPTS = "earlier_attempts",
        EARLIER_BLOCKS = "earlier_blocks",
        END = "end",
        ENDED_PARENTS = "ended_parents",
        ENDED_PARENTS_OF_TASK = "ended_parents_of_task",
        EVENTS = "events",
        EVENTS_OF_BATCH = "events_of_batch",
        EVENTS_OF_TASK = "events_of_task",
        FREE_CHILD = "free_child",
        GC_DISPATCHERS = "gc_dispatchers",
        GC_EVENTS = "gc_events",
        GC_EVENTS_PAGE = "gc_events_page",
        GC_RUN = "gc_run",
        GC_RUNS_OF_TASK = "gc_runs_of_task",
        GC_TASKS = "gc_tasks",
        HEARTBEAT = "heartbeat",
        HELD_TASK = "held_task",
        HOLD_BACK = "hold_back",
        HOLD_HOOKS = "hold_hooks",
        HOOKS_TOLD = "hooks_told",
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
        NEWEST_RUN = "newest_run",
        NEWEST_RUNS_OF_TASK = "newest_runs_of_task",
        NOTE_WORKER = "note_worker",
        OPEN_RUN = "open_run",
        OPEN_RUNS = "open_runs",
        ORPHANS = "orphans",
        PARENTS = "parents",
        PARENT_RESULTS = "parent_results",
        PASS = "pass",
        PAUSED_AT = "paused_at",
        PAUSES = "pauses",
        PAUSE_TASK = "pause_task",
        PROFILES_WANTED = "profiles_wanted",
        PROMOTE = "promote",
        PUBLISH = "publish",
        READY_IN_LANE = "ready_in_lane",
        REASSIGN = "reassign",
        RECORDED = "recorded",
        REFUSED_REPORTS = "refused_reports",
        RELEASE_HOOKS = "release_hooks",
        REMOVE_PAUSE = "remove_pause",
        REOPEN = "reopen",
        REPORT = "report",
        RESET_FAILURES = "reset_failures",
        RESIDUE = "residue",
        RETIRE = "retire",
        RETIRE_ALL = "retire_all",
        RUN = "run",
        RUNNING_BY_KEY = "running_by_key",
        RUNNING_OF_KEY = "running_of_key",
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
        STUCK_ABOVE = "stuck_above",
        TALLIES = "tallies",
        TASK = "task",
        TASK_BY_KEY = "task_by_key",
        TASK_BY_REQUEST = "task_by_request",
        TROUBLED = "troubled",
        UNBEGUN = "unbegun",
        UNFINISHED = "unfinished",
        UNMET_CHILDREN = "unmet_children",
        UNMET_LINKS = "unmet_links",
        UNMET_PARENTS = "unmet_parents",
        UNSTARTED = "unstarted",
        UNVERIFIED = "unverified",
        WAITS_FOR = "waits_for",
        WAIT_BEHIND = "wait_behind",
        VAIN_LINKS = "vain_links",
        WAIVE = "waive",
        WAIVE_VAIN = "waive_vain",
    }
    each {
        ADD_EVENTS = "add_events",
        ADD_TALLIES = "add_tallies",
        BELONGS = "belongs",
        BLOCKED_LONG = "blocked_long",
        CANDIDATES = "candidates",
        CANDIDATES_OF_BATCH = "candidates_of_batch",
        CHILDREN_TO_TELL = "children_to_tell",
        CLOSING = "closing",
        DESCENDANTS = "descendants",
        DUE = "due",
        EDITED_TASK = "edited_task",
        GOING_ON = "going_on",
        HOLD_MOVE = "hold_move",
        LAPSED = "lapsed",
        LAPSES = "lapses",
        LOCK_PROFILE = "lock_profile",
        LOCK_SCHEMA = "lock_schema",
        MAY_CLAIM = "may_claim",
        NEXT_DUE = "next_due",
        NOW = "now",
        OVERDUE = "overdue",
        PARENT = "parent",
        PAUSED_TASKS = "paused_tasks",
        READY_LONGEST = "ready_longest",
        READY_PROFILES = "ready_profiles",
        RENEW = "renew",
        SETTLE_IN = "settle_in",
        WISHED_RUN = "wished_run",
        WISHED_TASK = "wished_task",
    }
    moving {
        MAKE_MARKER = "make_marker",
        MARK = "mark",
        MARKER = "marker",
        MARK_MOVED = "mark_moved",
        POINT = "point",
        UNMARK = "unmark",
    }
}
