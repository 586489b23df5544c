//! watch: what others wrote, told as it happens. A commit on PostgreSQL says with its events that there
//! are any, and whether a dispatcher has something to do; whoever watches has a connection of its own
//! for that. A file tells nobody: there a watch never wakes, and whoever wrote pokes.
//!
//! **Invariant:** a watch that was interrupted tells so when it sees again: whatever was missed is
//! looked for then. What is told is a hint, and beneath it lies the watcher's own slow look.

use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::event::EventKind;
use crate::ids::InstanceId;
use crate::sql;
use crate::writer::{DEADLINE, within_deadline};

/// How long after a connection was lost another one is tried for; doubled up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// See [`SHORTEST_PAUSE`]. A server that is away long has others to let in as well.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often the server is asked whether it is still there: a link that is down says nothing at all.
const PULSE: Duration = Duration::from_secs(10);

/// What somebody else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something, for whoever shows it or tells of it.
    Any,
    /// Something that a dispatcher may have to act on.
    Work,
}

/// Who writes: one open store, which is not told of its own changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin(u64);

impl Origin {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    /// What a commit with these events says.
    pub(crate) fn words(self, mut kinds: impl Iterator<Item = EventKind>) -> String {
        let word = if kinds.any(EventKind::is_work) {
            WORK
        } else {
            ANY
        };
        format!("{word} {:016x}", self.0)
    }

    /// What was said, where it was not this one who said it. Words of a later version may be anything.
    fn hear(self, words: &str) -> Option<Change> {
        let (word, origin) = words.split_once(' ').unwrap_or((words, ""));
        if u64::from_str_radix(origin, 16) == Ok(self.0) {
            return None;
        }
        Some(if word == ANY {
            Change::Any
        } else {
            Change::Work
        })
    }
}

const ANY: &str = "any";
const WORK: &str = "work";

/// The name under which a store's changes are told; the statement that adds events says it as well.
fn channel(instance: InstanceId) -> String {
    format!("tenure_{instance}")
}

/// How often either was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    any: u64,
    work: u64,
}

/// Tells what others write. Dropping it ends its connection.
#[derive(Debug)]
pub struct Watch {
    told: watch::Receiver<Told>,
    /// How much of it was taken.
    taken: Told,
    listening: Option<JoinHandle<()>>,
}

impl Watch {
    /// Of a file: it never wakes.
    pub(crate) fn nothing() -> Self {
        Self {
            told: watch::channel(Told::default()).1,
            taken: Told::default(),
            listening: None,
        }
    }

    /// Of a server, on the current runtime.
    pub(crate) fn listen(options: PgConnectOptions, instance: InstanceId, origin: Origin) -> Self {
        let (telling, told) = watch::channel(Told::default());
        let listening = Listening {
            options: options.application_name("tenure watch"),
            channel: channel(instance),
            origin,
            telling,
        };
        Self {
            told,
            taken: Told::default(),
            listening: Some(tokio::spawn(listening.go_on())),
        }
    }

    /// Waits for the next change, however many there were. Nothing is lost where this is dropped
    /// while it waits.
    pub async fn next(&mut self) -> Change {
        if self.listening.is_none() || self.told.changed().await.is_err() {
            // Of a file, or the listening broke off: then the slow look is all there is.
            std::future::pending::<()>().await;
        }
        let told = *self.told.borrow_and_update();
        let taken = std::mem::replace(&mut self.taken, told);
        if told.work == taken.work {
            Change::Any
        } else {
            Change::Work
        }
    }

    /// Whether anything is ever told.
    pub fn is_told(&self) -> bool {
        self.listening.is_some()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

struct Listening {
    options: PgConnectOptions,
    channel: String,
    origin: Origin,
    telling: watch::Sender<Told>,
}

impl Listening {
    async fn go_on(self) {
        let mut pause = SHORTEST_PAUSE;
        let mut is_away = false;
        loop {
            match self.connect().await {
                Ok(mut listener) => {
                    if std::mem::take(&mut is_away) {
                        tracing::info!("the store tells of changes again");
                    }
                    pause = SHORTEST_PAUSE;
                    // Whatever was written before is known to whoever looks from now on.
                    self.tell(Change::Work);
                    let error = self.listen(&mut listener).await;
                    tracing::debug!(error = %error, "the store tells of no changes for a moment");
                }
                Err(error) if !std::mem::replace(&mut is_away, true) => {
                    tracing::warn!(error = %error, "the store tells of no changes");
                }
                Err(_) => {}
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A connection that listens. What sqlx calls a pool is here one connection that it makes.
    async fn connect(&self) -> Result<PgListener, Error> {
        let connecting = async {
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .acquire_timeout(DEADLINE)
                .max_lifetime(None)
                .idle_timeout(None)
                .connect_lazy_with(self.options.clone());
            let mut listener = PgListener::connect_with(&pool).await?;
            // A lost connection is ours to notice: it means that something was missed.
            listener.eager_reconnect(false);
            (&mut listener).execute(sql::SETTLE_IN.postgres).await?;
            listener.listen(&self.channel).await?;
            Ok(listener)
        };
        within_deadline(Box::pin(connecting)).await
    }

    /// Tells what is heard, until nothing can be heard any more; why.
    async fn listen(&self, listener: &mut PgListener) -> Error {
        loop {
            match tokio::time::timeout(PULSE, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => self.take(&notification),
                Ok(Ok(None)) => return Error::Unavailable("the connection was closed".into()),
                Ok(Err(error)) => return error.into(),
                Err(_) => {
                    let asked = async {
                        (&mut *listener).execute("SELECT 1").await?;
                        Ok(())
                    };
                    if let Err(error) = within_deadline(asked).await {
                        return error;
                    }
                }
            }
        }
    }

    fn take(&self, notification: &PgNotification) {
        if let Some(change) = self.origin.hear(notification.payload()) {
            self.tell(change);
        }
    }

    fn tell(&self, change: Change) {
        self.telling.send_modify(|told| match change {
            Change::Any => told.any += 1,
            Change::Work => told.work += 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_writes_is_not_told_of_it_and_others_are() {
        let (here, there) = (Origin(7), Origin(8));
        let words = here.words([EventKind::Claimed, EventKind::Added].into_iter());
        assert_eq!(here.hear(&words), None);
        assert_eq!(there.hear(&words), Some(Change::Work));
        let words = here.words([EventKind::Claimed, EventKind::Commented].into_iter());
        assert_eq!(here.hear(&words), None);
        assert_eq!(there.hear(&words), Some(Change::Any));
        assert_eq!(here.hear("something else"), Some(Change::Work));
    }

    #[tokio::test]
    async fn a_file_tells_nothing() {
        let mut watch = Watch::nothing();
        assert!(!watch.is_told());
        let waited = tokio::time::timeout(Duration::from_millis(50), watch.next()).await;
        assert!(waited.is_err());
    }
}
