//! Where a task stands against what somebody holds it by: the one place that finds the reason for
//! "not the owner", for the check and for every refused write alike.

use sqlx::FromRow;
use tenure_guard::{Reason, RunId, Tenure};

use crate::error::Error;
use crate::life::{Ask, TaskStatus};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// A task and its current run.
#[derive(Clone, Debug, FromRow)]
struct Standing {
    status: String,
    current_run_id: Option<i64>,
    claim_lock: Option<String>,
    ask: Option<String>,
    lease_until: Option<i64>,
    started_at: Option<i64>,
}

/// Which of the reasons count beside the fence itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// A write that is good for as long as the run is open.
    Open,
    /// A report: not once a person took the task away.
    Report,
    /// The worker's question whether it still owns its task.
    Check,
    /// The start, which is committed once.
    Start,
}

/// The first reason, in the order of [`Reason`], why this tenure does not hold; `None` where it
/// does.
pub(crate) async fn refusal(
    tx: &mut Transaction,
    tenure: &Tenure,
    asking: Asking,
) -> Result<Option<Reason>, Error> {
    let standing = tx
        .fetch_one::<Standing>(&sql::STANDING, values![tenure.task])
        .await?;
    let Some(standing) = standing else {
        return Ok(Some(Reason::TaskMissing));
    };
    let now = tx.now().await?;
    judge(&standing, tenure, asking, now, tx.is_shared())
}

/// The error of a fenced write that changed no row.
pub(crate) async fn not_owner(
    tx: &mut Transaction,
    tenure: &Tenure,
    asking: Asking,
) -> Result<Error, Error> {
    Ok(match refusal(tx, tenure, asking).await? {
        Some(reason) => Error::NotOwner { reason },
        // Only where the run was renewed or freed between the two looks.
        None => Error::Unavailable(format!(
            "run {} changed while it was written: try again",
            tenure.run
        )),
    })
}

fn judge(
    standing: &Standing,
    tenure: &Tenure,
    asking: Asking,
    now: i64,
    is_shared: bool,
) -> Result<Option<Reason>, Error> {
    let status: TaskStatus = standing.status.parse()?;
    if status != TaskStatus::Running {
        return Ok(Some(Reason::TaskNotRunning(status.to_string())));
    }
    if standing.current_run_id.map(RunId) != Some(tenure.run) {
        return Ok(Some(Reason::RunMismatch));
    }
    if standing.claim_lock.as_deref() != Some(tenure.lock.expose()) {
        return Ok(Some(Reason::ClaimMismatch));
    }
    let ask: Option<Ask> = standing.ask.as_deref().map(str::parse).transpose()?;
    if let Some(ask) = ask {
        let ends_it = match asking {
            Asking::Open => false,
            Asking::Report | Asking::Check => !ask.takes_reports(),
            Asking::Start => true,
        };
        if ends_it {
            return Ok(Some(Reason::Ending(ask.to_string())));
        }
    }
    let lease_counts = match asking {
        Asking::Open | Asking::Report => false,
        Asking::Check => is_shared || standing.started_at.is_none(),
        Asking::Start => true,
    };
    if lease_counts && standing.lease_until.is_none_or(|until| until <= now) {
        return Ok(Some(Reason::LeaseExpired));
    }
    if asking == Asking::Start && standing.started_at.is_some() {
        return Ok(Some(Reason::AlreadyStarted));
    }
    Ok(None)
}
