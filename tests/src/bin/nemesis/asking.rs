//! People on the hosts, who ask the store how it is, whatever fails: whether each gets an answer, or a
//! refusal, before a call to the store may hang.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tenure_tests::home::PATH;
use tenure_tests::{Said, program};

use crate::link::Link;
use crate::server::Server;

/// How often each asks.
const EVERY: Duration = Duration::from_millis(500);

/// How long a verb may take: it connects, looks twice at what is there, and reads once. Each of these has
/// 3 s; the rest is for a busy machine to start and end the program.
pub const LIMIT: Duration = Duration::from_secs(4 * 3 + 2);

/// Who asks.
#[derive(Debug)]
pub struct Asking {
    is_over: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<Duration>>>,
    people: Vec<JoinHandle<()>>,
}

impl Asking {
    /// Somebody on each host begins to ask.
    pub fn begin<'a>(home: &Path, links: impl Iterator<Item = &'a Link>) -> Self {
        let mut asking = Self {
            is_over: Arc::default(),
            took: Arc::default(),
            people: Vec::new(),
        };
        for link in links {
            let enter = format!("--net={}", link.network().display());
            let url = Server::url(&link.server());
            let home = home.to_owned();
            let (is_over, took) = (Arc::clone(&asking.is_over), Arc::clone(&asking.took));
            asking.people.push(thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let mut ask = Command::new("nsenter");
                    ask.arg(&enter).arg("--").arg(program::tenure());
                    ask.args(["--db", &url, "list", "--json"]);
                    ask.env_clear().env("PATH", PATH).env("HOME", &home);
                    let began = Instant::now();
                    let _ = Said::by(&mut ask);
                    let mut all = took.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(began.elapsed());
                    drop(all);
                    thread::sleep(EVERY);
                }
            }));
        }
        asking
    }

    /// They go; how long each answer took.
    pub fn end(&mut self) -> Vec<Duration> {
        self.is_over.store(true, Ordering::Relaxed);
        for person in self.people.drain(..) {
            person.join().expect("somebody who asks goes in the end");
        }
        std::mem::take(&mut *self.took.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
