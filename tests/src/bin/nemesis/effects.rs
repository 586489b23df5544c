//! The thing outside on which workers work: it takes an effect only from the highest run of a task that
//! it has seen, as anything must that wants to be safe from a worker that was stopped and goes on.
//!
//! It is reached past every link, so that a worker that is cut off from the store is not cut off from
//! doing harm.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenure_tests::beat;

/// All tasks' effects.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    books: Arc<Mutex<BTreeMap<i64, Book>>>,
}

/// What was taken and refused for one task.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// The highest run that was seen: the fence.
    highest: i64,
    /// When the last effect of each run was taken, on the boot clock.
    pub taken: BTreeMap<i64, u64>,
    /// Whose effect finished the task, a run for each time that one was taken.
    pub finished: Vec<i64>,
    /// How many came from a run below the fence.
    pub refused: u64,
    /// How many effects were taken.
    pub count: u64,
    /// Whose report was durable before its worker went on.
    pub recorded: Vec<i64>,
    /// How many reports a warden kept, to write them when it could.
    pub kept: u64,
}

impl Effects {
    /// Listens at a socket for as long as the program lives.
    pub fn listen(socket: &Path) -> Self {
        let effects = Self::default();
        let listener = UnixListener::bind(socket).expect("a socket of the field can be bound");
        let serving = effects.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(&stream));
            }
        });
        effects
    }

    fn serve(&self, stream: &UnixStream) {
        let mut lines = BufReader::new(stream).lines();
        while let Some(Ok(line)) = lines.next() {
            let mut words = line.split(' ');
            let what = words.next().unwrap_or_default();
            let numbers: Vec<i64> = words.filter_map(|word| word.parse().ok()).collect();
            let answer = match numbers[..] {
                [task, run] => self.take(what, task, run),
                _ => "what?",
            };
            if writeln!(&*stream, "{answer}").is_err() {
                return;
            }
        }
    }

    fn take(&self, what: &str, task: i64, run: i64) -> &'static str {
        let mut books = self.lock();
        let book = books.entry(task).or_default();
        match what {
            "recorded" => book.recorded.push(run),
            "kept" => book.kept += 1,
            "begin" | "effect" | "finish" => return book.take(what, run),
            // Refused, or not answered: nothing follows from it.
            _ => {}
        }
        "noted"
    }

    /// What became of every task so far.
    pub fn books(&self) -> BTreeMap<i64, Book> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// A run that begins, with which the fence rises before it learns whether a run before it finished
    /// the task; or an effect of it.
    fn take(&mut self, what: &str, run: i64) -> &'static str {
        if run < self.highest {
            self.refused += 1;
            return "refused";
        }
        self.highest = run;
        match what {
            "begin" if !self.finished.is_empty() => return "finished",
            "begin" => {}
            "finish" => self.finished.push(run),
            _ => {}
        }
        self.taken.insert(run, beat::now());
        self.count += 1;
        "taken"
    }
}
