//! lapse: runs of other hosts whose leases end, and how a run whose lease is over is taken back.
//!
//! Between hosts time decides, by the store's clock: a warden that cannot renew ends its worker before
//! its lease is over, and whoever takes the task back waits a margin longer.
//!
//! **Invariant:** on the holder's own host nothing is taken by time: only other hosts' runs are looked
//! at here, and only where hosts share the store.

use std::time::Duration;

use sqlx::FromRow;
use tenure_guard::{RunId, TaskId, Tenure};

use crate::clock::millis;
use crate::end::{Close, Ended};
use crate::error::Error;
use crate::life::End;
use crate::moved::small;
use crate::open::Store;
use crate::orphan::MARGIN;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// So many runs are looked at together; where more are over, whoever took these back looks again.
pub const LOOK: u32 = 32;

/// Runs of other hosts whose leases are over, and when the next one may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lapses {
    /// Those that may be taken back, longest over first; at most [`LOOK`].
    pub over: Vec<Lapsed>,
    /// How long until the next lease and its margin are over if nobody renews it; `None` where no other
    /// host has a run.
    pub next: Option<Duration>,
}

/// A run whose lease and margin are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lapsed {
    /// The fence.
    pub tenure: Tenure,
    /// Which try it is.
    pub attempt: u32,
    /// The profile it was claimed for.
    pub profile: String,
    /// Who did not renew it, in words.
    pub holder: String,
}

impl Store {
    /// Looks at the leases of other hosts than `host_id`. It costs a few steps of an index, however many
    /// runs are closed. On a store of one host nothing is ever found.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn lapses(&self, host_id: &str) -> Result<Lapses, Error> {
        if !self.is_shared() {
            return Ok(Lapses::default());
        }
        let (now, rows): (i64, Vec<Row>) = self
            .read(async |tx| {
                let now = tx.now().await?;
                Ok((now, tx.fetch(&sql::LAPSES, values![host_id, LOOK]).await?))
            })
            .await?;
        let mut lapses = Lapses::default();
        for row in rows {
            // One moment beyond the margin, as `lapsed` asks for.
            let left = row.lease_until.saturating_add(millis(MARGIN)) - now + 1;
            match u64::try_from(left) {
                Ok(left @ 1..) => {
                    lapses.next = Some(Duration::from_millis(left));
                    break;
                }
                Ok(0) | Err(_) => lapses.over.push(row.read()?),
            }
        }
        Ok(lapses)
    }

    /// Takes a run back whose lease and margin are over: closes it as any other end would, in one
    /// transaction with finding that nobody renewed it. `None` where somebody did, closed it, or is just
    /// doing so. `by` says who takes it, in words.
    ///
    /// A report that was recorded counts before the lapse, and so does what was asked.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn take_back(&self, lapsed: &Lapsed, by: String) -> Result<Option<Ended>, Error> {
        self.write(TakeBack {
            tenure: lapsed.tenure.clone(),
            holder: lapsed.holder.clone(),
            by,
            jitter: rand::random(),
        })
        .await
    }
}

#[derive(FromRow)]
struct Row {
    task_id: i64,
    run_id: i64,
    claim_lock: String,
    attempt: i64,
    profile: String,
    lease_until: i64,
    dispatcher_id: String,
    host_id: Option<String>,
    host_name: Option<String>,
}

impl Row {
    fn read(self) -> Result<Lapsed, Error> {
        let host = self.host_name.or(self.host_id);
        let host = host.as_deref().unwrap_or("an unknown host");
        Ok(Lapsed {
            tenure: Tenure {
                task: TaskId(self.task_id),
                run: RunId(self.run_id),
                lock: self.claim_lock.parse()?,
            },
            attempt: small(self.attempt)?,
            profile: self.profile,
            holder: format!("dispatcher {} on {host}", self.dispatcher_id),
        })
    }
}

struct TakeBack {
    tenure: Tenure,
    holder: String,
    by: String,
    jitter: u32,
}

#[derive(FromRow)]
struct Over {
    started_at: Option<i64>,
}

impl Write for TakeBack {
    type Answer = Option<Ended>;

    async fn apply(&self, tx: &mut Transaction) -> Result<Option<Ended>, Error> {
        let Tenure { task, run, lock } = &self.tenure;
        let before = tx.now().await?.saturating_sub(millis(MARGIN));
        let shown = values![*task, *run, lock, before];
        // Held from here: whoever renews it now comes after its end.
        let Some(over) = tx.fetch_one::<Over>(&sql::LAPSED, shown).await? else {
            return Ok(None);
        };
        let close = Close {
            tenure: self.tenure.clone(),
            end: self.end(&over),
            jitter: self.jitter,
        };
        close.apply(tx).await.map(Some)
    }
}

impl TakeBack {
    /// What was not started by now never is: a start needs a lease that holds.
    fn end(&self, over: &Over) -> End {
        match over.started_at {
            Some(_) => End::Lapsed {
                holder: self.holder.clone(),
                by: self.by.clone(),
            },
            None => End::NeverStarted {
                reason: End::NEVER_LET_GO_ELSEWHERE.to_owned(),
            },
        }
    }
}
