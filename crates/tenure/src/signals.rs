//! Signals become words to the dispatcher: the first Ctrl-C drains, the second ends the runs, the
//! third kills them; to a service a hangup means its configuration, and SIGUSR2 its program.

use std::io;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as KernelSignal, raise};
use tenure_dispatcher::{Control, OnStop};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that somebody sent us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    Hangup,
    /// SIGUSR2.
    Upgrade,
}

/// What a signal asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// To stop.
    Stop(Control),
    /// To read the configuration again.
    Reload,
    /// To become the program that lies where ours was started from.
    Upgrade,
}

/// Catches signals from its making on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    upgrade: Signal,
}

/// The signals that are blocked while one program becomes the other, so that they wait for it. Some
/// nobody means as an end, though the kernel takes them for one where they are not caught; of the
/// others the next program knows what its configuration makes of them.
pub fn kept_for_the_next_program() -> SigSet {
    use KernelSignal::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
    SigSet::from_iter([SIGHUP, SIGINT, SIGTERM, SIGUSR2])
}

/// How long a signal that was caught may take to be told: it is there already.
const LAST_LOOK: Duration = Duration::from_millis(10);

impl Signals {
    /// Begins to catch.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn catch() -> io::Result<Self> {
        let signals = Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        };
        kept_for_the_next_program().thread_unblock()?;
        Ok(signals)
    }

    /// Sends those that ask for an end once more, where they were caught and nobody obeyed them: to
    /// whoever catches signals next, where they are blocked now.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn send_again(&mut self) -> io::Result<()> {
        while let Ok(caught) = tokio::time::timeout(LAST_LOOK, self.next()).await {
            match caught {
                Caught::Interrupt => raise(KernelSignal::SIGINT)?,
                Caught::Terminate => raise(KernelSignal::SIGTERM)?,
                // The next program reads its configuration anyway, and is the one that is installed.
                Caught::Hangup | Caught::Upgrade => {}
            }
        }
        Ok(())
    }

    /// The next one.
    pub async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.interrupt.recv() => Caught::Interrupt,
            _ = self.terminate.recv() => Caught::Terminate,
            _ = self.hangup.recv() => Caught::Hangup,
            _ = self.upgrade.recv() => Caught::Upgrade,
        }
    }
}

/// What signals mean to a dispatcher of this process.
#[derive(Clone, Copy, Debug)]
pub enum Manners {
    /// A service: SIGTERM means what the configuration says.
    Service(OnStop),
    /// A command that owns its batch: whoever ends it, or closes its terminal, ends its runs, since
    /// nobody is left to dispatch the rest.
    Command,
}

/// How often Ctrl-C was pressed, and what signals mean here.
#[derive(Debug)]
pub struct Stopping {
    manners: Manners,
    interrupts: u32,
}

impl Stopping {
    /// Nothing was pressed yet.
    pub fn new(manners: Manners) -> Self {
        Self {
            manners,
            interrupts: 0,
        }
    }

    /// What a signal means now; `None` where it means nothing.
    pub fn on(&mut self, caught: Caught) -> Option<Meaning> {
        match (caught, self.manners) {
            (Caught::Interrupt, Manners::Service(_) | Manners::Command) => {
                self.interrupts += 1;
                Some(Meaning::Stop(match self.interrupts {
                    1 => Control::Drain,
                    2 => Control::Terminate,
                    _ => Control::Kill,
                }))
            }
            (Caught::Terminate, Manners::Service(on_stop)) => Some(Meaning::Stop(match on_stop {
                OnStop::Detach => Control::Detach,
                OnStop::Drain => Control::Drain,
                OnStop::Terminate => Control::Terminate,
            })),
            (Caught::Terminate | Caught::Hangup, Manners::Command) => {
                Some(Meaning::Stop(Control::Terminate))
            }
            (Caught::Hangup, Manners::Service(_)) => Some(Meaning::Reload),
            (Caught::Upgrade, Manners::Service(_)) => Some(Meaning::Upgrade),
            (Caught::Upgrade, Manners::Command) => None,
        }
    }

    /// A SIGTERM means this from now on.
    pub fn follow(&mut self, on_stop: OnStop) {
        self.manners = Manners::Service(on_stop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_ctrl_c_drains_then_terminates_then_kills() {
        let mut stopping = Stopping::new(Manners::Command);
        let meant = [
            Control::Drain,
            Control::Terminate,
            Control::Kill,
            Control::Kill,
        ];
        for control in meant {
            let pressed = stopping.on(Caught::Interrupt);
            assert_eq!(pressed, Some(Meaning::Stop(control)));
        }
    }

    #[test]
    fn a_service_is_stopped_as_configured_and_a_command_ends_its_runs() {
        let mut service = Stopping::new(Manners::Service(OnStop::Detach));
        let stop = |control| Some(Meaning::Stop(control));
        assert_eq!(service.on(Caught::Terminate), stop(Control::Detach));
        let mut service = Stopping::new(Manners::Service(OnStop::Detach));
        assert_eq!(service.on(Caught::Hangup), Some(Meaning::Reload));
        assert_eq!(service.on(Caught::Upgrade), Some(Meaning::Upgrade));
        service.follow(OnStop::Drain);
        assert_eq!(service.on(Caught::Terminate), stop(Control::Drain));
        let mut command = Stopping::new(Manners::Command);
        assert_eq!(command.on(Caught::Hangup), stop(Control::Terminate));
        assert_eq!(command.on(Caught::Upgrade), None);
    }
}
