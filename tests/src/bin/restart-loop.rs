//! Restarts a dispatcher again and again over a rolling population of living workers, each time in
//! another way: SIGKILL, SIGTERM under `on_stop = "detach"`, an upgrade in place.
//!
//! ```text
//! cargo build -p tenure-tests --bins && target/debug/restart-loop \
//!     [--restarts N] [--population N] [--seed S] [--postgres 1]
//! ```
//!
//! Each worker lives for a random time and ends as its title says. Every recorded end must be that one:
//! no worker is lost or started twice, none is left over. Prints how long a dispatcher took from its
//! start to being ready, with all those workers to adopt.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tenure_tests::flags::Flags;
use tenure_tests::ledger::Ledger;
use tenure_tests::process::Signal;
use tenure_tests::{Database, Dispatcher, Home, program, wait_until};

const FLAGS: [(&str, u64); 4] = [
    ("restarts", 1000),
    ("population", 100),
    ("seed", 1),
    ("postgres", 0),
];

/// How long a dispatcher lives after it was ready, at most.
const LIFE: Duration = Duration::from_millis(300);

/// How long a worker lives, at most; on average half of it.
const WORK_MILLIS: u32 = 20_000;

/// Every limit at the first end, so that each task has one run that tells; but being claimed in vain by
/// a dispatcher that is killed then may come as often as chance wants.
const LIMITS: &str =
    "[defaults]\nmax_failures = 1\nmax_defers = 1\nmax_lost = 1\nmax_benign = 1000";

/// Workers that live now.
const LIVING: &str = "SELECT count(*) FROM runs WHERE pid IS NOT NULL AND ended_at IS NULL";

/// Tasks that are not at rest.
const MOVING: &str = "SELECT count(*) FROM tasks WHERE status IN ('scheduled', 'ready', 'running')";

fn main() -> ExitCode {
    let flags = match Flags::given(&FLAGS) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let (restarts, population) = (flags.get("restarts"), flags.get("population"));
    let seed = flags.get("seed");
    let began = Instant::now();
    let database = Database::of_flag(flags.get("postgres"));
    let mut show = Show::open(database, seed, population);
    for number in 0..restarts {
        show.fill();
        thread::sleep(LIFE.mul_f64(show.random.random()));
        show.restart(number);
    }
    let wrong = show.close();
    show.print(seed, restarts, began, &wrong);
    ExitCode::from(u8::from(!wrong.is_empty()))
}

/// All that is going on.
struct Show {
    /// Dropped before its home, where its log is.
    dispatcher: Dispatcher,
    home: Home,
    ledger: Ledger,
    random: StdRng,
    population: i64,
    /// How long each restart took, and how many workers lived meanwhile.
    restarts: Vec<(Duration, i64)>,
}

impl Show {
    fn open(database: Database, seed: u64, population: u64) -> Self {
        let population = i64::try_from(population).expect("a population");
        // More than the population, so that those that end before the restart leave enough.
        let slots = population * 3 / 2;
        let config = format!("[dispatcher]\nslots = {slots}\non_stop = 'detach'\n{LIMITS}");
        let home = database.home_with(&config);
        let dispatcher = home.serve();
        let ledger = Ledger::of(&home);
        Self {
            home,
            dispatcher,
            ledger,
            random: StdRng::seed_from_u64(seed),
            population,
            restarts: Vec::new(),
        }
    }

    /// Waits until the population lives, and adds tasks as they are used up.
    fn fill(&mut self) {
        wait_until("the population lives", || {
            if self.ledger.number(MOVING) < self.population * 2 {
                self.submit();
            }
            (self.ledger.number(LIVING) >= self.population * 5 / 4).then_some(())
        });
    }

    fn submit(&mut self) {
        let batch = batch(&mut self.random, self.population);
        let file = self.home.write("work/tasks.toml", &batch);
        let submit = ["submit", &file.display().to_string()];
        let _ = self.home.tenure(&submit).ok();
    }

    fn restart(&mut self, number: u64) {
        let living = self.ledger.number(LIVING);
        let began = match number % 3 {
            0 => {
                self.dispatcher.crash();
                self.launch_again()
            }
            1 => {
                self.dispatcher.signal(Signal::TERM);
                let code = self.dispatcher.ended();
                assert_eq!(code, Some(0), "{}", self.dispatcher.log());
                self.launch_again()
            }
            _ => {
                let now = Instant::now();
                self.dispatcher.signal(Signal::USR2);
                now
            }
        };
        self.dispatcher.until_ready();
        self.restarts.push((began.elapsed(), living));
    }

    fn launch_again(&mut self) -> Instant {
        let now = Instant::now();
        self.dispatcher.launch_again(&self.home);
        now
    }

    /// Lets everything come to its end; what is wrong then.
    fn close(&mut self) -> Vec<String> {
        wait_until("every task is at rest", || {
            (self.ledger.number(MOVING) == 0).then_some(())
        });
        let mut wrong = self.ledger.contradictions();
        wrong.extend(self.mistold());
        wrong.extend(doubled(&self.home.read("effects")));
        self.dispatcher.signal(Signal::TERM);
        assert_eq!(self.dispatcher.ended(), Some(0));
        let left = self.ledger.left(&self.home);
        wrong.extend(left.iter().map(|left| format!("left over: {left}")));
        wrong
    }

    /// Ends that are not what their worker was told.
    fn mistold(&mut self) -> Vec<String> {
        let ends = self.ledger.pairs(
            "SELECT t.title, r.outcome || ': ' || r.reason FROM tasks t JOIN runs r ON r.task_id = t.id
             WHERE r.outcome <> 'never_started'",
        );
        let tasks = self.ledger.number("SELECT count(*) FROM tasks");
        let mut wrong: Vec<String> = ends
            .iter()
            .filter(|(told, recorded)| told != recorded)
            .map(|(told, recorded)| format!("told {told:?}, recorded {recorded:?}"))
            .collect();
        if i64::try_from(ends.len()) != Ok(tasks) {
            wrong.push(format!("{} ends of {tasks} workers", ends.len()));
        }
        wrong
    }

    fn print(&mut self, seed: u64, restarts: u64, began: Instant, wrong: &[String]) {
        let [workers, adopted, in_vain, unknown] = [
            "SELECT count(*) FROM tasks",
            "SELECT count(*) FROM events WHERE kind = 'adopted'",
            "SELECT count(*) FROM runs WHERE outcome = 'never_started'",
            "SELECT count(*) FROM runs WHERE outcome = 'lost'",
        ]
        .map(|query| self.ledger.number(query));
        let mut times: Vec<Duration> = self.restarts.iter().map(|(time, _)| *time).collect();
        times.sort_unstable();
        let longest = times.last().copied().unwrap_or_default();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let living = self.restarts.iter().map(|(_, living)| *living);
        println!(
            "seed {seed}: {restarts} restarts over {} to {} living workers of {workers}, {adopted} adoptions, {in_vain} claims in vain; \
             ready after p50 {median:.1?}, at most {longest:.1?}; {unknown} unknown, {} wrong; {:.1} s",
            living.clone().min().unwrap_or_default(),
            living.max().unwrap_or_default(),
            wrong.len(),
            began.elapsed().as_secs_f64(),
        );
        for problem in wrong {
            println!("  {problem}");
        }
    }
}

/// Workers, each with its end in its title.
fn batch(random: &mut StdRng, count: i64) -> String {
    let worker = program::worker().display().to_string();
    let mut text = String::new();
    for _ in 0..count {
        let code: u8 = random.random_range(1..60);
        let (title, end) = match random.random_range(0..7) {
            0 => ("completed: exit 0".to_owned(), String::new()),
            1 => (
                format!("failed: exit {code}"),
                format!(", 'exit', '{code}'"),
            ),
            2 => (
                format!("completed: word {code}"),
                format!(", 'complete', 'word {code}'"),
            ),
            3 => (
                format!("completed: word {code}"),
                format!(", 'complete', 'word {code}', 'exit', '{code}'"),
            ),
            4 => (
                format!("failed: word {code}"),
                format!(", 'fail', 'word {code}'"),
            ),
            5 => (
                "crashed: killed by signal 9".to_owned(),
                ", 'signal', '9'".to_owned(),
            ),
            _ => (
                "deferred: exit 75: try later".to_owned(),
                ", 'exit', '75'".to_owned(),
            ),
        };
        let pause = random.random_range(0..WORK_MILLIS);
        let _ = writeln!(
            text,
            "[[task]]\ntitle = '{title}'\ncommand = ['{worker}', 'append', 'effects', '{{TENURE_TASK_ID}}', 'sleep', '{pause}'{end}]"
        );
    }
    text
}

/// Tasks whose effect is there more than once.
fn doubled(effects: &str) -> Vec<String> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for task in effects.lines() {
        *counts.entry(task).or_default() += 1;
    }
    counts
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(task, count)| format!("task {task} had its effect {count} times"))
        .collect()
}
