//! copy: a store moves from one database to another, whole: every table, every column, every id.
//!
//! The source is fenced, the target is made with the source's name and is nobody's to open; pages are
//! copied in the order of their keys, each in one transaction, so that what the target holds says how
//! far it came, and a migration that was broken off anywhere goes on there. What the target gives back
//! is compared with what the source does, and only then the source becomes what was, and the target a
//! store like any, in this order: at no moment could both be used.
//!
//! Whether processes live is for the caller to find out, of whom the refusals tell.
//!
//! **Invariant:** of the two ends of a migration at most one can be changed by anybody.

mod digest;
mod ends;
mod fence;
mod layout;
mod marker;
mod page;

use std::fmt;

use serde::Serialize;
use tenure_guard::TaskId;

use crate::error::{Error, OpenError};
use crate::ids::InstanceId;
use crate::migrate::Known;
use crate::orphan::Orphan;
use crate::sql;
use crate::url::StoreUrl;
use crate::value::{Value, values};

pub use digest::Content;
use ends::{End, Standing};
use layout::{COPIED, Copied};
pub use layout::{Column, Kind, Layout, NAME, TABLES, statements};
pub(crate) use marker::{Birth, Marker};

/// A migration did not begin, or did not go on. Unless it says so, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing to move.
    #[error("there is no store at {what}: nothing to move")]
    NoSource {
        /// Where.
        what: String,
    },
    /// Somebody dispatches, or migrates.
    #[error(
        "{what} is in use by {by}: let it finish by `tenure drain`, or stop it, and migrate then"
    )]
    Served {
        /// Which store.
        what: String,
        /// By whom.
        by: String,
    },
    /// Runs are open, and whoever stands over them would report to a store that is not in use any more.
    #[error(
        "{what} has {} open runs, the first run {} of task {}: `tenure settle` ends what still runs of them and closes them; or start a dispatcher, and `tenure drain` lets them finish",
        runs.len(),
        runs.first().map_or(0, |run| run.tenure.run.0),
        runs.first().map_or(0, |run| run.tenure.task.0)
    )]
    OpenRuns {
        /// Which store.
        what: String,
        /// Which runs.
        runs: Vec<Orphan>,
    },
    /// A task is held by nobody.
    #[error(
        "{what}: task {task} is held by a run that is not open: `tenure edit {task} --clear-claim` frees it"
    )]
    Residue {
        /// Which store.
        what: String,
        /// Which task.
        task: TaskId,
    },
    /// The target is a store, or a part of one that has nothing to do with this migration.
    #[error(
        "{what} holds {holds}: name an empty database or schema, or a file that is not there yet; this one was left as it is"
    )]
    Taken {
        /// Which target.
        what: String,
        /// What it holds.
        holds: &'static str,
    },
    /// The source was moved to another place, or is filled itself.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was begun by another version.
    #[error(
        "{what} is at one end of a migration that a tenure with other tables began: finish it with that one, or `tenure migrate --from {source_store} --undo`"
    )]
    OtherVersion {
        /// Which end.
        what: String,
        /// The source.
        source_store: String,
    },
    /// It has tables of a newer version, of which something would be left out.
    #[error(
        "{what} has schema version {found}, and this tenure knows all there is up to {known}: move it by the newer tenure"
    )]
    NewerTables {
        /// Which store.
        what: String,
        /// Its version.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// PostgreSQL does not take what SQLite took.
    #[error(
        "{table} {key}: {column} holds a NUL character, which PostgreSQL does not take: `tenure migrate --from … --undo`, change that text, and migrate again"
    )]
    Nul {
        /// In which table.
        table: &'static str,
        /// In which column.
        column: &'static str,
        /// In which row.
        key: String,
    },
    /// Nothing is to be undone.
    #[error("{what} is not being moved: there is nothing to undo")]
    NotMoving {
        /// Which store.
        what: String,
    },
    /// The two ends do not hold the same.
    #[error(
        "the two stores were not found to hold the same: nothing is in use there yet, and `tenure migrate --from … --undo` leaves everything here"
    )]
    Differs,
    /// A store did not answer. What was copied stays, and the next attempt goes on there.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What became of an attempt to begin.
#[derive(Debug)]
pub enum Begun {
    /// It can be gone on with.
    Under(Box<Move>),
    /// Everything was there already, and the source knows it.
    Over {
        /// Since when.
        at: jiff::Timestamp,
    },
}

/// A migration under way. Dropped, it can be begun again and goes on where it was.
pub struct Move {
    source: End,
    target: End,
    instance: InstanceId,
    is_resumed: bool,
    /// Which table is being copied, and behind which key, where that is known.
    table: usize,
    after: Option<Vec<Value>>,
    /// So many tables were compared, from the first, and so many of them are the same.
    compared: usize,
    equal: usize,
}

impl fmt::Debug for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Move")
            .field("instance", &self.instance)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// What one step copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of which table.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
}

/// What both ends hold of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Which table.
    pub table: &'static str,
    /// Whether it is the same.
    pub equal: bool,
    /// What is copied.
    pub source: Content,
    /// What was read back.
    pub target: Content,
}

/// What would be copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Of which table.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
    /// How many bytes of text.
    pub bytes: i64,
}

impl Move {
    /// Begins a migration, or goes on with one that was broken off: fences the source and makes the
    /// target.
    ///
    /// # Errors
    /// [`CopyError`]; where the target could not be made, the fence is down again.
    pub async fn begin(from: &StoreUrl, to: &StoreUrl) -> Result<Begun, CopyError> {
        let target = ends::look_at_target(to).await?;
        let (from_what, to_what) = (from.to_string(), to.to_string());
        let fits = |source: &Known| ends::decide(source, target.as_ref(), &from_what, &to_what);
        // Before anything is touched, as far as that can be said: an older store is brought up to date.
        match ends::look_at_source(from).await {
            Err(CopyError::Open(OpenError::Older { .. })) => {}
            found => {
                fits(&found?)?;
            }
        }
        let mut source = End::of_source(from).await?;
        if let Standing::Over { at } = fits(&source.known)? {
            return Ok(Begun::Over { at });
        }
        let is_resumed = source.known.marker.is_some();
        let marker = match source.known.marker.clone() {
            Some(marker) => marker,
            None => source.fence(&to_what).await?,
        };
        match End::of_target(to, source.known.instance, &marker, &from_what).await {
            Ok(target) => {
                source.point(&to_what).await?;
                Ok(Begun::Under(Box::new(Self {
                    instance: source.known.instance,
                    source,
                    target,
                    is_resumed,
                    table: 0,
                    after: None,
                    compared: 0,
                    equal: 0,
                })))
            }
            Err(error) => {
                if !is_resumed {
                    source.write(fence::take_down).await?;
                }
                Err(error)
            }
        }
    }

    /// The store's name, which it keeps.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Whether an earlier attempt was broken off.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Copies one page in one transaction, or notes that a table is through; nothing once all are.
    ///
    /// # Errors
    /// [`CopyError`]; what was copied before stays.
    pub async fn step(&mut self) -> Result<Option<Step>, CopyError> {
        let Some(table) = COPIED.get(self.table) else {
            return Ok(None);
        };
        let source = self.source.connection()?;
        let target = self.target.connection()?;
        let after = match self.after.take() {
            Some(after) => after,
            // Pages are in order and whole, so the last row says how far an earlier attempt came.
            None => match page::last(target, table).await? {
                Some(last) => last,
                None => page::beginning(table),
            },
        };
        let mut copied = 0;
        if let Some(extent) = page::extent(source, table, &after).await? {
            let rows = page::rows(source, table, &after, &extent.to).await?;
            page::add(target, table, &rows).await?;
            copied = extent.rows;
            self.after = Some(extent.to);
        } else {
            if let Some(number) = page::given(source, table).await? {
                page::give(target, table, number).await?;
            }
            self.table += 1;
        }
        Ok(Some(Step {
            table: table.layout.name,
            rows: copied,
        }))
    }

    /// Compares the next table; nothing once all are compared.
    ///
    /// # Errors
    /// [`CopyError::Store`].
    pub async fn compare(&mut self) -> Result<Option<Compared>, CopyError> {
        let Some(table) = COPIED.get(self.compared) else {
            return Ok(None);
        };
        let source = digest::content(self.source.connection()?, table).await?;
        let target = digest::content(self.target.connection()?, table).await?;
        let equal = source == target;
        self.compared += 1;
        self.equal += usize::from(equal);
        Ok(Some(Compared {
            table: table.layout.name,
            equal,
            source,
            target,
        }))
    }

    /// Makes the source what was, for good, and the target a store like any.
    ///
    /// # Errors
    /// [`CopyError::Differs`] unless every table was compared and found the same; then nobody may use
    /// the target yet. [`CopyError::Store`]: the next attempt finishes it.
    pub async fn finish(mut self) -> Result<(), CopyError> {
        if self.equal != COPIED.len() {
            return Err(CopyError::Differs);
        }
        self.target.gather_statistics(&COPIED).await;
        // In this order: between the two nobody can use either.
        self.source
            .write(async |tx| {
                let now = tx.now().await?;
                tx.execute(&sql::MARK_MOVED, values![now]).await?;
                Ok(())
            })
            .await?;
        self.target
            .write(async |tx| {
                tx.execute(&sql::UNMARK, Vec::new()).await?;
                Ok(())
            })
            .await?;
        self.target.close().await?;
        self.source.close().await
    }
}

/// What a migration would copy, and that nothing stands in its way; nothing is changed.
///
/// # Errors
/// As [`Move::begin`].
pub async fn plan(from: &StoreUrl, to: &StoreUrl) -> Result<Vec<Planned>, CopyError> {
    let source = ends::look_at_source(from).await?;
    let target = ends::look_at_target(to).await?;
    let (from_what, to_what) = (from.to_string(), to.to_string());
    ends::decide(&source, target.as_ref(), &from_what, &to_what)?;
    let mut connection = ends::reading_at_rest(from, source.marker.is_some()).await?;
    let mut planned = Vec::new();
    for table in COPIED.iter() {
        planned.push(sum(&mut connection, table).await?);
    }
    Ok(planned)
}

async fn sum(
    connection: &mut crate::connection::Connection,
    table: &Copied,
) -> Result<Planned, Error> {
    let (mut rows, mut bytes) = (0, 0);
    let mut after = page::beginning(table);
    while let Some(extent) = page::extent(connection, table, &after).await? {
        rows += extent.rows;
        bytes += extent.bytes;
        after = extent.to;
    }
    let table = table.layout.name;
    Ok(Planned { table, rows, bytes })
}

/// Gives a migration up that is not finished: the source is a store like any again, and what its target
/// holds will never be used.
///
/// # Errors
/// [`CopyError::NotMoving`], [`OpenError::Moved`] where it is finished, [`CopyError::Store`].
pub async fn undo(from: &StoreUrl) -> Result<(), CopyError> {
    let what = from.to_string();
    match ends::look_at_source(from).await?.marker {
        None => return Err(CopyError::NotMoving { what }),
        Some(marker) if marker.finished_at.is_some() => return Err(marker.refusal(&what).into()),
        Some(_) => {}
    }
    let mut source = End::of_source(from).await?;
    source.write(fence::take_down).await?;
    source.close().await
}
