//! The field: three hosts on one server, the tasks that they are given, and what becomes of both.

use std::time::Duration;

use jiff::Timestamp;
use tenure_tests::ledger::Ledger;
use tenure_tests::{beat, wait, wait_until};

use crate::asking::{self, Asking};
use crate::effects::Effects;
use crate::fault::{self, HOSTS};
use crate::healing;
use crate::host::Host;
use crate::judge::{Evidence, Found, judge};
use crate::load::Load;
use crate::nemesis::Nemesis;
use crate::overrun;
use crate::place::Place;
use crate::server::Server;
use crate::shell::run;
use crate::watch::Watch;

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

/// All that is going on.
#[derive(Debug)]
pub struct Field {
    /// Where it is.
    pub place: Place,
    /// The hosts and the server, and what fails.
    pub nemesis: Nemesis,
    effects: Effects,
    load: Load,
    watch: Watch,
    url: String,
    seed: u64,
    /// The longest call to the store by a dispatcher that was not stopped meanwhile, in seconds.
    pub longest_call: f64,
    /// How long each verb on a host took.
    pub asked: Vec<Duration>,
    /// How long each healing took.
    pub healed: Vec<Duration>,
    wrong: Vec<String>,
}

impl Field {
    /// Makes it, and boots every host.
    pub fn make(seed: u64) -> Self {
        run(&["ip", "link", "set", "lo", "up"]);
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
            longest_call: 0.0,
            asked: Vec::new(),
            healed: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Does so many steps of the seed, lets everything come to its end, and judges.
    pub fn play(&mut self, steps: usize, calm: usize) -> Found {
        wait_until("there is something to do", || self.fill().then_some(()));
        let links = self.nemesis.hosts.iter().map(|host| &host.link);
        let mut asking = Asking::begin(&self.place.folder("operator"), links);
        for (number, step) in fault::steps(self.seed).take(steps).enumerate() {
            let _ = self.fill();
            self.nemesis.take(step);
            if (number + 1) % calm == 0 {
                self.calm(number + 1);
            }
        }
        self.calm(steps);
        self.asked = asking.end();
        self.rest();
        self.look_for_overruns();
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
        let rested = wait::within(REST, || {
            (self.watch.number(MOVING, 0) == Some(0)).then_some(())
        });
        if rested.is_none() {
            self.wrong
                .push(format!("not at rest {REST:?} after the last fault"));
        }
    }

    /// No call to the store, and no verb, takes longer than it may.
    fn look_for_overruns(&mut self) {
        for (number, host) in self.nemesis.hosts.iter().enumerate() {
            for (seconds, line) in overrun::calls(&host.log(), number, &self.nemesis.pauses) {
                self.longest_call = self.longest_call.max(seconds);
                if seconds > overrun::LIMIT {
                    self.wrong.push(line);
                }
            }
        }
        let late = self.asked.iter().filter(|took| **took > asking::LIMIT);
        self.wrong
            .extend(late.map(|took| format!("a verb on a host took {took:.1?}")));
    }

    /// How many lines dispatchers wrote on another day than this one: their clock was wrong.
    pub fn lines_of_another_day(&self) -> usize {
        let today = Timestamp::now().to_string()[..10].to_owned();
        let is_another = |line: &&str| line.starts_with("20") && !line.starts_with(&today);
        let logs = self.nemesis.hosts.iter().map(Host::log);
        logs.map(|log| log.lines().filter(is_another).count()).sum()
    }
}
