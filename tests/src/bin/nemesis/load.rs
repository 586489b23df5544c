//! The tasks: there are always more than the hosts can run at once.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tenure_tests::{Said, program};

use crate::place::Place;

/// How many are added at once.
const BATCH: u64 = 12;

/// Adds tasks, each with a key, so that a batch whose answer was lost is added once.
#[derive(Debug)]
pub struct Load {
    folder: PathBuf,
    url: String,
    effects: PathBuf,
    lives: PathBuf,
    random: StdRng,
    /// The keys that are used up.
    keys: u64,
    /// The batch that was not acknowledged yet.
    pending: Option<String>,
    /// How many tasks were acknowledged.
    pub added: u64,
}

impl Load {
    /// Adds to the store at `url`.
    pub fn new(place: &Place, url: String, effects: PathBuf, lives: PathBuf, seed: u64) -> Self {
        Self {
            folder: place.folder("operator"),
            url,
            effects,
            lives,
            random: StdRng::seed_from_u64(seed),
            keys: 0,
            pending: None,
            added: 0,
        }
    }

    /// Adds a batch; `false` where the store did not take it now.
    pub fn add(&mut self) -> bool {
        let batch = match self.pending.take() {
            Some(batch) => batch,
            None => self.batch(),
        };
        let is_added = self.submit(&batch, BATCH);
        if !is_added {
            self.pending = Some(batch);
        }
        is_added
    }

    /// Adds one task that does nothing, before all others.
    pub fn add_probe(&mut self) -> bool {
        self.keys += 1;
        let worker = program::worker().display().to_string();
        let probe = format!(
            "[[task]]\ntitle = 'probe'\nkey = 'k{}'\npriority = 9\ncommand = ['{worker}']\n",
            self.keys
        );
        self.submit(&probe, 1)
    }

    fn submit(&mut self, batch: &str, count: u64) -> bool {
        let file = self.folder.join("tasks.toml");
        std::fs::write(&file, batch).expect("a file of the field can be written");
        let mut submit = Command::new(program::tenure());
        submit
            .args(["--db", &self.url, "submit"])
            .arg(&file)
            .env_clear()
            .env("HOME", &self.folder)
            .current_dir(&self.folder);
        let is_added = Said::by(&mut submit).code == 0;
        if is_added {
            self.added += count;
        }
        is_added
    }

    /// Workers that heed nobody: some ignore SIGTERM, some leave a process in a session of its own.
    fn batch(&mut self) -> String {
        let worker = program::worker().display().to_string();
        let (effects, lives) = (self.effects.display(), self.lives.display());
        let mut text = String::new();
        for _ in 0..BATCH {
            self.keys += 1;
            let key = self.keys;
            let stubborn = if self.random.random() {
                "'ignore-term', "
            } else {
                ""
            };
            let haunted = if self.random.random_range(0..4) == 0 {
                format!(
                    "'orphan', 'ignore-term', 'fenced', '{effects}', '{lives}', '60000', 'haunt', 'end', "
                )
            } else {
                String::new()
            };
            let millis = match self.random.random_range(0..10) {
                0..7 => self.random.random_range(100..3000),
                _ => self.random.random_range(3000..15_000),
            };
            let end = if self.random.random_range(0..4) == 0 {
                "exit"
            } else {
                "report"
            };
            let _ = writeln!(
                text,
                "[[task]]\nkey = 'k{key}'\ncommand = ['{worker}', {haunted}{stubborn}'fenced', '{effects}', '{lives}', '{millis}', '{end}']"
            );
        }
        text
    }
}
