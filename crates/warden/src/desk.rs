//! The store as a warden uses it when there is no dispatcher: a thread of its own, so that a store
//! that does not answer never keeps the warden from ending its tree in time.
//!
//! It is opened for an errand and closed soon after the last one: a steady warden holds no connection,
//! and a thousand that are cut off hold a few at a time. The worker is always started by the main
//! thread; what happens to this one means nothing to it.
//!
//! **Invariant:** every job is answered, also where carrying it out failed in a way that nobody
//! foresaw: an errand without an answer would hold up the end for ever.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use tenure_guard::Tenure;
use tenure_guard::wire::{Answer, Op};
use tenure_store::life::{Ask, End};
use tenure_store::{Error, OpenError, Store, StoreUrl};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinHandle, LocalSet};

use crate::carry_out::carry_out;
use crate::clock::BootInstant;
use crate::evidence::{self, Evidence};
use crate::lifeline::RequestId;

/// How long opening a store may take. What is done with it afterwards has its own deadline.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a store stays open without an errand: what follows from one comes within moments, and a
/// connection is a process of the server's.
const LINGER: Duration = Duration::from_millis(250);

/// How many errands may lie there: every connection's, what is kept, and our own.
const MOST_JOBS: usize = 256;

/// Who writes an ask of the warden's own down.
const BY: &str = "warden";

/// Something to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Errand {
    /// The worker's.
    Worker(Op),
    /// A limit was reached.
    Ask(Ask),
    /// The worker's pid.
    NoteWorker(i32),
}

/// What the desk is to do.
#[derive(Debug)]
pub(crate) enum Job {
    Write {
        id: RequestId,
        errand: Errand,
    },
    Renew {
        length: Duration,
        /// Taken before the renewal is sent: from here the lease counts.
        sent: BootInstant,
    },
    End(Box<End>),
    /// Writes the last resort into the run's folder, or takes it away.
    Deposit {
        folder: PathBuf,
        evidence: Option<Box<Evidence>>,
    },
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Done {
    Written {
        id: RequestId,
        result: Result<Answer, Error>,
    },
    Renewed {
        sent: BootInstant,
        result: Result<Option<Ask>, Error>,
    },
    Ended(Result<(), Error>),
    Deposited(io::Result<()>),
}

impl Job {
    /// The answer where there is no other.
    fn unanswered(&self) -> Done {
        let error = || Error::Unavailable("an errand to the store broke off".into());
        match self {
            Self::Write { id, .. } => Done::Written {
                id: *id,
                result: Err(error()),
            },
            Self::Renew { sent, .. } => Done::Renewed {
                sent: *sent,
                result: Err(error()),
            },
            Self::End(_) => Done::Ended(Err(error())),
            Self::Deposit { .. } => Done::Deposited(Err(io::ErrorKind::Interrupted.into())),
        }
    }
}

/// The warden's end of the desk.
#[derive(Debug)]
pub(crate) struct Desk {
    jobs: tokio::sync::mpsc::Sender<Job>,
    done: mpsc::Receiver<Done>,
    bell: UnixStream,
}

impl Desk {
    pub(crate) fn open(url: StoreUrl, tenure: Tenure) -> io::Result<Self> {
        let (bell, ringer) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ringer.set_nonblocking(true)?;
        let (jobs, mut waiting) = tokio::sync::mpsc::channel::<Job>(MOST_JOBS);
        let (finished, done) = mpsc::channel();
        let runtime = runtime()?;
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                let clerk = Rc::new(Clerk {
                    url,
                    tenure,
                    store: RefCell::default(),
                    errands: Cell::new(0),
                });
                let ringer = Rc::new(ringer);
                LocalSet::new().block_on(&runtime, async move {
                    while let Some(job) = clerk.next(&mut waiting).await {
                        let (clerk, ringer) = (Rc::clone(&clerk), Rc::clone(&ringer));
                        let finished = finished.clone();
                        let unanswered = job.unanswered();
                        clerk.begun();
                        let work = Rc::clone(&clerk);
                        let work =
                            tokio::task::spawn_local(async move { work.carry_out(job).await });
                        tokio::task::spawn_local(async move {
                            let done = answer(work, unanswered).await;
                            clerk.finished();
                            // The bell rings already where it cannot be rung; where the warden is
                            // gone there is nobody to tell.
                            let _ = finished.send(done);
                            let _ = (&*ringer).write(&[0]);
                        });
                    }
                });
            })?;
        Ok(Self { jobs, done, bell })
    }

    /// Hands over a job; `false` where the desk takes no more.
    pub(crate) fn submit(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// What was finished meanwhile.
    pub(crate) fn collect(&mut self) -> Vec<Done> {
        let mut rings = [0; 64];
        while matches!(self.bell.read(&mut rings), Ok(count) if count == rings.len()) {}
        self.done.try_iter().collect()
    }
}

impl AsFd for Desk {
    /// Readable when something was finished.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// What came of a job, however it ended.
async fn answer(work: JoinHandle<Done>, unanswered: Done) -> Done {
    work.await.unwrap_or(unanswered)
}

/// Does the jobs.
struct Clerk {
    url: StoreUrl,
    tenure: Tenure,
    /// Open, or being opened, while there are errands and a little longer.
    store: RefCell<Rc<OnceCell<Store>>>,
    /// How many are under way.
    errands: Cell<usize>,
}

impl Clerk {
    /// Waits for a job; closes the store where none comes and none is under way.
    async fn next(&self, waiting: &mut Receiver<Job>) -> Option<Job> {
        loop {
            let is_closed = self.store.borrow().get().is_none();
            if is_closed && self.errands.get() == 0 {
                return waiting.recv().await;
            }
            match tokio::time::timeout(LINGER, waiting.recv()).await {
                Ok(job) => return job,
                Err(_) if self.errands.get() == 0 => self.close(),
                Err(_) => {}
            }
        }
    }

    fn begun(&self) {
        self.errands.set(self.errands.get() + 1);
    }

    /// However it ended.
    fn finished(&self) {
        self.errands.set(self.errands.get() - 1);
    }

    fn close(&self) {
        self.store.take();
    }

    async fn carry_out(&self, job: Job) -> Done {
        match job {
            Job::Write { id, errand } => Done::Written {
                id,
                result: self.write(errand).await,
            },
            Job::Renew { length, sent } => Done::Renewed {
                sent,
                result: self.renew(length).await,
            },
            Job::End(end) => Done::Ended(self.end(*end).await),
            Job::Deposit { folder, evidence } => {
                let work = tokio::task::spawn_blocking(move || match evidence {
                    Some(known) => known.write(&folder),
                    None => evidence::remove(&folder),
                });
                Done::Deposited(work.await.unwrap_or_else(|broken| Err(broken.into())))
            }
        }
    }

    async fn store(&self) -> Result<Store, Error> {
        let store = Rc::clone(&self.store.borrow());
        // Whoever waits for somebody else's attempt waits no longer than for one of its own.
        let opening = store.get_or_try_init(|| Box::pin(open(&self.url)));
        within(PATIENCE, opening).await?.cloned()
    }

    async fn write(&self, errand: Errand) -> Result<Answer, Error> {
        let store = self.store().await?;
        let tenure = self.tenure.clone();
        match errand {
            Errand::Worker(op) => return carry_out(&store, tenure, op).await,
            Errand::Ask(ask) => store.ask_as_holder(tenure, ask, BY.into()).await?,
            Errand::NoteWorker(pid) => store.note_worker(tenure, pid).await?,
        }
        Ok(Answer::Ok)
    }

    async fn renew(&self, length: Duration) -> Result<Option<Ask>, Error> {
        renew(&self.store().await?, &self.tenure, length).await
    }

    async fn end(&self, end: End) -> Result<(), Error> {
        let store = self.store().await?;
        store.end(self.tenure.clone(), end).await.map(|_| ())
    }
}

/// Opens a store that must be there already, with the newest tables: a warden makes none.
pub(crate) async fn open(url: &StoreUrl) -> Result<Store, Error> {
    let gone = || Error::Unavailable(format!("{url} is gone"));
    let opening = async {
        match url {
            StoreUrl::Sqlite(path) if !path.exists() => Err(gone()),
            StoreUrl::Sqlite(_) => Store::open(url).await.map_err(|error| away(&error)),
            StoreUrl::Postgres(_) => {
                let found = Store::open_existing(url).await;
                found.map_err(|error| away(&error))?.ok_or_else(gone)
            }
        }
    };
    within(PATIENCE, opening).await?
}

fn away(error: &OpenError) -> Error {
    Error::Unavailable(error.to_string())
}

/// Renews one lease; what was asked meanwhile.
pub(crate) async fn renew(
    store: &Store,
    tenure: &Tenure,
    length: Duration,
) -> Result<Option<Ask>, Error> {
    let answers = store.renew(vec![tenure.clone()], length).await?;
    match answers.into_iter().next() {
        Some(answer) => answer.map(|renewed| renewed.ask),
        None => Err(Error::Unreadable("a renewal was not answered".into())),
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Result<T, Error> {
    tokio::time::timeout(patience, work)
        .await
        .map_err(|_| Error::Unavailable(format!("no answer within {patience:?}")))
}

/// A runtime for one thread.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_breaks_off_is_answered_as_if_the_store_were_away() {
        let job = Job::Write {
            id: 7,
            errand: Errand::NoteWorker(1),
        };
        let done = LocalSet::new().block_on(&runtime().unwrap(), async {
            let work = tokio::task::spawn_local(async { panic!("nobody foresaw this") });
            answer(work, job.unanswered()).await
        });
        let Done::Written { id, result } = done else {
            panic!("{done:?}");
        };
        assert_eq!(id, 7);
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    }
}
