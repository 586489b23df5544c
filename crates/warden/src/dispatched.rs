//! A warden that a dispatcher started: the gate, then the lifeline.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::de::DeserializeOwned;
use tenure_guard::{Reason, env, exit_code};
use tenure_store::life::End;
use tenure_store::{Error, StoreUrl};

use crate::broker::Broker;
use crate::clock::BootInstant;
use crate::command::{Input, Start};
use crate::confinement::Confinement;
use crate::desk;
use crate::ending::Graces;
use crate::gate::{self, Brief, Word};
use crate::lease::{Lease, Reach};
use crate::lifeline::{Message, Order};
use crate::lines::{Lines, Next};
use crate::stand::{Limits, Post, stand};
use crate::uplink::Uplink;
use crate::wake::{Signals, Told};

/// The longest line of gate and lifeline. A brief carries an argv and an environment, of which the
/// kernel takes 2 MiB (6 MiB by its own limit on the stack), each byte escaped at worst.
const MAX_LINE: usize = 64 * 1024 * 1024;

/// What stands at the gate.
struct Gate {
    lines: Lines,
    signals: Signals,
}

/// Why the gate did not open.
enum Shut {
    /// Nobody is there any more: nothing started, nothing to say.
    Deserted,
    /// The warden itself was told to go.
    Dismissed,
    /// What was said is not understood.
    Garbled(String),
}

/// Waits at the gate on standard input; then stands over the command.
pub(crate) fn run() -> io::Result<ExitCode> {
    let signals = Signals::take_over()?;
    // Fails only where we lead a process group already; then the tree is found by descent alone.
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_dumpable(false)?;
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream.peer_addr().map_err(|error| {
        let hint = "standard input is not a gate: a warden is started by its dispatcher; by hand, use `tenure guard exec -- COMMAND`";
        io::Error::new(error.kind(), hint)
    })?;
    let mut gate = Gate {
        lines: Lines::new(stream, MAX_LINE)?,
        signals,
    };
    match gate.read::<Brief>() {
        Ok(brief) => gate.prepare(brief),
        Err(Shut::Garbled(problem)) => Ok(gate.give_up(format!("the brief: {problem}"))),
        Err(Shut::Deserted | Shut::Dismissed) => Ok(ExitCode::SUCCESS),
    }
}

impl Gate {
    /// Waits for a line.
    fn read<T: DeserializeOwned>(&mut self) -> Result<T, Shut> {
        loop {
            match self.lines.next() {
                Next::Line(line) => {
                    return serde_json::from_str(&line)
                        .map_err(|error| Shut::Garbled(error.to_string()));
                }
                Next::Nothing => self.wait()?,
                Next::End => return Err(Shut::Deserted),
                Next::TooLong => return Err(Shut::Garbled("the line is too long".into())),
            }
        }
    }

    fn wait(&mut self) -> Result<(), Shut> {
        let mut lines = PollFlags::POLLIN;
        lines.set(PollFlags::POLLOUT, self.lines.is_departing());
        let mut fds = [
            PollFd::new(self.lines.stream().as_fd(), lines),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        // An interruption is another turn of the loop.
        let _ = poll(&mut fds, PollTimeout::NONE);
        self.lines.flush();
        self.lines.fill();
        match self.signals.next() {
            Some(Told::Interrupt) => Err(Shut::Dismissed),
            Some(Told::Child) | None => Ok(()),
        }
    }

    fn prepare(mut self, mut brief: Brief) -> io::Result<ExitCode> {
        if brief.v != gate::VERSION {
            let reason = format!(
                "the dispatcher speaks version {} of the gate, this warden {}: install both from one build",
                brief.v,
                gate::VERSION
            );
            return Ok(self.give_up(reason));
        }
        let store: StoreUrl = match brief.store.parse() {
            Ok(store) => store,
            Err(error) => return Ok(self.give_up(error.to_string())),
        };
        let broker = match Broker::bind(&brief.socket) {
            Ok(broker) => broker,
            Err(error) => {
                return Ok(self.give_up(format!("{}: {error}", brief.socket.display())));
            }
        };
        match self.read::<Word>() {
            Ok(Word::Go {
                lease_end,
                deadline,
            }) => {
                let deadline = deadline.map(|time| (env::DEADLINE.to_owned(), time));
                brief.env.extend(deadline);
                self.go(brief, store, broker, lease_end)
            }
            Ok(Word::StandDown { reason }) => Ok(self.stand_down(reason)),
            Err(Shut::Garbled(problem)) => Ok(self.give_up(format!("the word: {problem}"))),
            Err(Shut::Deserted | Shut::Dismissed) => Ok(ExitCode::SUCCESS),
        }
    }

    fn go(
        self,
        brief: Brief,
        store: StoreUrl,
        broker: Broker,
        lease_end: BootInstant,
    ) -> io::Result<ExitCode> {
        let reach = reach_of(&store);
        let mut lease = Lease::new(brief.lease, reach, lease_end);
        if lease.has_lapsed(BootInstant::now()) {
            // The word is too old to vouch for anything: the store is asked instead.
            match renew(&store, &brief) {
                Ok(end) => lease.renewed_until(end),
                Err(reason) => return Ok(self.stand_down(reason)),
            }
        }
        let (confinement, cgroup) = match Confinement::prepare(&brief) {
            Ok(prepared) => prepared,
            Err(end) => return Ok(self.stay_without_worker(end)),
        };
        let lifeline = Some(self.lines);
        let post = Post {
            tenure: brief.tenure.clone(),
            graces: Graces {
                kill: brief.kill_grace,
                finish: brief.finish_grace,
            },
            limits: Limits {
                max_runtime: brief.max_runtime,
                heartbeat_timeout: brief.heartbeat_timeout,
            },
            lease,
            signals: self.signals,
            broker,
            uplink: Uplink::new(lifeline, store, brief.tenure, brief.lease),
            cgroup,
        };
        let start = Start {
            argv: brief.argv.into_iter().map(Into::into).collect(),
            env: brief
                .env
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            cwd: Some(brief.cwd),
            confinement: Arc::new(confinement),
            input: Input::Nothing,
        };
        stand(post, &start)
    }

    fn stand_down(self, reason: Reason) -> ExitCode {
        self.farewell(End::StoodDown { reason });
        not_owner()
    }

    fn stay_without_worker(self, end: End) -> ExitCode {
        self.farewell(end);
        ExitCode::FAILURE
    }

    fn give_up(self, reason: String) -> ExitCode {
        self.farewell(End::NeverStarted { reason });
        ExitCode::FAILURE
    }

    /// Says the end, and waits until it was heard or nobody is there to hear it.
    fn farewell(mut self, end: End) {
        self.lines.send(&Message::Ended { end });
        loop {
            match self.read::<Order>() {
                Ok(Order::Acknowledged) | Err(Shut::Deserted | Shut::Dismissed) => return,
                Ok(Order::Lease { .. } | Order::End { .. } | Order::Answer { .. })
                | Err(Shut::Garbled(_)) => {}
            }
        }
    }
}

/// Whether other hosts may take what is not renewed.
pub(crate) fn reach_of(store: &StoreUrl) -> Reach {
    match store {
        StoreUrl::Sqlite(_) => Reach::OneHost,
        StoreUrl::Postgres(_) => Reach::ManyHosts,
    }
}

/// The exit code of whoever stands down.
pub(crate) fn not_owner() -> ExitCode {
    u8::try_from(exit_code::NOT_OWNER).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Renews once, before anything runs; the new end, or why there is none.
fn renew(store: &StoreUrl, brief: &Brief) -> Result<BootInstant, Reason> {
    let sent = BootInstant::now();
    let renewed = desk::runtime()
        .map_err(|_| Reason::StoreUnreachable)?
        .block_on(async {
            let store = desk::open(store).await?;
            desk::renew(&store, &brief.tenure, brief.lease).await
        });
    match renewed {
        Ok(None) => Ok(sent + brief.lease),
        Ok(Some(ask)) => Err(Reason::Ending(ask.name().to_owned())),
        Err(Error::NotOwner { reason }) => Err(reason),
        Err(_) => Err(Reason::StoreUnreachable),
    }
}
