//! How the edge looks after runs of dispatchers that are gone: takes the proofs, and takes up the
//! lifelines of wardens that live. What follows from a proof is [`crate::orphan`]'s.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tenure_guard::RunId;
use tenure_store::life::Ask;
use tenure_store::orphan::{Orphan, Standing};
use tenure_store::start::Start;
use tenure_store::{Error, Store};
use tenure_warden::clock::BootInstant;
use tenure_warden::gate;
use tenure_warden::lifeline::Adopt;
use tenure_warden::process::Process;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::{Edge, Hand, Warden};
use crate::core::{Found, Orphaned};
use crate::event::Event;
use crate::line::Line;
use crate::orphan::{Fate, Grave};
use crate::prove::{Seen, prove};
use crate::settings::Settings;
use crate::wake::Wake;

/// What a look for orphans brought.
#[derive(Debug, Default)]
pub(crate) struct Look {
    found: Vec<Taken>,
    unproved: bool,
}

/// A run that is ours now, or that nobody else can have any more.
#[derive(Debug)]
struct Taken {
    orphan: Orphan,
    grip: Grip,
}

/// How it is held.
#[derive(Debug)]
enum Grip {
    Standing {
        /// None where its socket is gone: it goes on by itself, and its process tells of its end.
        stream: Option<UnixStream>,
        /// Its pidfd; none where it lives in another namespace.
        process: Option<Process>,
        ask: Option<Ask>,
    },
    Unstarted,
    Dead(Grave),
}

impl Edge {
    pub(super) fn look_for_orphans(&self) {
        let (store, settings) = (self.store.clone(), Arc::clone(&self.settings));
        let wakes = self.wakes.clone();
        tokio::spawn(async move {
            let look = match look(&store, &settings).await {
                Ok(look) => look,
                Err(error) => {
                    tracing::warn!(error = %error, "cannot look for runs of dead dispatchers");
                    Look {
                        found: Vec::new(),
                        unproved: true,
                    }
                }
            };
            let _ = wakes.send(Wake::Looked(look));
        });
    }

    /// Takes the runs into our hands; what the core is told of them.
    pub(crate) fn take_over(&mut self, look: Look) -> Event {
        let orphans = look
            .found
            .into_iter()
            .map(|taken| self.take_hold(taken))
            .collect();
        self.hub.changed();
        Event::Orphans {
            orphans,
            unproved: look.unproved,
        }
    }

    pub(super) fn kill_warden(&self, run: RunId) {
        let Some(warden) = self.hands.get(&run).and_then(|hand| hand.warden.as_ref()) else {
            return;
        };
        tracing::warn!(
            run.id = %run, process.pid = warden.start.warden.pid,
            "warden does not answer: killing it",
        );
        let killed = Process::find(&warden.start.warden, &self.settings.host.id)
            .and_then(|found| found.alive().map_or(Ok(()), |process| process.kill()));
        if let Err(error) = killed {
            tracing::error!(run.id = %run, error = %error, "a warden cannot be killed");
        }
    }

    /// Makes a warden's socket its lifeline, or says that it has none.
    fn take_line(&self, orphan: &Orphan, stream: Option<UnixStream>) -> Option<Line> {
        let run = orphan.tenure.run;
        let Some(stream) = stream else {
            let _ = self.wakes.send(Wake::LineClosed { run });
            return None;
        };
        let line = Line::new(run, stream, self.wakes.clone());
        let word = Adopt {
            v: gate::VERSION,
            adopt: orphan.epoch,
            tenure: orphan.tenure.clone(),
        };
        Line::say_on(Some(&line.out()), &word);
        Some(line)
    }

    fn take_hold(&mut self, taken: Taken) -> Orphaned {
        let Taken { orphan, grip } = taken;
        let run = orphan.tenure.run;
        let pid = orphan.warden.as_ref().map(|warden| warden.process.pid);
        let (line, grave, found) = match grip {
            Grip::Standing {
                stream,
                process,
                ask,
            } => {
                let grave = if process.is_some() {
                    Grave::Here
                } else {
                    Grave::Elsewhere
                };
                watch(run, process, self.wakes.clone());
                (
                    self.take_line(&orphan, stream),
                    grave,
                    Found::Standing {
                        warden: pid.unwrap_or_default(),
                        ask,
                    },
                )
            }
            Grip::Unstarted => (None, Grave::Here, Found::Unstarted),
            Grip::Dead(grave) => (
                None,
                grave,
                Found::Dead {
                    warden: pid.unwrap_or_default(),
                },
            ),
        };
        tracing::info!(
            task.id = %orphan.tenure.task, run.id = %run, run.attempt = orphan.attempt,
            run.profile = orphan.profile, run.epoch = orphan.epoch, run.found = %found,
            "run of a dead dispatcher taken over",
        );
        let orphaned = Orphaned {
            run,
            task: orphan.tenure.task,
            profile: orphan.profile.clone(),
            found,
        };
        let hand = Hand {
            tenure: orphan.tenure.clone(),
            attempt: orphan.attempt,
            profile: orphan.profile,
            lease_end: BootInstant::now() + self.settings.lease,
            worker: None,
            warden: orphan.warden.map(|warden| Warden {
                start: Start {
                    tenure: orphan.tenure,
                    warden: warden.process,
                    socket: warden.socket,
                    log: warden.log,
                    lease: self.settings.lease,
                },
                line,
                is_let_go: true,
                grave,
            }),
        };
        self.hands.insert(run, hand);
        orphaned
    }
}

/// Reads what is there, takes the proofs, and takes up what lives: many at once, so that the store
/// writes them together.
async fn look(store: &Store, settings: &Arc<Settings>) -> Result<Look, Error> {
    let host = settings.host.id.clone();
    let orphans = store.orphans(settings.id, &host).await?;
    let mut look = Look::default();
    let mut standing = JoinSet::new();
    for seen in prove(orphans, store.is_shared(), host).await {
        match seen.fate {
            Fate::Adopt if settings.batch.is_none() => {
                standing.spawn(take_up(store.clone(), settings.id, seen));
            }
            // Who serves one batch leaves others' workers to their wardens, which need nobody.
            Fate::Adopt | Fate::Leave => {}
            Fate::NeverStarted => look.found.push(Taken {
                orphan: seen.orphan,
                grip: Grip::Unstarted,
            }),
            Fate::Bury(grave) => look.found.push(Taken {
                orphan: seen.orphan,
                grip: Grip::Dead(grave),
            }),
            Fate::Wait => look.unproved = true,
        }
    }
    while let Some(taken) = standing.join_next().await {
        match taken {
            Ok(Ok(taken)) => look.found.push(taken),
            Ok(Err(NotTaken::Others)) => {}
            Ok(Err(NotTaken::Yet)) | Err(_) => look.unproved = true,
        }
    }
    Ok(look)
}

/// Why a warden that lives was not taken up.
enum NotTaken {
    /// Somebody else has the run, or it is closed.
    Others,
    /// It may be possible later.
    Yet,
}

/// Connects first: the store is told of no adoption that may still fail. A warden whose socket is gone
/// reads on the store what is asked of it, and writes its end there; its process is watched.
async fn take_up(
    store: Store,
    id: tenure_store::DispatcherId,
    seen: Seen,
) -> Result<Taken, NotTaken> {
    let Seen {
        mut orphan,
        process,
        ..
    } = seen;
    let run = orphan.tenure.run;
    let Some(Standing { socket, .. }) = &orphan.warden else {
        return Err(NotTaken::Others);
    };
    let not_yet = |problem: String| {
        tracing::warn!(run.id = %run, problem, "a warden cannot be taken up yet");
        NotTaken::Yet
    };
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => Some(stream),
        Err(error) if process.is_some() && is_for_good(&error) => {
            tracing::warn!(
                run.id = %run, socket = %socket.display(), error = %error,
                "a warden lives whose socket is gone: it goes on by itself until its worker ends",
            );
            None
        }
        Err(error) => return Err(not_yet(format!("{}: {error}", socket.display()))),
    };
    let adopted = match store.adopt(&orphan, id).await {
        Ok(adopted) => adopted,
        Err(Error::NotOwner { .. } | Error::Refused { .. }) => return Err(NotTaken::Others),
        Err(error) => return Err(not_yet(error.to_string())),
    };
    orphan.epoch = adopted.epoch;
    let grip = Grip::Standing {
        stream,
        process,
        ask: adopted.ask,
    };
    Ok(Taken { orphan, grip })
}

/// Whether nobody will ever listen there again: a warden binds its socket once, before its start is
/// committed.
fn is_for_good(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// Tells of a warden's death, which no child's signal may tell of. One whose process we cannot see
/// is known by its line alone.
fn watch(run: RunId, process: Option<Process>, wakes: UnboundedSender<Wake>) {
    tokio::spawn(async move {
        if let Some(process) = process
            && let Err(error) = end_of(process).await
        {
            tracing::error!(run.id = %run, error = %error, "a warden cannot be watched");
            return;
        }
        let _ = wakes.send(Wake::Event(Event::WardenDied { run }));
    });
}

/// Waits until a process has ended.
#[expect(
    unsafe_code,
    reason = "tokio asks for a promise about a descriptor that the type keeps"
)]
async fn end_of(process: Process) -> io::Result<()> {
    // SAFETY: an `OwnedFd` is open for as long as it lives, and is not closed by anybody else.
    let pidfd = unsafe {
        AsyncFd::<OwnedFd>::register_with_interest(process.into_pidfd(), Interest::READABLE)
    }?;
    pidfd.readable().await.map(|_| ())
}
