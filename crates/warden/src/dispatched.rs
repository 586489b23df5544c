//! A warden that a dispatcher started: the gate, then the lifeline.

use std::fs::File;
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
use crate::evidence::{self, Evidence};
use crate::gate::{self, Brief, Word};
use crate::lease::{Lease, Reach};
use crate::lifeline::{Message, Order};
use crate::lines::{Lines, Next};
use crate::log::Log;
use crate::stand::{Limits, Post, stand, stand_without_worker};
use crate::uplink::Uplink;
use crate::wake::{Signals, Told};
use crate::workspace::Plan;

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
    /// It is longer than anything that is said here, and nothing after it can be understood.
    Drowned,
}

/// Waits at the gate on standard input; then stands over the command.
pub(crate) fn run() -> io::Result<ExitCode> {
    let signals = Signals::take_over()?;
    // Fails only where we lead a process group already; then the tree is found by descent alone.
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_dumpable(false)?;
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // One descriptor alone, so that the lifeline is closed where it is given up.
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
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
        Err(Shut::Garbled(problem)) => Ok(gate.give_up(None, format!("the brief: {problem}"))),
        Err(Shut::Drowned) => Ok(gate.give_up(None, "the brief is too long".into())),
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
                Next::TooLong => return Err(Shut::Drowned),
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
        let (store, broker) = match furnish(&brief) {
            Ok(furnished) => furnished,
            Err(reason) => return Ok(self.give_up(Some(&brief), reason)),
        };
        let never = |reason: String| End::NeverStarted { reason };
        let end = match self.read::<Word>() {
            Ok(Word::Go {
                lease_end,
                deadline,
            }) => {
                let deadline = deadline.map(|time| (env::DEADLINE.to_owned(), time));
                brief.env.extend(deadline);
                return self.go(brief, store, broker, lease_end);
            }
            Ok(Word::StandDown { reason }) => End::StoodDown { reason },
            Err(Shut::Garbled(problem)) => never(format!("the word: {problem}")),
            Err(Shut::Drowned) => never("the word is too long".into()),
            Err(Shut::Deserted) => {
                never("the dispatcher died before the command was let go".into())
            }
            Err(Shut::Dismissed) => never("told to end at the gate".into()),
        };
        // From here on the command cannot run any more, whoever still says so.
        let lease = Lease::new(brief.lease, reach_of(&store), BootInstant::now());
        stand_without_worker(self.post(&brief, store, broker, lease), end)
    }

    fn go(
        self,
        brief: Brief,
        store: StoreUrl,
        broker: Broker,
        lease_end: BootInstant,
    ) -> io::Result<ExitCode> {
        let mut lease = Lease::new(brief.lease, reach_of(&store), lease_end);
        if lease.has_lapsed(BootInstant::now()) {
            // The word is too old to vouch for anything: the store is asked instead.
            match renew(&store, &brief) {
                Ok(end) => lease.renewed_until(end),
                Err(reason) => {
                    let post = self.post(&brief, store, broker, lease);
                    return stand_without_worker(post, End::StoodDown { reason });
                }
            }
        }
        let mut post = self.post(&brief, store, broker, lease);
        let (confinement, cgroup) = match Confinement::prepare(&brief) {
            Ok(prepared) => prepared,
            Err(end) => return stand_without_worker(post, end),
        };
        post.cgroup = cgroup;
        // A worker is not refused because its log cannot be watched.
        post.log = Log::of(io::stdout().as_fd(), brief.log_max_bytes).unwrap_or_default();
        let plan = Plan::of(&brief);
        let cwd = brief.workspace.place(&brief.folder, &brief.cwd);
        let start = Start {
            argv: brief.argv.into_iter().map(Into::into).collect(),
            env: brief
                .env
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            cwd: Some(cwd),
            confinement: Arc::new(confinement),
            input: Input::Nothing,
        };
        stand(post, plan, start)
    }

    fn post(self, brief: &Brief, store: StoreUrl, broker: Broker, lease: Lease) -> Post {
        let tenure = brief.tenure.clone();
        let folder = Some(brief.folder.clone());
        Post {
            tenure: tenure.clone(),
            graces: Graces {
                kill: brief.kill_grace,
                finish: brief.finish_grace,
            },
            protocol: brief.protocol,
            limits: Limits {
                max_runtime: brief.max_runtime,
                heartbeat_timeout: brief.heartbeat_timeout,
            },
            lease,
            signals: self.signals,
            broker,
            uplink: Uplink::new(Some(self.lines), folder, store, tenure, brief.lease),
            cgroup: None,
            log: None,
        }
    }

    /// Our own side failed before we could stand anywhere: says so, and waits until it was heard.
    /// Where nobody is there to hear it, the run's folder has it.
    fn give_up(mut self, brief: Option<&Brief>, reason: String) -> ExitCode {
        let end = End::NeverStarted { reason };
        self.lines.send(&Message::Ended { end: end.clone() });
        loop {
            match self.read::<Order>() {
                Ok(Order::Acknowledged) => break,
                Ok(Order::Lease { .. } | Order::End { .. } | Order::Answer { .. })
                | Err(Shut::Garbled(_)) => {}
                Err(Shut::Deserted | Shut::Dismissed | Shut::Drowned) => {
                    if let Some(brief) = brief {
                        let evidence = Evidence {
                            v: evidence::VERSION,
                            run: brief.tenure.run,
                            report: None,
                            end: Some(end),
                        };
                        // Where even that fails the run is closed by what its dispatcher finds.
                        let _ = evidence.write(&brief.folder);
                    }
                    break;
                }
            }
        }
        ExitCode::FAILURE
    }
}

/// Everything that can fail of our own side before the word.
fn furnish(brief: &Brief) -> Result<(StoreUrl, Broker), String> {
    if brief.v != gate::VERSION {
        return Err(format!(
            "the dispatcher speaks version {} of the gate, this warden {}: install both from one build",
            brief.v,
            gate::VERSION
        ));
    }
    let store: StoreUrl = brief
        .store
        .parse()
        .map_err(|error: tenure_store::OpenError| error.to_string())?;
    let broker = Broker::bind(&brief.socket)
        .map_err(|error| format!("{}: {error}", brief.socket.display()))?;
    Ok((store, broker))
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
