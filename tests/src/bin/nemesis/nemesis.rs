//! Begins faults and ends them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tenure_tests::process::{Process, Signal};

use crate::fault::{Fault, Step};
use crate::host::Host;
use crate::link::Way;
use crate::overrun::Pause;
use crate::server::Server;

/// The hosts and the server, and what is wrong with them now.
#[derive(Debug)]
pub struct Nemesis {
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The server.
    pub server: Server,
    active: Vec<Active>,
    /// How often each fault began.
    pub begun: BTreeMap<&'static str, u32>,
    /// Runs whose warden was stopped or killed: it could not end its worker then.
    pub unguarded: BTreeSet<i64>,
    /// When dispatchers were stopped.
    pub pauses: Vec<Pause>,
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    since: Timestamp,
    until: Instant,
    stopped: Vec<Process>,
}

impl Nemesis {
    /// All is well.
    pub fn new(hosts: Vec<Host>, server: Server) -> Self {
        Self {
            hosts,
            server,
            active: Vec::new(),
            begun: BTreeMap::new(),
            unguarded: BTreeSet::new(),
            pauses: Vec::new(),
        }
    }

    /// Waits for the step's time, and does it. Faults whose time is over end meanwhile.
    pub fn take(&mut self, step: Step) {
        self.pass(step.pause);
        // What has this fault already, has it anew.
        self.end_where(|active| excludes(active.fault, step.fault));
        let since = Timestamp::now();
        let stopped = self.begin(step.fault);
        *self.begun.entry(step.fault.name()).or_default() += 1;
        self.active.push(Active {
            fault: step.fault,
            since,
            until: Instant::now() + step.lasts,
            stopped,
        });
    }

    fn pass(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        loop {
            let now = Instant::now();
            self.end_where(|active| active.until <= now);
            let next = self.active.iter().map(|active| active.until).min();
            let next = next.map_or(until, |next| next.min(until));
            if now >= until {
                return;
            }
            std::thread::sleep(next.saturating_duration_since(now));
        }
    }

    /// Ends every fault.
    pub fn end_all(&mut self) {
        self.end_where(|_| true);
    }

    /// Whether the server can be asked now.
    pub fn server_is_well(&self) -> bool {
        !self
            .active
            .iter()
            .any(|active| concerns_server(active.fault))
    }

    fn end_where(&mut self, over: impl Fn(&Active) -> bool) {
        let (over, active) = std::mem::take(&mut self.active).into_iter().partition(over);
        self.active = active;
        for fault in over {
            self.end(&fault);
        }
    }

    fn begin(&mut self, fault: Fault) -> Vec<Process> {
        match fault {
            Fault::Cut { host, way } => self.hosts[host].link.cut(way),
            Fault::Clock { host, seconds } => self.hosts[host].move_clock(seconds),
            Fault::StopDispatcher { host } => {
                return stop(
                    self.hosts[host]
                        .inhabitants()
                        .dispatcher
                        .into_iter()
                        .collect(),
                );
            }
            Fault::StopWarden { host, nth } => {
                let chosen = self.warden(host, nth);
                self.unguarded.extend(chosen.map(|(_, run)| run));
                return stop(chosen.map(|(warden, _)| warden).into_iter().collect());
            }
            Fault::StopHost { host } => {
                let inhabitants = self.hosts[host].inhabitants();
                self.unguarded
                    .extend(inhabitants.wardens.iter().map(|(_, run)| *run));
                return stop(inhabitants.all);
            }
            Fault::StopServer => return stop(self.server.processes()),
            Fault::StopPostmaster => {
                return stop(self.server.processes().into_iter().take(1).collect());
            }
            Fault::StopBackend { nth } => return stop(self.backend(nth).into_iter().collect()),
            Fault::KillDispatcher { host } => {
                kill(self.hosts[host].inhabitants().dispatcher);
            }
            Fault::KillWarden { host, nth } => {
                let chosen = self.warden(host, nth);
                self.unguarded.extend(chosen.map(|(_, run)| run));
                kill(chosen.map(|(warden, _)| warden));
            }
            Fault::KillAllOfTenure { host } => {
                let inhabitants = self.hosts[host].inhabitants();
                self.unguarded
                    .extend(inhabitants.wardens.iter().map(|(_, run)| *run));
                kill(inhabitants.dispatcher);
                kill(inhabitants.wardens.into_iter().map(|(warden, _)| warden));
            }
            Fault::KillHost { host, .. } => self.hosts[host].kill(),
            Fault::KillServer => self.server.kill(),
            Fault::KillBackend { nth } => kill(self.backend(nth)),
        }
        Vec::new()
    }

    fn end(&mut self, over: &Active) {
        for process in over.stopped.iter().rev() {
            process.signal(Signal::CONT);
        }
        match over.fault {
            Fault::Cut { host, way } => self.hosts[host].link.mend(way),
            Fault::Clock { host, .. } => self.hosts[host].move_clock(0),
            Fault::KillHost { host, anew } => self.hosts[host].boot(anew),
            Fault::KillServer => self.server.start(),
            Fault::StopDispatcher { host } | Fault::StopHost { host } => self.pauses.push(Pause {
                host,
                from: over.since.as_second(),
                until: Timestamp::now().as_second(),
            }),
            Fault::StopWarden { .. }
            | Fault::StopServer
            | Fault::StopPostmaster
            | Fault::StopBackend { .. }
            | Fault::KillDispatcher { .. }
            | Fault::KillWarden { .. }
            | Fault::KillAllOfTenure { .. }
            | Fault::KillBackend { .. } => {}
        }
    }

    fn warden(&self, host: usize, nth: usize) -> Option<(Process, i64)> {
        chosen(&self.hosts[host].inhabitants().wardens, nth)
    }

    /// One of those that the server started: most serve a connection, some look after all of it.
    fn backend(&self, nth: usize) -> Option<Process> {
        chosen(self.server.processes().get(1..).unwrap_or_default(), nth)
    }
}

/// Whether two faults concern the same thing in the same way, so that the first must end before the
/// second begins.
fn excludes(active: Fault, next: Fault) -> bool {
    match (active, next) {
        (
            Fault::Cut { host, way },
            Fault::Cut {
                host: other,
                way: another,
            },
        ) => host == other && (way == another || way == Way::Both || another == Way::Both),
        (Fault::Clock { host, .. }, Fault::Clock { host: other, .. })
        | (Fault::KillHost { host, .. }, Fault::KillHost { host: other, .. }) => host == other,
        (Fault::KillServer, other) => concerns_server(other),
        _ => false,
    }
}

fn concerns_server(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::StopServer
            | Fault::StopPostmaster
            | Fault::StopBackend { .. }
            | Fault::KillServer
            | Fault::KillBackend { .. }
    )
}

fn chosen<T: Copy>(among: &[T], nth: usize) -> Option<T> {
    among.get(nth.checked_rem(among.len())?).copied()
}

fn stop(processes: Vec<Process>) -> Vec<Process> {
    for process in &processes {
        process.signal(Signal::STOP);
    }
    processes
}

fn kill(processes: impl IntoIterator<Item = Process>) {
    for process in processes {
        process.signal(Signal::KILL);
    }
}
