//! What can go wrong, chosen by a seed before anything of it happens: the same seed makes the same
//! faults in the same order, whatever they meet.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::link::Way;

/// How many hosts there are.
pub const HOSTS: usize = 3;

/// A day, by which clocks are wrong.
pub const DAY: i64 = 24 * 60 * 60;

/// Something that goes wrong. Hosts count from zero; `nth` chooses among those there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Words get lost.
    Cut { host: usize, way: Way },
    /// A host's wall clock is wrong by so many seconds.
    Clock { host: usize, seconds: i64 },
    /// A dispatcher is stopped.
    StopDispatcher { host: usize },
    /// A warden is stopped, and can end no worker meanwhile.
    StopWarden { host: usize, nth: usize },
    /// Everything on a host is stopped, as a virtual machine is.
    StopHost { host: usize },
    /// All of the server is stopped.
    StopServer,
    /// Only what takes new connections is stopped.
    StopPostmaster,
    /// What serves one connection is stopped, with the locks that it has.
    StopBackend { nth: usize },
    /// A dispatcher is killed.
    KillDispatcher { host: usize },
    /// A warden is killed.
    KillWarden { host: usize, nth: usize },
    /// A dispatcher and its wardens are killed together.
    KillAllOfTenure { host: usize },
    /// A host loses its power, and is started again later: the machine, or only its container.
    KillHost { host: usize, anew: bool },
    /// The server is killed, and started again later.
    KillServer,
    /// What serves one connection is killed; the server starts itself anew.
    KillBackend { nth: usize },
}

/// One step of the nemesis.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// How long to wait before it.
    pub pause: Duration,
    /// What goes wrong.
    pub fault: Fault,
    /// How long it lasts, where it lasts.
    pub lasts: Duration,
}

/// The longest pause between two faults.
const PAUSE: Duration = Duration::from_millis(1200);

/// Steps without end, by their seed.
pub fn steps(seed: u64) -> impl Iterator<Item = Step> {
    let mut random = StdRng::seed_from_u64(seed);
    std::iter::repeat_with(move || {
        let pause = PAUSE.mul_f64(random.random());
        let fault = fault(&mut random);
        let lasts = lasts(&mut random, fault);
        Step {
            pause,
            fault,
            lasts,
        }
    })
}

fn fault(random: &mut StdRng) -> Fault {
    let host = random.random_range(0..HOSTS);
    let nth = random.random_range(0..1000);
    let coin: bool = random.random();
    match random.random_range(0..100) {
        0..16 => Fault::Cut {
            host,
            way: Way::Both,
        },
        16..21 => Fault::Cut {
            host,
            way: Way::ToServer,
        },
        21..26 => Fault::Cut {
            host,
            way: Way::FromServer,
        },
        26..33 => Fault::Clock {
            host,
            seconds: if coin { DAY } else { -DAY },
        },
        33..41 => Fault::StopDispatcher { host },
        41..49 => Fault::StopWarden { host, nth },
        49..53 => Fault::StopHost { host },
        53..58 => Fault::StopServer,
        58..60 => Fault::StopPostmaster,
        60..64 => Fault::StopBackend { nth },
        64..74 => Fault::KillDispatcher { host },
        74..82 => Fault::KillWarden { host, nth },
        82..85 => Fault::KillAllOfTenure { host },
        85..91 => Fault::KillHost { host, anew: coin },
        91..95 => Fault::KillServer,
        _ => Fault::KillBackend { nth },
    }
}

/// Most pass before anybody must give anything up; some outlast every lease and margin.
fn lasts(random: &mut StdRng, fault: Fault) -> Duration {
    let millis = match random.random_range(0..20) {
        // A clock that is wrong only for a moment is hardly looked at.
        _ if matches!(fault, Fault::Clock { .. }) => random.random_range(5000..20_000),
        0..10 => random.random_range(50..2000),
        10..16 => random.random_range(2000..7000),
        _ => random.random_range(7000..14_000),
    };
    Duration::from_millis(millis)
}

impl Fault {
    /// What it is called in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut { way: Way::Both, .. } => "link cut",
            Self::Cut {
                way: Way::ToServer, ..
            } => "requests lost",
            Self::Cut {
                way: Way::FromServer,
                ..
            } => "answers lost",
            Self::Clock { .. } => "clock a day off",
            Self::StopDispatcher { .. } => "dispatcher stopped",
            Self::StopWarden { .. } => "warden stopped",
            Self::StopHost { .. } => "host stopped",
            Self::StopServer => "server stopped",
            Self::StopPostmaster => "postmaster stopped",
            Self::StopBackend { .. } => "backend stopped",
            Self::KillDispatcher { .. } => "dispatcher killed",
            Self::KillWarden { .. } => "warden killed",
            Self::KillAllOfTenure { .. } => "dispatcher and wardens killed",
            Self::KillHost { anew: true, .. } => "host killed, booted anew",
            Self::KillHost { anew: false, .. } => "host killed, same boot",
            Self::KillServer => "server killed",
            Self::KillBackend { .. } => "backend killed",
        }
    }
}
