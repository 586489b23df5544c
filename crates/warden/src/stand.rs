//! Standing over a worker: the one loop of a warden. It waits for whatever comes first — an order, a
//! request, a signal, a moment —, lets the tables decide ([`crate::ending`], [`crate::lease`]), and
//! does what they say. It ends when the end is acknowledged.
//!
//! **Invariant:** nothing here waits for anything but the one `poll`.
//! **Invariant:** the end is handed over only after the kernel said that no child is left, and that
//! nobody is in the run's cgroup, where it has one.

mod adoption;
mod requests;
mod room;
mod worker;

use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tenure_guard::{Reason, Tenure};
use tenure_store::life::{Ask, End, Protocol};

use self::worker::{SETTLING, Seen, Worker};
use crate::broker::{Broker, ConnId};
use crate::cgroup::Held;
use crate::clock::BootInstant;
use crate::command::Start;
use crate::ending::{Act, Cue, Ending, Graces};
use crate::lease::Lease;
use crate::log::Log;
use crate::tree::Tree;
use crate::uplink::{News, Uplink};
use crate::wake::{Alarm, Signals, Told};
use crate::workspace::{Plan, Stage};

/// How long a run may take, and how long its worker may be silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_runtime: Option<Duration>,
    pub(crate) heartbeat_timeout: Option<Duration>,
}

/// Everything that standing needs.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) tenure: Tenure,
    pub(crate) graces: Graces,
    /// Whether exit 0 alone is a success.
    pub(crate) protocol: Protocol,
    pub(crate) limits: Limits,
    pub(crate) lease: Lease,
    pub(crate) signals: Signals,
    pub(crate) broker: Broker,
    pub(crate) uplink: Uplink,
    /// The run's cgroup, where it has one.
    pub(crate) cgroup: Option<Held>,
    /// The run's log, where it is ours to keep within a limit.
    pub(crate) log: Option<Log>,
}

/// A warden at its post.
#[derive(Debug)]
struct Stand {
    post: Post,
    tree: Tree,
    alarm: Alarm,
    worker: Worker,
    room: Stage,
    ending: Ending,
    run_ends_at: Option<BootInstant>,
    silent_at: Option<BootInstant>,
    /// The limit that we announced, until the dispatcher's order answers it.
    announced: Option<Ask>,
    /// The lease cannot be kept, and the tree is being ended for that.
    lease_over: bool,
    /// Why the task is not this worker's any more.
    lost: Option<Reason>,
    seen: Seen,
    acknowledged: bool,
    /// A signal told us to end.
    dismissed: bool,
}

/// What woke us.
#[derive(Clone, Copy, Debug)]
enum Woken {
    Alarm,
    Signals,
    Lifeline,
    Tree,
    Desk,
    Listener,
    Connection(ConnId),
    Log,
    Room,
}

/// Starts the command, in a room of its own where one is planned, and stands over it to the end. The
/// exit code is the command's.
pub(crate) fn stand(post: Post, plan: Option<Plan>, start: Start) -> io::Result<ExitCode> {
    nix::sys::prctl::set_child_subreaper(true)?;
    let alarm = Alarm::new()?;
    let (worker, room) = room::begin(plan, start);
    Stand::new(post, alarm, worker, room).see_through()
}

/// Stays with a run whose command was never started until its end is taken. The exit code is that
/// of whoever stands down, or a failure.
pub(crate) fn stand_without_worker(post: Post, end: End) -> io::Result<ExitCode> {
    let alarm = Alarm::new()?;
    Stand::new(post, alarm, Worker::Absent(end), Stage::Gone).see_through()
}

impl Stand {
    fn new(mut post: Post, alarm: Alarm, worker: Worker, room: Stage) -> Self {
        let now = BootInstant::now();
        let timeout = post.limits.heartbeat_timeout;
        let mut stand = Self {
            tree: Tree::of_self(post.cgroup.take()),
            alarm,
            // Whoever is not there yet cannot be silent.
            silent_at: timeout.filter(|_| worker.runs()).map(|limit| now + limit),
            worker,
            room,
            ending: Ending::Steady,
            run_ends_at: post.limits.max_runtime.map(|limit| now + limit),
            announced: None,
            lease_over: false,
            lost: None,
            seen: Seen::default(),
            acknowledged: false,
            dismissed: false,
            post,
        };
        if let Worker::Runs { pid } = stand.worker {
            stand.post.uplink.started(pid, now);
        }
        stand
    }

    /// The loop.
    fn see_through(mut self) -> io::Result<ExitCode> {
        // What came along with the word at the gate wakes nobody any more.
        let now = BootInstant::now();
        let news = self.post.uplink.hear(now);
        self.learn(news, now);
        loop {
            let now = BootInstant::now();
            self.advance(now);
            if self.may_leave(now) {
                break;
            }
            for woken in self.wait()? {
                self.serve(woken);
            }
        }
        if self.acknowledged {
            self.post.uplink.clear_away();
        }
        // Where nothing ran, and where the kernel held on to it before.
        self.tree.clear_away();
        Ok(self.worker.exit_code())
    }

    /// Whether everything we know is in other hands: it was acknowledged, or we were told to go,
    /// nobody is there to take it, and it lies in the run's folder.
    fn may_leave(&self, now: BootInstant) -> bool {
        let is_left =
            self.dismissed && !self.worker.tree_lives() && matches!(self.room, Stage::Gone);
        (self.acknowledged && !self.post.uplink.is_depositing())
            || (is_left && self.post.uplink.may_be_left(now))
    }

    /// Sleeps until something is to be done.
    fn wait(&self) -> io::Result<Vec<Woken>> {
        self.alarm.set(self.due())?;
        let mut awaited = vec![
            (Woken::Alarm, self.alarm.as_fd(), PollFlags::POLLIN),
            (Woken::Signals, self.post.signals.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(lifeline) = self.post.uplink.lifeline() {
            let flags = interest(true, lifeline.is_departing());
            awaited.push((Woken::Lifeline, lifeline.stream().as_fd(), flags));
        }
        if let Some(desk) = self.post.uplink.desk() {
            awaited.push((Woken::Desk, desk.as_fd(), PollFlags::POLLIN));
        }
        if let Some(events) = self.tree.events().filter(|_| self.worker.has_left()) {
            awaited.push((Woken::Tree, events, PollFlags::POLLPRI));
        }
        let listener = self.post.broker.listener();
        awaited.push((Woken::Listener, listener.as_fd(), PollFlags::POLLIN));
        if let Some(changes) = self.post.log.as_ref().and_then(Log::changes) {
            awaited.push((Woken::Log, changes, PollFlags::POLLIN));
        }
        if let Some(work) = self.room.work() {
            awaited.push((Woken::Room, work, PollFlags::POLLIN));
        }
        for (id, stream, read, write) in self.post.broker.awaited() {
            awaited.push((Woken::Connection(id), stream.as_fd(), interest(read, write)));
        }
        let mut fds: Vec<PollFd> = awaited
            .iter()
            .map(|(_, fd, flags)| PollFd::new(*fd, *flags))
            .collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        }
        let ready = fds.iter().map(|fd| fd.any().unwrap_or(true));
        Ok(awaited
            .iter()
            .zip(ready)
            .filter(|(_, ready)| *ready)
            .map(|((woken, _, _), _)| *woken)
            .collect())
    }

    /// The next moment at which something happens by itself.
    fn due(&self) -> Option<BootInstant> {
        let now = BootInstant::now();
        let limits = if self.ending == Ending::Steady && self.worker.tree_lives() {
            [self.run_ends_at, self.silent_at]
        } else {
            [None, None]
        };
        let worker = match &self.worker {
            Worker::Absent(_) => [None, None],
            Worker::Awaited(_)
            | Worker::Runs { .. }
            | Worker::Ended {
                tree_dead: false, ..
            } => [self.ending.due(), self.lease_runs_out_at()],
            Worker::Ended { at, .. } => [Some(*at + SETTLING).filter(|until| now < *until), None],
        };
        limits
            .into_iter()
            .chain(worker)
            .flatten()
            .chain(self.post.uplink.due(now))
            .chain(self.post.log.as_ref().and_then(Log::due))
            .min()
    }

    fn lease_runs_out_at(&self) -> Option<BootInstant> {
        let terminate_at = self.post.lease.terminate_at(self.post.graces.kill);
        terminate_at.filter(|_| !self.lease_over)
    }

    /// Does what the time says.
    fn advance(&mut self, now: BootInstant) {
        if self.worker.tree_lives() {
            self.mind_limits(now);
            self.mind_lease(now);
            self.cue(Cue::Clock, now);
            if matches!(self.ending, Ending::Killing { .. }) {
                self.reap(now);
            }
        }
        self.mind_log(now, false);
        if let Some(end) = self.end(now)
            && self.clear_room()
        {
            self.post.uplink.conclude(end, now);
        }
        let news = self.post.uplink.tick(now);
        self.learn(news, now);
    }

    fn mind_limits(&mut self, now: BootInstant) {
        if self.ending != Ending::Steady {
            return;
        }
        let over = |at: Option<BootInstant>| at.is_some_and(|at| now >= at);
        let ask = if over(self.run_ends_at) {
            Ask::Timeout
        } else if over(self.silent_at) {
            Ask::Silence
        } else {
            return;
        };
        self.announced = Some(ask);
        self.post.uplink.ask(ask, now);
        self.cue(Cue::End, now);
    }

    fn mind_lease(&mut self, now: BootInstant) {
        if self.lease_runs_out_at().is_some_and(|at| now >= at)
            && let Some(kill_at) = self.post.lease.kill_at()
        {
            self.lease_over = true;
            self.seen.interrupted |= self.worker.runs();
            self.post.broker.tell_watchers(&Reason::LeaseExpired);
            self.cue(Cue::LeaseOver { kill_at }, now);
        }
    }

    /// Asks the table, and does what it says.
    fn cue(&mut self, cue: Cue, now: BootInstant) {
        let (ending, act) = self.ending.on(cue, now, self.post.graces);
        self.ending = ending;
        self.seen.told_to_end |= act != Act::Wait && self.worker.runs();
        match act {
            Act::Wait => {}
            Act::Terminate => self.tree.terminate(),
            Act::Kill => self.tree.kill(),
        }
    }

    fn serve(&mut self, woken: Woken) {
        let now = BootInstant::now();
        match woken {
            // `advance` comes before every wait, whatever woke us.
            Woken::Alarm => {}
            Woken::Signals => {
                while let Some(told) = self.post.signals.next() {
                    match told {
                        Told::Child => self.reap(now),
                        Told::Interrupt => self.interrupt(now),
                    }
                }
            }
            Woken::Lifeline => {
                let news = self.post.uplink.hear(now);
                self.learn(news, now);
            }
            Woken::Tree => self.reap(now),
            Woken::Desk => {
                let news = self.post.uplink.collect(now);
                self.learn(news, now);
            }
            Woken::Listener => self.accept(now),
            Woken::Log => self.mind_log(now, true),
            Woken::Room => self.room_done(now),
            Woken::Connection(id) => {
                let heard = self.post.broker.serve(id, now);
                self.hear(heard, now);
            }
        }
    }

    /// What came from above.
    fn learn(&mut self, news: Vec<News>, now: BootInstant) {
        for news in news {
            match news {
                News::Lease(end) => self.post.lease.renewed_until(end),
                News::Ordered(ask) => {
                    self.mind_ask(ask);
                    // The order that answers our own announcement is no second one.
                    if self.announced.take() == Some(ask) {
                        continue;
                    }
                    self.cue(Cue::Hasten, now);
                }
                News::Asked(ask) => {
                    self.mind_ask(ask);
                    self.cue(Cue::End, now);
                }
                News::Dispossessed(reason) => {
                    self.seen.interrupted |= self.worker.runs();
                    self.lose(reason);
                    self.cue(Cue::End, now);
                }
                News::Answered { to, op, answer } => {
                    let heard = self.pass_down(to, &op, answer, now);
                    self.hear(heard, now);
                }
                News::Acknowledged => self.acknowledged |= !self.worker.tree_lives(),
            }
        }
    }

    fn mind_ask(&mut self, ask: Ask) {
        if !ask.takes_reports() {
            self.lose(Reason::Ending(ask.name().to_owned()));
        }
    }

    /// The first reason stands.
    fn lose(&mut self, reason: Reason) {
        let reason = self.lost.get_or_insert(reason);
        self.post.broker.tell_watchers(reason);
    }
}

fn interest(read: bool, write: bool) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, read);
    flags.set(PollFlags::POLLOUT, write);
    flags
}
