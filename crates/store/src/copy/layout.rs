//! All tables and columns that make up a store, in one place, and the statements that copy them. A test
//! holds this against the tables of both databases, so that no migration forgets a column.

use std::sync::LazyLock;

use crate::sql::Statement;

/// What a column holds, in both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 64 bits, or nothing.
    Number,
    /// A text, or nothing.
    Text,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Its name.
    pub name: &'static str,
    /// Whether the database gives out its key, a number, and never the same twice.
    pub is_numbered: bool,
    /// What rows are known and ordered by.
    pub key: &'static [Column],
    /// All other columns.
    pub rest: &'static [Column],
}

const fn number(name: &'static str) -> Column {
    let kind = Kind::Number;
    Column { name, kind }
}

const fn text(name: &'static str) -> Column {
    let kind = Kind::Text;
    Column { name, kind }
}

/// Which store it is and the version of its tables. Not copied: a target is made with the same name.
pub const NAME: Layout = Layout {
    name: "store",
    is_numbered: false,
    key: &[number("one")],
    rest: &[
        text("instance_id"),
        number("schema_version"),
        number("compatible_from"),
    ],
};

/// What is copied, and in this order: rows refer only to those of tables before theirs. (A task refers
/// to its open run; in a store that is copied there is none.)
pub const TABLES: &[Layout] = &[
    Layout {
        name: "batches",
        is_numbered: true,
        key: &[number("id")],
        rest: &[text("source"), number("created_at")],
    },
    Layout {
        name: "tasks",
        is_numbered: true,
        key: &[number("id")],
        rest: &[
            number("batch_id"),
            text("name"),
            text("title"),
            text("body"),
            text("assignee"),
            text("command"),
            text("cwd"),
            text("env"),
            text("skills"),
            text("limits"),
            number("priority"),
            text("status"),
            number("pending_parents"),
            number("not_before"),
            text("block_kind"),
            text("block_reason"),
            number("attempts"),
            number("failures"),
            number("violations"),
            number("defers"),
            number("benign"),
            number("lost"),
            number("current_run_id"),
            text("idempotency_key"),
            text("fingerprint"),
            text("request_id"),
            number("created_at"),
            number("updated_at"),
            number("archived_at"),
            number("since"),
            number("queued_at"),
            text("lane"),
            text("limit_key"),
            number("key_limit"),
            number("paused_at"),
            number("blocks"),
            text("result"),
            text("created_by"),
            number("created_by_run"),
            text("recurrence"),
            number("series_id"),
            text("requires"),
        ],
    },
    Layout {
        name: "runs",
        is_numbered: true,
        key: &[number("run_id")],
        rest: &[
            number("task_id"),
            number("attempt"),
            text("dispatcher_id"),
            text("claim_lock"),
            text("profile"),
            text("limits"),
            number("claimed_at"),
            number("lease_until"),
            number("started_at"),
            number("deadline_at"),
            text("host_id"),
            text("boot_id"),
            number("pid_namespace"),
            number("warden_pid"),
            number("warden_start_ticks"),
            number("warden_inode"),
            text("socket"),
            text("log"),
            number("pid"),
            number("heartbeat_at"),
            text("note"),
            text("ask"),
            text("ask_by"),
            text("ask_reason"),
            number("asked_at"),
            text("ask_block_kind"),
            text("report_id"),
            text("report"),
            number("reported_at"),
            text("seen"),
            number("tree_unverified"),
            text("outcome"),
            text("reason"),
            number("ended_at"),
            number("epoch"),
            number("added"),
            text("ask_assignee"),
        ],
    },
    Layout {
        name: "task_links",
        is_numbered: false,
        key: &[number("parent_id"), number("child_id")],
        rest: &[text("kind"), number("met_at")],
    },
    Layout {
        name: "comments",
        is_numbered: true,
        key: &[number("id")],
        rest: &[
            number("task_id"),
            number("run_id"),
            text("author"),
            text("text"),
            number("created_at"),
        ],
    },
    Layout {
        name: "events",
        is_numbered: true,
        key: &[number("id")],
        rest: &[
            number("task_id"),
            number("run_id"),
            text("kind"),
            number("at"),
            text("payload"),
        ],
    },
    Layout {
        name: "dispatchers",
        is_numbered: false,
        key: &[text("id")],
        rest: &[
            text("host_id"),
            text("host_name"),
            text("boot_id"),
            number("pid"),
            text("socket"),
            text("version"),
            number("slots"),
            text("profiles"),
            number("batch_id"),
            number("started_at"),
            number("seen_at"),
            number("retired_at"),
            number("pid_namespace"),
            number("start_ticks"),
            number("inode"),
            number("drain_at"),
            text("held"),
            text("labels"),
            number("schema_version"),
        ],
    },
    Layout {
        name: "pauses",
        is_numbered: false,
        key: &[text("what")],
        rest: &[text("paused_by"), text("reason"), number("paused_at")],
    },
    Layout {
        name: "tallies",
        is_numbered: false,
        key: &[number("day"), text("profile"), text("outcome")],
        rest: &[number("runs"), number("run_ms")],
    },
    Layout {
        name: "hook_cursor",
        is_numbered: false,
        key: &[number("one")],
        rest: &[
            number("event_id"),
            text("dispatcher_id"),
            number("held_until"),
        ],
    },
];

impl Layout {
    /// Key first, then the rest.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + use<> {
        self.key.iter().chain(self.rest)
    }
}

/// The most rows of a page.
const ROWS: u32 = 1000;

/// A table and what it is copied by.
#[derive(Debug)]
pub(crate) struct Copied {
    pub layout: &'static Layout,
    /// The keys behind one, in their order, each with the bytes of its row.
    pub sizes: Statement,
    /// The rows from behind one key up to another.
    pub rows: Statement,
    /// Adds rows: a list of objects, as JSON.
    pub add: Statement,
    /// The last key.
    pub last: Statement,
    /// The highest number that was ever given out.
    pub given: Statement,
    /// Says that it was.
    pub give: Statement,
    /// The same where none was given out so far.
    pub begin: Statement,
    /// Lets PostgreSQL look at it.
    pub analyze: &'static str,
}

/// Each table with its statements.
pub(crate) static COPIED: LazyLock<Vec<Copied>> =
    LazyLock::new(|| TABLES.iter().map(Copied::of).collect());

/// Every statement that copies, for a test that prepares them all.
pub fn statements() -> Vec<Statement> {
    let all = |copied: &Copied| {
        let mut all = vec![copied.sizes, copied.rows, copied.add, copied.last];
        if copied.layout.is_numbered {
            all.extend([copied.given, copied.give, copied.begin]);
        }
        all
    };
    COPIED.iter().flat_map(all).collect()
}

#[derive(Clone, Copy)]
enum Dialect {
    Sqlite,
    Postgres,
}

impl Copied {
    fn of(layout: &'static Layout) -> Self {
        Self {
            layout,
            sizes: statement(layout, sizes),
            rows: statement(layout, rows),
            add: statement(layout, add),
            last: statement(layout, last),
            given: statement(layout, given),
            give: statement(layout, give),
            begin: statement(layout, begin),
            analyze: format!("ANALYZE {}", layout.name).leak(),
        }
    }
}

fn statement(layout: &Layout, text: fn(&Layout, Dialect) -> String) -> Statement {
    // Once for each table, for as long as the program runs.
    Statement {
        name: layout.name,
        sqlite: text(layout, Dialect::Sqlite).leak(),
        postgres: text(layout, Dialect::Postgres).leak(),
    }
}

fn list<'a>(
    columns: impl IntoIterator<Item = &'a Column>,
    mut each: impl FnMut(&Column) -> String,
) -> String {
    let each: Vec<String> = columns.into_iter().map(&mut each).collect();
    each.join(", ")
}

fn names<'a>(columns: impl IntoIterator<Item = &'a Column>) -> String {
    list(columns, |column| column.name.to_owned())
}

/// The key as both databases order it: texts by their bytes.
fn ordered(layout: &Layout, dialect: Dialect) -> String {
    list(layout.key, |column| match (column.kind, dialect) {
        (Kind::Text, Dialect::Postgres) => format!("{} COLLATE \"C\"", column.name),
        (Kind::Number, _) | (Kind::Text, Dialect::Sqlite) => column.name.to_owned(),
    })
}

/// As many parameters as the key has columns, the first of them with this number.
fn parameters(layout: &Layout, first: usize) -> String {
    let numbers = first..first + layout.key.len();
    let all: Vec<String> = numbers.map(|number| format!("${number}")).collect();
    all.join(", ")
}

fn sizes(layout: &Layout, dialect: Dialect) -> String {
    let texts = layout.columns().filter(|column| column.kind == Kind::Text);
    let bytes: Vec<String> = texts
        .map(|column| format!("coalesce(octet_length({}), 0)", column.name))
        .collect();
    let bytes = if bytes.is_empty() {
        "0".to_owned()
    } else {
        bytes.join(" + ")
    };
    format!(
        "SELECT {}, CAST({bytes} AS BIGINT) FROM {} WHERE ({order}) > ({}) ORDER BY {order} LIMIT {ROWS}",
        names(layout.key),
        layout.name,
        parameters(layout, 1),
        order = ordered(layout, dialect),
    )
}

fn rows(layout: &Layout, dialect: Dialect) -> String {
    format!(
        "SELECT {} FROM {} WHERE ({order}) > ({}) AND ({order}) <= ({}) ORDER BY {order}",
        names(layout.columns()),
        layout.name,
        parameters(layout, 1),
        parameters(layout, 1 + layout.key.len()),
        order = ordered(layout, dialect),
    )
}

fn add(layout: &Layout, dialect: Dialect) -> String {
    let typed = |column: &Column| match column.kind {
        Kind::Number => format!("{} BIGINT", column.name),
        Kind::Text => format!("{} TEXT", column.name),
    };
    let columns = names(layout.columns());
    let from = match dialect {
        Dialect::Sqlite => format!(
            "SELECT {} FROM json_each($1)",
            list(layout.columns(), |column| format!(
                "value ->> '{}'",
                column.name
            ))
        ),
        // Which reads each row once, whatever is in it.
        Dialect::Postgres => format!(
            "OVERRIDING SYSTEM VALUE SELECT {columns} FROM json_to_recordset(CAST($1 AS JSON)) AS element ({})",
            list(layout.columns(), typed)
        ),
    };
    format!("INSERT INTO {} ({columns}) {from}", layout.name)
}

fn last(layout: &Layout, dialect: Dialect) -> String {
    let order = ordered(layout, dialect).replace(',', " DESC,");
    format!(
        "SELECT {} FROM {} ORDER BY {order} DESC LIMIT 1",
        names(layout.key),
        layout.name,
    )
}

/// What the names of a numbered table and its key are.
fn numbered(layout: &Layout) -> (&'static str, &'static str) {
    (layout.name, layout.key.first().map_or("", |key| key.name))
}

fn given(layout: &Layout, dialect: Dialect) -> String {
    let (table, key) = numbered(layout);
    match dialect {
        Dialect::Sqlite => format!(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0) AS number"
        ),
        Dialect::Postgres => format!(
            "SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence('{table}', '{key}') AS REGCLASS)), 0) AS number"
        ),
    }
}

fn give(layout: &Layout, dialect: Dialect) -> String {
    let (table, key) = numbered(layout);
    match dialect {
        Dialect::Sqlite => format!("UPDATE sqlite_sequence SET seq = $1 WHERE name = '{table}'"),
        Dialect::Postgres => {
            format!("SELECT setval(pg_get_serial_sequence('{table}', '{key}'), $1)")
        }
    }
}

fn begin(layout: &Layout, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => format!(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('{}', $1)",
            layout.name
        ),
        Dialect::Postgres => give(layout, dialect),
    }
}
