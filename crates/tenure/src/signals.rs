//! Signals become words to the dispatcher: the first Ctrl-C drains, the second ends the runs, the
//! third kills them.

use std::convert::Infallible;
use std::io;

use tenure_dispatcher::{Control, OnStop};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;

/// A signal that somebody sent us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    Hangup,
}

/// Catches signals from its making on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to catch.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.interrupt.recv() => Caught::Interrupt,
            _ = self.terminate.recv() => Caught::Terminate,
            _ = self.hangup.recv() => Caught::Hangup,
        }
    }
}

/// What signals mean to a dispatcher of this process.
#[derive(Clone, Copy, Debug)]
pub enum Manners {
    /// A service: SIGTERM means what the configuration says; SIGHUP has no meaning yet.
    Service(OnStop),
    /// A command that owns its batch: whoever ends it, or closes its terminal, ends its runs, since
    /// nobody is left to dispatch the rest.
    Command,
}

/// How often Ctrl-C was pressed.
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
    pub fn on(&mut self, caught: Caught) -> Option<Control> {
        match (caught, self.manners) {
            (Caught::Interrupt, Manners::Service(_) | Manners::Command) => {
                self.interrupts += 1;
                Some(match self.interrupts {
                    1 => Control::Drain,
                    2 => Control::Terminate,
                    _ => Control::Kill,
                })
            }
            (Caught::Terminate, Manners::Service(on_stop)) => Some(match on_stop {
                OnStop::Detach => Control::Detach,
                OnStop::Drain => Control::Drain,
                OnStop::Terminate => Control::Terminate,
            }),
            (Caught::Terminate | Caught::Hangup, Manners::Command) => Some(Control::Terminate),
            (Caught::Hangup, Manners::Service(_)) => None,
        }
    }
}

/// Passes signals on to a dispatcher for as long as it lives; `before` is told of each first.
pub async fn obey(
    mut signals: Signals,
    manners: Manners,
    control: UnboundedSender<Control>,
    before: impl Fn(Option<Control>),
) -> Infallible {
    let mut stopping = Stopping::new(manners);
    loop {
        let meant = stopping.on(signals.next().await);
        before(meant);
        if let Some(meant) = meant {
            // A dispatcher that is gone already needs no word.
            let _ = control.send(meant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_ctrl_c_drains_then_terminates_then_kills() {
        let mut stopping = Stopping::new(Manners::Command);
        let pressed: Vec<_> = (0..4).map(|_| stopping.on(Caught::Interrupt)).collect();
        assert_eq!(
            pressed,
            [
                Some(Control::Drain),
                Some(Control::Terminate),
                Some(Control::Kill),
                Some(Control::Kill)
            ]
        );
    }

    #[test]
    fn a_service_is_stopped_as_configured_and_a_command_ends_its_runs() {
        let mut service = Stopping::new(Manners::Service(OnStop::Detach));
        assert_eq!(service.on(Caught::Terminate), Some(Control::Detach));
        assert_eq!(service.on(Caught::Hangup), None);
        let mut command = Stopping::new(Manners::Command);
        assert_eq!(command.on(Caught::Hangup), Some(Control::Terminate));
    }
}
