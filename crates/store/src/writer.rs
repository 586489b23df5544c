//! Group commit: one writer takes whatever has arrived, writes it in one transaction, and answers
//! when that is durable.
//!
//! If anything of a batch fails, the batch is rolled back and redone one by one, so that a refusal
//! undoes itself and nothing else. Nothing is redone after a commit that failed: nobody knows
//! whether it happened, and every caller is told that the store did not answer.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::database::Database;
use crate::error::Error;
use crate::transaction::Transaction;

/// How long any call to a database may take: far shorter than the shortest lease (6 s), because a
/// call that hangs must not cost a worker its task. sqlx has no limit of its own.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);

/// The most that is written in one transaction. A batch is redone one by one when anything in it
/// fails, so it shall not be huge; and beyond this the cost of the commit itself is spread thin.
const BATCH: usize = 64;

/// How many writes may wait before callers have to: as many as can be answered in time.
const QUEUE: usize = 1024;

/// Something that is written in one transaction. It must be safe to apply again after a rollback.
pub(crate) trait Write: Send + Sync + 'static {
    /// What the caller is told once it is durable.
    type Answer: Send + 'static;

    /// Writes it.
    fn apply(
        &self,
        tx: &mut Transaction,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

/// A write of any kind, waiting in the queue.
trait Queued: Send {
    fn apply<'a>(
        &'a mut self,
        tx: &'a mut Transaction,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

    /// Tells the caller what the last application answered, or why it failed.
    fn answer(self: Box<Self>, result: Result<(), Error>);

    /// Whether the caller has stopped waiting.
    fn is_abandoned(&self) -> bool;
}

struct Job<W: Write> {
    write: W,
    answer: Option<W::Answer>,
    reply: oneshot::Sender<Result<W::Answer, Error>>,
}

impl<W: Write> Queued for Job<W> {
    fn apply<'a>(
        &'a mut self,
        tx: &'a mut Transaction,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>> {
        Box::pin(async {
            self.answer = Some(self.write.apply(tx).await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>, result: Result<(), Error>) {
        let Self { answer, reply, .. } = *self;
        // A caller that stopped waiting knows that it does not know.
        let _ = reply.send(result.and_then(|()| answer.ok_or_else(unanswered)));
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// The way to the writer. The writer ends when the last of these is gone.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Queued>>,
}

impl Writer {
    /// Starts the writer on the current runtime. It connects when the first write arrives.
    pub(crate) fn start(database: Database) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(serve(database, waiting));
        Self { queue }
    }

    /// Writes, and answers when it is durable.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Job {
            write,
            answer: None,
            reply,
        });
        within_deadline(async {
            self.queue.send(job).await.map_err(|_| unanswered())?;
            answer.await.map_err(|_| unanswered())?
        })
        .await
    }
}

/// A call that takes longer is told of, to whoever looks for what makes a store slow.
const SLOW: Duration = Duration::from_secs(1);

/// The answer of a call that is given up after [`DEADLINE`].
pub(crate) async fn within_deadline<T>(
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let began = Instant::now();
    let result = tokio::time::timeout(DEADLINE, call).await;
    let took = began.elapsed();
    if took > SLOW {
        let (seconds, in_time) = (took.as_secs_f64(), result.is_ok());
        tracing::debug!(
            call.seconds = seconds,
            call.in_time = in_time,
            "slow call to the store"
        );
    }
    result.unwrap_or_else(|_| {
        Err(Error::Unavailable(format!(
            "nothing within {} s",
            DEADLINE.as_secs()
        )))
    })
}

fn unanswered() -> Error {
    Error::Unavailable("its writer is gone".into())
}

async fn serve(mut database: Database, mut waiting: mpsc::Receiver<Box<dyn Queued>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        batch.retain(|job| !job.is_abandoned());
        if batch.len() > 1 {
            together(&mut database, &mut batch).await;
        }
        for job in batch.drain(..).filter(|job| !job.is_abandoned()) {
            alone(&mut database, job).await;
        }
    }
}

/// Writes a whole batch, or leaves it as it is, to be redone one by one.
async fn together(database: &mut Database, batch: &mut Vec<Box<dyn Queued>>) {
    match attempt(database, batch).await {
        Ok(()) => batch.drain(..).for_each(|job| job.answer(Ok(()))),
        Err(Failure::Refused(error)) => {
            tracing::debug!(batch.size = batch.len(), error = %error, "batch redone one by one");
        }
        Err(Failure::Away(error) | Failure::Unknown(error)) => {
            batch
                .drain(..)
                .for_each(|job| job.answer(Err(told_to_all(&error))));
        }
    }
}

/// Why nothing of a batch was written, for each that was in it.
fn told_to_all(error: &Error) -> Error {
    if let Error::Outgrown {
        found,
        compatible_from,
        known,
    } = *error
    {
        return Error::Outgrown {
            found,
            compatible_from,
            known,
        };
    }
    Error::Unavailable(error.to_string())
}

async fn alone(database: &mut Database, job: Box<dyn Queued>) {
    let mut batch = [job];
    let mut result = attempt(database, &mut batch).await;
    if let Err(Failure::Refused(Error::Unavailable(_))) = result {
        // The database answers, but ran into another writer: a deadlock that it resolved, or a
        // constraint that a race met. The second time sees what the other one wrote.
        result = attempt(database, &mut batch).await;
    }
    let [job] = batch;
    job.answer(result.map_err(Failure::error));
}

/// Why a batch was not written.
enum Failure {
    /// Something in it was refused, and all of it was rolled back.
    Refused(Error),
    /// The database did not answer, before anything could last.
    Away(Error),
    /// The commit was not answered: nobody knows whether it happened.
    Unknown(Error),
}

impl Failure {
    fn error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Away(error) | Self::Unknown(error) => error,
        }
    }
}

async fn attempt(database: &mut Database, batch: &mut [Box<dyn Queued>]) -> Result<(), Failure> {
    let applied = within_deadline(async {
        let mut tx = database.begin().await?;
        let mut result = Ok(());
        for job in batch {
            result = job.apply(&mut tx).await;
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = tx.write_events().await;
        }
        Ok((tx, result))
    });
    let (tx, result) = applied.await.map_err(Failure::Away)?;
    let Err(error) = result else {
        let connection = within_deadline(tx.commit()).await;
        database.keep(connection.map_err(Failure::Unknown)?);
        return Ok(());
    };
    // A connection that cannot even roll back is closed, which does the same.
    match within_deadline(tx.rollback()).await {
        Ok(connection) => {
            database.keep(connection);
            Err(Failure::Refused(error))
        }
        Err(_) => Err(Failure::Away(error)),
    }
}
