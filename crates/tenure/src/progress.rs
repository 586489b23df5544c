//! What people see while a batch runs: a bar on a terminal, else a line for each task that came to
//! rest.

use indicatif::{ProgressBar, ProgressStyle};
use tenure_store::life::TaskStatus;
use tenure_store::read::TaskRow;

use crate::{escape, output};

/// The longest title in a line.
const TITLE_CHARS: usize = 60;

/// Shows how far a batch is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Nothing has come to rest yet. On something else than a terminal the bar draws nothing.
    pub fn of(total: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    /// The bar, for logs that are written beside it.
    pub fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// A task came to rest, as one of `resting` among all that there are by now.
    pub fn rested(&self, task: &TaskRow, resting: usize, total: usize) {
        let line = format!("[{resting}/{total}] {} {}", task.status, described(task));
        if self.bar.is_hidden() {
            output::message(&line);
        } else {
            self.bar.println(line);
        }
        self.bar
            .set_length(u64::try_from(total).unwrap_or(u64::MAX));
        self.bar
            .set_position(u64::try_from(resting).unwrap_or(u64::MAX));
    }

    /// What runs now.
    pub fn running<'a>(&self, tasks: impl Iterator<Item = &'a TaskRow>) {
        let running = tasks.filter(|task| task.status == TaskStatus::Running);
        let names: Vec<String> = running.map(short_name).collect();
        self.bar.set_message(names.join(", "));
    }

    /// A message for people.
    pub fn say(&self, message: &str) {
        self.bar
            .suspend(|| output::message(format_args!("tenure: {message}")));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A task in a few words: id, name, and the title where it says more.
pub fn described(task: &TaskRow) -> String {
    let title = escape::short(&task.title, TITLE_CHARS);
    match task.name.as_deref() {
        Some(name) => format!("{} {} ({title})", task.id, escape::line(name)),
        None => format!("{} {title}", task.id),
    }
}

fn short_name(task: &TaskRow) -> String {
    escape::short(task.name.as_deref().unwrap_or(&task.title), TITLE_CHARS / 3)
}
