//! edit: mends what is wrong with a task and stands in its way. A task that a living run has is
//! never touched, and a closed run never changes.

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{RunId, TaskId};

use crate::error::Error;
use crate::event::EventKind;
use crate::lane::Lane;
use crate::life::{Move, Streaks, TaskStatus};
use crate::moved::{Moved, Resting, move_task};
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::wait::unmet_links;
use crate::writer::Write;

/// One thing that can be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// It requires no skills any more.
    ClearSkills,
    /// It requires no labels any more.
    ClearRequires,
    /// Every streak, and how often its worker blocked it, begin at 0. A task that was given up stays
    /// blocked until a person unblocks it.
    ResetFailures,
    /// It is not held by a run that ended, or that is not its own.
    ClearClaim,
}

impl Mend {
    /// What was done, for people.
    pub fn done(self) -> &'static str {
        match self {
            Self::ClearSkills => "skills cleared",
            Self::ClearRequires => "requires cleared",
            Self::ResetFailures => "streaks reset",
            Self::ClearClaim => "claim cleared",
        }
    }
}

/// What was mended, and where the task stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// What there was to mend; the rest was well.
    pub mended: Vec<Mend>,
    /// Where it stands.
    pub status: TaskStatus,
}

impl Store {
    /// Mends a task. `closed` is the run that was proved dead and closed for it before, where there
    /// was one: that is a mend of its claim.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Refused`] while an open run has it, [`Error::Unavailable`].
    pub async fn edit(
        &self,
        task: TaskId,
        mends: Vec<Mend>,
        closed: Option<RunId>,
        by: String,
        reason: Option<String>,
    ) -> Result<Edited, Error> {
        self.write(Edit {
            task,
            mends,
            closed,
            by,
            reason,
        })
        .await
    }

    /// The open run of a task, also where the task does not name it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open_run(&self, task: TaskId) -> Result<Option<RunId>, Error> {
        self.read(async |tx| open_run(tx, task).await).await
    }
}

struct Edit {
    task: TaskId,
    mends: Vec<Mend>,
    closed: Option<RunId>,
    by: String,
    reason: Option<String>,
}

#[derive(FromRow)]
struct EditedTask {
    status: String,
    current_run_id: Option<i64>,
    skills: String,
    requires: String,
    lane: String,
    #[sqlx(flatten)]
    resting: Resting,
}

#[derive(FromRow)]
struct OpenRun {
    run_id: i64,
}

async fn open_run(tx: &mut Transaction, task: TaskId) -> Result<Option<RunId>, Error> {
    let found = tx.fetch_one::<OpenRun>(&sql::OPEN_RUN, values![task]);
    Ok(found.await?.map(|row| RunId(row.run_id)))
}

impl Write for Edit {
    type Answer = Edited;

    async fn apply(&self, tx: &mut Transaction) -> Result<Edited, Error> {
        let found = tx.fetch_one::<EditedTask>(&sql::EDITED_TASK, values![self.task]);
        let task = found.await?.ok_or(Error::NoSuchTask(self.task))?;
        if let Some(run) = open_run(tx, self.task).await? {
            let id = self.task;
            return Err(Error::Refused {
                task: id,
                why: format!(
                    "run {run} has it, and is not proved dead: `tenure stop {id}` or `tenure reclaim {id}` ends it"
                ),
            });
        }
        let mut edited = Edited {
            mended: Vec::new(),
            status: task.status.parse()?,
        };
        for mend in &self.mends {
            let mended = match mend {
                Mend::ClearSkills => self.clear_skills(tx, &task).await?,
                Mend::ClearRequires => self.clear_requires(tx, &task).await?,
                Mend::ResetFailures => self.reset_failures(tx, &task).await?,
                Mend::ClearClaim => match self.clear_claim(tx, &task).await? {
                    Some(status) => {
                        edited.status = status;
                        true
                    }
                    None => self.closed.is_some(),
                },
            };
            if mended {
                edited.mended.push(*mend);
            }
        }
        if !edited.mended.is_empty() {
            let payload = json!({
                "by": self.by,
                "reason": self.reason,
                "mended": edited.mended,
                "closed_run": self.closed,
                "from": task.status,
                "status": edited.status,
            });
            tx.event(self.task, None, EventKind::Edited, &payload);
        }
        Ok(edited)
    }
}

impl Edit {
    async fn clear_skills(&self, tx: &mut Transaction, task: &EditedTask) -> Result<bool, Error> {
        if task.skills == "[]" {
            return Ok(false);
        }
        let now = tx.now().await?;
        let lane = Lane {
            skills: Vec::new(),
            ..Lane::read(&task.lane)?
        };
        tx.execute(&sql::CLEAR_SKILLS, values![self.task, lane.text()?, now])
            .await?;
        Ok(true)
    }

    async fn clear_requires(&self, tx: &mut Transaction, task: &EditedTask) -> Result<bool, Error> {
        if task.requires == "[]" {
            return Ok(false);
        }
        let now = tx.now().await?;
        let lane = Lane {
            requires: Vec::new(),
            ..Lane::read(&task.lane)?
        };
        let cleared = values![self.task, lane.text()?, now];
        tx.execute(&sql::CLEAR_REQUIRES, cleared).await?;
        Ok(true)
    }

    async fn reset_failures(&self, tx: &mut Transaction, task: &EditedTask) -> Result<bool, Error> {
        if task.resting.streaks()? == Streaks::default() {
            return Ok(false);
        }
        let now = tx.now().await?;
        tx.execute(&sql::RESET_FAILURES, values![self.task, now])
            .await?;
        Ok(true)
    }

    /// Where the task stands without the run that it names and that does not have it.
    async fn clear_claim(
        &self,
        tx: &mut Transaction,
        task: &EditedTask,
    ) -> Result<Option<TaskStatus>, Error> {
        if task.current_run_id.is_none() {
            return Ok(None);
        }
        let status: TaskStatus = task.status.parse()?;
        let mut resting = task.resting;
        resting.pending_parents = unmet_links(tx, self.task).await?;
        let status = status
            .after(Move::Unclaimed, resting.rest(tx.now().await?))
            .map_err(|source| Error::Illegal {
                task: self.task,
                source,
            })?;
        let streaks = if self.mends.contains(&Mend::ResetFailures) {
            Streaks::default()
        } else {
            task.resting.streaks()?
        };
        let moved = Moved {
            status,
            pending_parents: resting.pending_parents,
            not_before: resting.not_before,
            block: None,
            streaks,
            archived_at: None,
        };
        move_task(tx, self.task, &moved).await?;
        Ok(Some(status))
    }
}
