//! Lets hosts, links, clocks and the server fail under three dispatchers that share it, by a seed, and
//! looks whether anything comes of it that must not.
//!
//! ```text
//! cargo build -p tenure-tests --bins && target/debug/nemesis [--steps N] [--calm N] [--seed S]
//! ```
//!
//! It takes root, and makes everything in namespaces of its own: a PostgreSQL server, and three hosts,
//! each with its own network, processes, boot ids, `/etc` and wall clock. All of that ends with the
//! program, however it ends. Each step is a fault that lasts a while; several last at once. After every
//! `--calm` steps all faults end, and the time is taken until all is well again.
//!
//! Workers have effects on a thing outside that takes none from a run below the highest that it saw, and
//! tell when they live. They heed nobody, so that they end in time only where somebody ends them. Once
//! nothing runs any more: every task is done, by one run that completed, with one effect; no effect was
//! taken from a run after the next one was claimed; no worker outlived its lease, unless its warden was
//! stopped or killed; and all was well again within the lease and 5 s of the last fault's end.

mod effects;
mod fault;
mod healing;
mod host;
mod judge;
mod link;
mod load;
mod nemesis;
mod place;
mod server;
mod shell;
mod watch;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Uid;
use tenure_tests::beat;
use tenure_tests::flags::Flags;
use tenure_tests::ledger::Ledger;
use tenure_tests::wait_until;

use crate::effects::Effects;
use crate::fault::HOSTS;
use crate::host::Host;
use crate::judge::{Evidence, Found, judge};
use crate::load::Load;
use crate::nemesis::Nemesis;
use crate::place::Place;
use crate::server::Server;
use crate::watch::Watch;

const FLAGS: [(&str, u64); 3] = [("steps", 10_000), ("calm", 25), ("seed", 1)];

/// What every host's dispatcher is told. Whatever fails may fail as often as chance wants: nothing
/// here shall rest on a limit.
const CONFIG: &str = r#"
[dispatcher]
slots = 4
lease = "6s"
kill_grace = "500ms"
finish_grace = "500ms"
on_stop = "detach"
[defaults]
max_failures = 1000000
max_benign = 1000000
max_lost = 1000000
backoff = { base = "10ms", max = "50ms" }
"#;

/// Tasks that are not at rest.
const MOVING: &str =
    "SELECT count(*) FROM tasks WHERE status NOT IN ('done', 'blocked', 'cancelled') AND id > $1";

/// How many tasks wait or run at least.
const POPULATION: i64 = 24;

/// How long everything may take to come to rest: the longest worker, begun once more.
const REST: Duration = Duration::from_mins(3);

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("first") => return be_first(&arguments[1..]),
        Some("inside") => drop(arguments.remove(0)),
        Some(_) | None => return enter(&arguments),
    }
    let flags = Flags::read(&FLAGS, arguments).expect("they were understood outside");
    let mut field = Field::make(flags.get("seed"));
    let found = field.play(flags.count("steps"), flags.count("calm"));
    let is_well = found.wrong.is_empty();
    field.print(&flags, &found);
    ExitCode::from(u8::from(!is_well))
}

/// Becomes the same program in namespaces of its own.
fn enter(arguments: &[String]) -> ExitCode {
    if let Err(usage) = Flags::read(&FLAGS, arguments.iter().cloned()) {
        eprintln!("{usage}");
        return ExitCode::from(2);
    }
    if !Uid::effective().is_root() {
        eprintln!("only root can make hosts: run this as root");
        return ExitCode::from(2);
    }
    let error = Command::new("unshare")
        .args([
            "--mount",
            "--net",
            "--ipc",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
        ])
        .arg(std::env::current_exe().expect("this program has a path"))
        .arg("first")
        .args(arguments)
        .exec();
    eprintln!("unshare cannot be executed: {error}");
    ExitCode::FAILURE
}

/// The first process of the namespace collects whoever lost its parent, until the one that it started
/// ends; then all others do.
fn be_first(arguments: &[String]) -> ExitCode {
    let us = std::env::current_exe().expect("this program has a path");
    let child = Command::new(us).arg("inside").args(arguments).spawn();
    let child = i32::try_from(child.expect("this program can be started").id()).ok();
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if Some(pid.as_raw()) == child => {
                return ExitCode::from(u8::try_from(code).unwrap_or(1));
            }
            Ok(WaitStatus::Signaled(pid, ..)) if Some(pid.as_raw()) == child => {
                return ExitCode::FAILURE;
            }
            Ok(_) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// All that is going on.
struct Field {
    place: Place,
    nemesis: Nemesis,
    effects: Effects,
    load: Load,
    watch: Watch,
    url: String,
    seed: u64,
    began: Instant,
    /// How long each healing took.
    healed: Vec<Duration>,
    wrong: Vec<String>,
}

impl Field {
    fn make(seed: u64) -> Self {
        let began = Instant::now();
        shell::run(&["ip", "link", "set", "lo", "up"]);
        let place = Place::make();
        let server = Server::make(place.folder("server"));
        let url = server.own_url();
        let effects = Effects::listen(&place.at("effects.sock"));
        let lives = place.folder("lives");
        let load = Load::new(&place, url.clone(), place.at("effects.sock"), lives, seed);
        let mut hosts: Vec<Host> = (1..=HOSTS)
            .map(|number| Host::make(&place, number, CONFIG))
            .collect();
        for host in &mut hosts {
            host.boot(true);
        }
        hosts[0].check_clock();
        Self {
            watch: Watch::on(&url),
            nemesis: Nemesis::new(hosts, server),
            place,
            effects,
            load,
            url,
            seed,
            began,
            healed: Vec::new(),
            wrong: Vec::new(),
        }
    }

    fn play(&mut self, steps: usize, calm: usize) -> Found {
        wait_until("there is something to do", || self.fill().then_some(()));
        for (number, step) in fault::steps(self.seed).take(steps).enumerate() {
            let _ = self.fill();
            self.nemesis.take(step);
            if (number + 1) % calm == 0 {
                self.calm(number + 1);
            }
        }
        self.calm(steps);
        self.rest();
        let lives = beat::lives(&self.place.at("lives"));
        let evidence = Evidence {
            added: self.load.added,
            books: &self.effects.books(),
            lives: &lives,
            unguarded: &self.nemesis.unguarded,
        };
        let mut found = judge(
            &mut Ledger::at(&self.url.parse().expect("an address")),
            &evidence,
        );
        found.wrong.splice(0..0, std::mem::take(&mut self.wrong));
        found
    }

    /// Adds tasks as they are used up, while the server can be asked; whether there are enough.
    fn fill(&mut self) -> bool {
        if !self.nemesis.server_is_well() {
            return false;
        }
        match self.watch.number(MOVING, 0) {
            Some(moving) if moving >= POPULATION => true,
            // Nothing answers where there is no store yet, either.
            Some(_) | None => {
                self.load.add();
                false
            }
        }
    }

    /// Ends all faults, and takes the time until all is well again.
    fn calm(&mut self, step: usize) {
        self.nemesis.end_all();
        match healing::time(&mut self.watch, &mut self.load) {
            Some(took) => {
                if took > healing::LIMIT {
                    self.wrong
                        .push(format!("healing after step {step} took {took:.1?}"));
                }
                self.healed.push(took);
            }
            None => self.wrong.push(format!("nothing healed after step {step}")),
        }
    }

    /// Lets everything come to its end.
    fn rest(&mut self) {
        let rested = tenure_tests::wait::within(REST, || {
            (self.watch.number(MOVING, 0) == Some(0)).then_some(())
        });
        if rested.is_none() {
            self.wrong
                .push(format!("not at rest {REST:?} after the last fault"));
        }
    }

    fn print(&self, flags: &Flags, found: &Found) {
        let faults: Vec<String> = self
            .nemesis
            .begun
            .iter()
            .map(|(name, times)| format!("{times} {name}"))
            .collect();
        let outcomes: Vec<String> = found
            .outcomes
            .iter()
            .map(|(outcome, runs)| format!("{runs} {outcome}"))
            .collect();
        let mut healed = self.healed.clone();
        healed.sort_unstable();
        let longest = healed.last().copied().unwrap_or_default();
        let median = healed.get(healed.len() / 2).copied().unwrap_or_default();
        println!("faults: {}", faults.join(", "));
        println!("runs: {}", outcomes.join(", "));
        let lines: usize = self
            .nemesis
            .hosts
            .iter()
            .map(Host::lines_of_another_day)
            .sum();
        println!("lines that dispatchers wrote on another day: {lines}");
        println!(
            "seed {}: {} steps, {} tasks done; {} effects taken, {} refused to stale runs; {} reports kept; \
             {} workers outlived a lease without a warden that could act, narrowest end {} ms before a lease's; \
             healed {} times, p50 {median:.1?}, at most {longest:.1?}; {} wrong; {:.0} s",
            self.seed,
            flags.get("steps"),
            found.done,
            found.taken,
            found.refused,
            found.kept,
            found.unguarded_and_late,
            found
                .narrowest_ms
                .map_or("no".to_owned(), |narrowest| narrowest.to_string()),
            healed.len(),
            found.wrong.len(),
            self.began.elapsed().as_secs_f64(),
        );
        for problem in &found.wrong {
            println!("  {problem}");
        }
        if !found.wrong.is_empty() {
            println!("logs: {}", self.place.keep_logs(self.seed).display());
        }
    }
}
