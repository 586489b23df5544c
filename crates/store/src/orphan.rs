//! orphan: open runs whose dispatcher is gone, and how another one takes them up.
//!
//! Whether a dispatcher or a warden is dead is for whoever knows processes to say; here is only what
//! was written down of them.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{RunId, TaskId, Tenure};

use crate::clock::{millis, timestamp};
use crate::dispatcher::dispatcher_id;
use crate::error::Error;
use crate::event::EventKind;
use crate::ids::DispatcherId;
use crate::life::Ask;
use crate::moved::small;
use crate::open::Store;
use crate::process::{ProcessId, WardenColumns, process};
use crate::sql;
use crate::standing::{Asking, refusal};
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// After a lease's end another host waits so long before it believes that the holder is gone.
pub const MARGIN: Duration = Duration::from_secs(2);

/// An open run in other hands than ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The fence.
    pub tenure: Tenure,
    /// Which try it is.
    pub attempt: u32,
    /// The profile it was claimed for.
    pub profile: String,
    /// In whose hands it is.
    pub dispatcher: DispatcherId,
    /// That dispatcher's process, where its row is known.
    pub dispatcher_process: Option<ProcessId>,
    /// How often it changed hands, from 1.
    pub epoch: u64,
    /// When its lease ends, or did.
    pub lease_until: jiff::Timestamp,
    /// Whether its lease and the margin are over.
    pub is_lapsed: bool,
    /// Who stands over it.
    pub warden: Option<Standing>,
}

/// The warden of a started run, as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who it is.
    pub process: ProcessId,
    /// Where it answers.
    pub socket: PathBuf,
    /// Where the worker's output goes; in the run's folder.
    pub log: Option<PathBuf>,
}

/// A run that came into our hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Its new epoch: a warden takes the lifeline of the highest.
    pub epoch: u64,
    /// What was asked of it, if anything.
    pub ask: Option<Ask>,
}

impl Store {
    /// Open runs that are in other hands than those of `dispatcher`; where several hosts share the
    /// store, those of dispatchers of `host_id` only. By run id; reads open runs only.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn orphans(
        &self,
        dispatcher: DispatcherId,
        host_id: &str,
    ) -> Result<Vec<Orphan>, Error> {
        let host_id = self.is_shared().then_some(host_id);
        self.in_other_hands(dispatcher, host_id).await
    }

    /// All open runs, on every host, by run id.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open_runs(&self) -> Result<Vec<Orphan>, Error> {
        self.read(async |tx| open_runs(tx).await).await
    }

    async fn in_other_hands(
        &self,
        dispatcher: DispatcherId,
        host_id: Option<&str>,
    ) -> Result<Vec<Orphan>, Error> {
        self.read(async |tx| in_other_hands(tx, dispatcher, host_id).await)
            .await
    }

    /// Takes a run over from the dispatcher that had it, fenced by its hands and epoch too: of
    /// several that try, one does.
    ///
    /// # Errors
    /// [`Error::NotOwner`] where it is closed, [`Error::Refused`] where somebody else was faster,
    /// [`Error::Unavailable`].
    pub async fn adopt(&self, orphan: &Orphan, dispatcher: DispatcherId) -> Result<Adopted, Error> {
        let adopt = Adopt {
            tenure: orphan.tenure.clone(),
            from: orphan.dispatcher,
            to: dispatcher,
            epoch: orphan.epoch,
        };
        self.write(adopt).await
    }
}

/// All open runs, on every host, by run id.
pub(crate) async fn open_runs(tx: &mut Transaction) -> Result<Vec<Orphan>, Error> {
    in_other_hands(tx, DispatcherId::random(), None).await
}

async fn in_other_hands(
    tx: &mut Transaction,
    dispatcher: DispatcherId,
    host_id: Option<&str>,
) -> Result<Vec<Orphan>, Error> {
    let now = tx.now().await?;
    let asked = values![dispatcher, host_id];
    let rows: Vec<Row> = tx.fetch(&sql::ORPHANS, asked).await?;
    let orphans = rows.into_iter().map(|row| row.read(now));
    let mut orphans = orphans.collect::<Result<Vec<_>, _>>()?;
    orphans.sort_by_key(|orphan| orphan.tenure.run);
    Ok(orphans)
}

#[derive(FromRow)]
struct Row {
    task_id: i64,
    run_id: i64,
    claim_lock: String,
    attempt: i64,
    profile: String,
    epoch: i64,
    started_at: Option<i64>,
    lease_until: i64,
    #[sqlx(flatten)]
    warden: WardenColumns,
    socket: Option<String>,
    log: Option<String>,
    dispatcher_id: String,
    dispatcher_host_id: Option<String>,
    dispatcher_boot_id: Option<String>,
    dispatcher_pid_namespace: Option<i64>,
    dispatcher_pid: Option<i64>,
    dispatcher_start_ticks: Option<i64>,
    dispatcher_inode: Option<i64>,
}

impl Row {
    fn read(self, now: i64) -> Result<Orphan, Error> {
        let run = RunId(self.run_id);
        let warden = match self.started_at {
            None => None,
            Some(_) => Some(Standing {
                process: self
                    .warden
                    .read()
                    .ok_or_else(|| Error::Unreadable(format!("run {run} has half a warden")))?,
                socket: self.socket.unwrap_or_default().into(),
                log: self.log.map(PathBuf::from),
            }),
        };
        Ok(Orphan {
            tenure: Tenure {
                task: TaskId(self.task_id),
                run,
                lock: self.claim_lock.parse()?,
            },
            attempt: small(self.attempt)?,
            profile: self.profile,
            dispatcher: dispatcher_id(&self.dispatcher_id)?,
            dispatcher_process: process(
                self.dispatcher_host_id,
                self.dispatcher_boot_id,
                self.dispatcher_pid_namespace,
                self.dispatcher_pid,
                self.dispatcher_start_ticks,
                self.dispatcher_inode,
            ),
            epoch: self.epoch.cast_unsigned(),
            lease_until: timestamp(self.lease_until)?,
            is_lapsed: self.lease_until.saturating_add(millis(MARGIN)) < now,
            warden,
        })
    }
}

struct Adopt {
    tenure: Tenure,
    from: DispatcherId,
    to: DispatcherId,
    epoch: u64,
}

#[derive(FromRow)]
struct Taken {
    epoch: i64,
    ask: Option<String>,
}

impl Write for Adopt {
    type Answer = Adopted;

    async fn apply(&self, tx: &mut Transaction) -> Result<Adopted, Error> {
        let Tenure { task, run, lock } = &self.tenure;
        let shown = values![
            *task,
            *run,
            lock,
            self.from,
            self.to,
            self.epoch.cast_signed()
        ];
        let Some(taken) = tx.fetch_one::<Taken>(&sql::ADOPT, shown).await? else {
            return match refusal(tx, &self.tenure, Asking::Open).await? {
                Some(reason) => Err(Error::NotOwner { reason }),
                None => Err(Error::Refused {
                    task: *task,
                    why: format!("run {run} came into other hands meanwhile"),
                }),
            };
        };
        let payload = json!({ "dispatcher_id": self.to, "epoch": taken.epoch });
        tx.event(*task, *run, EventKind::Adopted, &payload);
        Ok(Adopted {
            epoch: taken.epoch.cast_unsigned(),
            ask: taken.ask.as_deref().map(str::parse).transpose()?,
        })
    }
}
