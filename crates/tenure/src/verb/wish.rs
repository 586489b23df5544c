//! What a person wants of tasks: `cancel`, `stop`, `reclaim`, `archive`, `reassign`, `block`,
//! `unblock`, `retry`, `promote`, `complete`. Each task is a matter of its own; where it runs, the
//! verb waits for the fact.

use tenure_dispatcher::recover;
use tenure_guard::{RunId, TaskId};
use tenure_store::Store;
use tenure_store::life::{Ask, TaskStatus};
use tenure_store::person::{Earnest, Granted, Wish};
use tenure_store::read::TaskRow;

use crate::caller::Caller;
use crate::cli::{Act, Cancel, Ending, Global, Patience};
use crate::failure::{Code, Failure};
use crate::folders;
use crate::follow::Changes;
use crate::place::{self, Place};
use crate::verb::answer::Answers;

/// A wish, of whom, and how it is to be answered.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) wish: Wish,
    pub(super) ids: Vec<TaskId>,
    pub(super) reason: Option<String>,
    pub(super) json: bool,
    pub(super) earnest: Earnest,
    /// How long to wait for runs; `None` for a wish that asks nothing of them.
    pub(super) patience: Option<Patience>,
}

/// A run that was asked, and what for.
struct Asked {
    task: TaskId,
    run: RunId,
    standing: Ask,
}

/// A wish that no run stands in the way of.
pub(super) async fn at_once(global: &Global, args: Act, wish: Wish) -> Result<(), Failure> {
    carry_out(global, Want::at_once(args, wish)).await
}

impl Want {
    /// Of a wish that asks nothing of runs.
    pub(super) fn at_once(act: Act, wish: Wish) -> Self {
        Self {
            wish,
            ids: act.ids,
            reason: act.reason,
            json: act.json,
            earnest: Earnest::Do,
            patience: None,
        }
    }
}

/// A wish that may have to wait for the end of a run.
pub(super) async fn ending(global: &Global, args: Ending, wish: Wish) -> Result<(), Failure> {
    let Ending { act, patience } = args;
    let want = Want {
        patience: Some(patience),
        ..Want::at_once(act, wish)
    };
    carry_out(global, want).await
}

/// Cancels tasks, perhaps with all that waits for them.
pub(super) async fn cancel(global: &Global, args: Cancel) -> Result<(), Failure> {
    let Cancel {
        ending: Ending { act, patience },
        tree,
        dry_run,
    } = args;
    let want = Want {
        earnest: earnest(dry_run),
        patience: Some(patience),
        ..Want::at_once(act, Wish::Cancel)
    };
    if tree {
        fell(global, want).await
    } else {
        carry_out(global, want).await
    }
}

pub(super) fn earnest(dry_run: bool) -> Earnest {
    if dry_run {
        Earnest::DryRun
    } else {
        Earnest::Do
    }
}

/// Asks for each task first, then waits for all runs together.
pub(super) async fn carry_out(global: &Global, want: Want) -> Result<(), Failure> {
    carry_out_if(global, want, async |_: &Store, _| Ok(())).await
}

/// The same for those tasks of which `may` says nothing against it.
pub(super) async fn carry_out_if(
    global: &Global,
    want: Want,
    may: impl AsyncFn(&Store, TaskId) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let store = open(global, &want.ids).await?;
    let mut deed = Deed::begin(global, &store, &want).await;
    for &id in &want.ids {
        if let Err(failure) = may(&store, id).await {
            deed.answers.expect(id);
            deed.answers.refused(id, &failure);
            continue;
        }
        let (wish, reason) = (want.wish.clone(), want.reason.clone());
        let granted = store.wish_in(want.earnest, id, wish, place::by(), reason);
        deed.take(id, granted.await).await?;
    }
    deed.finish().await
}

/// The same for each tree, which the store decides on as a whole.
async fn fell(global: &Global, want: Want) -> Result<(), Failure> {
    let store = open(global, &want.ids).await?;
    let mut deed = Deed::begin(global, &store, &want).await;
    for &root in &want.ids {
        let felled = store.cancel_tree(want.earnest, root, place::by(), want.reason.clone());
        match felled.await {
            Ok(felled) => {
                for one in felled {
                    deed.take(one.id, one.granted).await?;
                }
            }
            Err(error) => {
                deed.answers.expect(root);
                deed.answers.refused(root, &error.into());
            }
        }
    }
    deed.finish().await
}

/// Opens the store to change these tasks, of which there is at least one.
pub(super) async fn open(global: &Global, ids: &[TaskId]) -> Result<Store, Failure> {
    let Some(&first) = ids.first() else {
        return Err(Failure::usage("a task's id is expected"));
    };
    Place::find(global)?.change(first).await
}

/// A wish under way.
struct Deed<'a> {
    store: &'a Store,
    want: &'a Want,
    changes: Changes,
    answers: Answers,
    asked: Vec<Asked>,
}

impl<'a> Deed<'a> {
    async fn begin(global: &Global, store: &'a Store, want: &'a Want) -> Self {
        Self {
            store,
            want,
            changes: Changes::of(store).await,
            answers: Answers::new(want.json, Caller::of(global)),
            asked: Vec::new(),
        }
    }

    /// Answers for a task, unless its run has to be waited for.
    async fn take(
        &mut self,
        id: TaskId,
        granted: Result<Granted, tenure_store::Error>,
    ) -> Result<(), Failure> {
        self.answers.expect(id);
        let granted = match granted {
            Ok(granted) => granted,
            Err(error) => {
                self.answers.refused(id, &error.into());
                return Ok(());
            }
        };
        match (granted, self.want.earnest) {
            (Granted::Moved(status) | Granted::Already(status), Earnest::DryRun) => {
                let row = row(self.store, id).await?;
                self.answers.would(id, status, None, &row.title)
            }
            (Granted::Asked { run, ask }, Earnest::DryRun) => {
                let row = row(self.store, id).await?;
                self.answers.would(id, led_to(ask), Some(run), &row.title)
            }
            (Granted::Moved(_) | Granted::Already(_), Earnest::Do) => {
                self.answers.stands(&row(self.store, id).await?)
            }
            (Granted::Asked { run, ask }, Earnest::Do) => {
                self.asked.push(Asked {
                    task: id,
                    run,
                    standing: ask,
                });
                Ok(())
            }
        }
    }

    /// Tells the dispatchers, waits for what was asked, and says what became of it.
    async fn finish(mut self) -> Result<(), Failure> {
        if self.want.earnest == Earnest::Do {
            place::poke(self.store).await;
        }
        let asked = std::mem::take(&mut self.asked);
        match self.want.patience {
            Some(Patience {
                no_wait: false,
                timeout,
            }) => {
                // What is still open then is said of each.
                let ended = ended(self.store, &asked, &mut self.changes);
                if let Ok(ended) = tokio::time::timeout(timeout, ended).await {
                    ended?;
                }
                for asked in asked {
                    self.answer_ended(asked).await?;
                }
            }
            Some(Patience { no_wait: true, .. }) | None => {
                for asked in asked {
                    self.answer_asked(&asked)?;
                }
            }
        }
        self.answers.finish()
    }

    /// Whether what stands on a run is what was wanted now.
    fn is_wanted(&self, asked: &Asked) -> bool {
        self.want.wish.ask() == Some(asked.standing)
    }

    fn answer_asked(&mut self, asked: &Asked) -> Result<(), Failure> {
        let &Asked {
            task,
            run,
            standing,
        } = asked;
        if self.is_wanted(asked) {
            return self.answers.asked(task, run, standing);
        }
        self.answers.refused(task, &another_stands(run, standing));
        Ok(())
    }

    async fn answer_ended(&mut self, asked: Asked) -> Result<(), Failure> {
        let wanted = self.is_wanted(&asked);
        let Asked {
            task,
            run,
            standing,
        } = asked;
        if self.store.run(run).await?.ended_at.is_none() {
            let late = Failure::new(
                Code::Later,
                anyhow::anyhow!(
                    "run {run} is asked to {standing}, which stands, but it has not ended yet: `tenure wait {task}` waits on"
                ),
            );
            self.answers.refused(task, &late);
            return Ok(());
        }
        let row = row(self.store, task).await?;
        if !wanted {
            self.answers.refused(task, &another_stands(run, standing));
        } else if leads_to(standing, row.status) {
            return self.answers.stands(&row);
        } else {
            let status = row.status;
            let other = Failure::refused(format!(
                "task {task}: run {run} was asked to {standing}, and the task is {status} now"
            ));
            self.answers.refused(task, &other);
        }
        Ok(())
    }
}

fn another_stands(run: RunId, standing: Ask) -> Failure {
    Failure::refused(format!(
        "run {run} was asked to {standing} before, and that stands"
    ))
}

/// Waits until every run has ended.
async fn ended(store: &Store, asked: &[Asked], changes: &mut Changes) -> Result<(), Failure> {
    loop {
        let mut open = 0_usize;
        for asked in asked {
            if store.run(asked.run).await?.ended_at.is_none()
                && !close_deserted(store, asked.run).await?
            {
                open += 1;
            }
        }
        if open == 0 {
            return Ok(());
        }
        changes.next().await;
    }
}

/// Where no dispatcher lives the warden carries out what was asked; where that is dead too, we close
/// the run ourselves. Whether we did.
pub(super) async fn close_deserted(store: &Store, run: RunId) -> Result<bool, Failure> {
    let state = folders::state()?;
    let host_id = match tenure_warden::process::known_host_id(&state) {
        Ok(host_id) => host_id,
        // A host without an id ran nothing yet: every run is another's.
        Err(_) if store.is_shared() => String::new(),
        Err(_) => return Ok(false),
    };
    if !store.is_shared() && !store.living_dispatchers().await?.is_empty() {
        return Ok(false);
    }
    let closed = recover::close_if_dead(store, &host_id, run, &place::by()).await?;
    Ok(closed.is_some())
}

/// Where a task stands now.
pub(super) async fn row(store: &Store, task: TaskId) -> Result<TaskRow, Failure> {
    let row = store.tasks(&[task]).await?.pop();
    Ok(row.ok_or(tenure_store::Error::NoSuchTask(task))?)
}

/// Where an ask that is carried out leaves a task, as far as that can be told before.
fn led_to(ask: Ask) -> TaskStatus {
    match ask {
        Ask::Cancel | Ask::Archive => TaskStatus::Cancelled,
        Ask::Stop | Ask::Block => TaskStatus::Blocked,
        Ask::Reclaim | Ask::Timeout | Ask::Silence | Ask::Shutdown => TaskStatus::Ready,
    }
}

/// Whether an ask that was carried out can leave a task there. A reclaimed one may be anywhere
/// again: somebody may have claimed it already.
fn leads_to(ask: Ask, status: TaskStatus) -> bool {
    match ask {
        Ask::Cancel | Ask::Archive | Ask::Stop | Ask::Block => status == led_to(ask),
        Ask::Reclaim | Ask::Timeout | Ask::Silence | Ask::Shutdown => true,
    }
}
