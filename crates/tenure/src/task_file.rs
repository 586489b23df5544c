//! Task files: read whole or not at all. Each error names the file, the task and the value.

mod problem;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tenure_store::life::{CatchUp, Overlap};
use tenure_store::offered::Offered;
use tenure_store::task::{KeyLimit, NewTask, NotBefore, Parent, Work};
use tenure_store::validate;

use crate::config::{absolute, variable_problem};
use crate::failure::Failure;
use crate::limit_keys::with_limit_keys;
use crate::schedule::Said;
use problem::{Problem, label};

/// What a file holds: tasks, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    task: Vec<Entry>,
}

with_limit_keys! {
    /// `[[task]]`
    struct Entry {
        name: Option<String>,
        title: Option<String>,
        body: String,
        command: Option<Vec<String>>,
        assignee: Option<String>,
        after: Vec<String>,
        after_any_end: Vec<String>,
        after_failure: Vec<String>,
        priority: i32,
        skills: Vec<String>,
        requires: Vec<String>,
        limit_key: Option<String>,
        limit: Option<u32>,
        not_before: Option<Time>,
        #[serde(with = "tenure_store::duration::optional")]
        delay: Option<Duration>,
        #[serde(with = "tenure_store::duration::optional")]
        every: Option<Duration>,
        cron: Option<String>,
        time_zone: Option<String>,
        overlap: Option<Overlap>,
        catch_up: Option<CatchUp>,
        cwd: Option<PathBuf>,
        env: BTreeMap<String, String>,
        key: Option<String>,
    }
}

/// A time, with or without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Datetime(toml::value::Datetime),
    Text(String),
}

/// A task file that was found to be well-formed.
#[derive(Debug)]
pub struct TaskFile {
    /// Where it was read from; absolute.
    pub path: PathBuf,
    /// Its tasks, in its order.
    pub tasks: Vec<NewTask>,
}

impl TaskFile {
    /// Reads a file.
    ///
    /// # Errors
    /// A usage error for the first thing that is wrong.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!(
                "the task file {} cannot be read: {error}",
                path.display()
            ))
        })?;
        let absolute = absolute(&crate::config::cwd()?, path);
        let tasks = tasks(&text, absolute.parent().unwrap_or(Path::new("/")))
            .map_err(|message| Failure::usage(message.of_file(path, &text)))?;
        Ok(Self {
            path: absolute,
            tasks,
        })
    }

    /// Checks that somebody could do the tasks.
    ///
    /// # Errors
    /// A usage error that names the task, and what there is instead.
    pub fn check(&self, offered: &Offered) -> Result<(), Failure> {
        for (index, task) in self.tasks.iter().enumerate() {
            offered.check(task).map_err(|problem| {
                let task = label(index, task.name.as_deref());
                Failure::usage(format!("{}: {task}: {problem}", self.path.display()))
            })?;
        }
        Ok(())
    }
}

fn tasks(text: &str, folder: &Path) -> Result<Vec<NewTask>, Problem> {
    let file: File = toml::from_str(text).map_err(Problem::Form)?;
    if file.task.is_empty() {
        return Err(Problem::Sense("there is no [[task]] in it".to_owned()));
    }
    let names = names(&file.task)?;
    let mut tasks = Vec::with_capacity(file.task.len());
    for (index, entry) in file.task.iter().enumerate() {
        let label = label(index, entry.name.as_deref());
        let task = task(entry, folder, &names).map_err(|problem| format!("{label}: {problem}"))?;
        tasks.push(task);
    }
    // Also asked by the store; but a bad file should not leave a new store behind.
    validate::check_all(&tasks).map_err(|error| error.to_string())?;
    Ok(tasks)
}

fn names(entries: &[Entry]) -> Result<HashMap<&str, usize>, String> {
    let mut names = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(name) = entry.name.as_deref() else {
            continue;
        };
        if name.trim().is_empty() {
            return Err(format!(
                "task number {}: name {name:?} is empty: leave it out",
                index + 1
            ));
        }
        if let Some(earlier) = names.insert(name, index) {
            return Err(format!(
                "task {name:?}: the name stands on the tasks number {} and {}: names are unique within a file",
                earlier + 1,
                index + 1
            ));
        }
    }
    Ok(names)
}

fn task(entry: &Entry, folder: &Path, names: &HashMap<&str, usize>) -> Result<NewTask, String> {
    let work = work(entry.command.clone(), entry.assignee.clone())?;
    let siblings = |key: &str, entry: &[String]| -> Result<Vec<Parent>, String> {
        let sibling = |name: &String| match names.get(name.as_str()) {
            Some(&index) => Ok(Parent::Sibling(index)),
            None => Err(format!(
                "{key}: no task of this file has the name {name:?}: give it to one, or leave it out"
            )),
        };
        entry.iter().map(sibling).collect()
    };
    for (name, value) in &entry.env {
        if let Some(problem) = variable_problem(name, value) {
            return Err(format!("env: {problem}"));
        }
    }
    let limits = entry.limits();
    limits.validate().map_err(|error| error.to_string())?;
    let times = Said {
        not_before: entry.not_before.as_ref().map(not_before).transpose()?,
        delay: entry.delay,
        every: entry.every,
        cron: entry.cron.clone(),
        time_zone: entry.time_zone.clone(),
        overlap: entry.overlap,
        catch_up: entry.catch_up,
    };
    let cwd = entry.cwd.as_deref().unwrap_or(Path::new(""));
    Ok(NewTask {
        name: entry.name.clone(),
        title: entry.title.clone(),
        body: entry.body.clone(),
        after: siblings("after", &entry.after)?,
        after_any_end: siblings("after_any_end", &entry.after_any_end)?,
        after_failure: siblings("after_failure", &entry.after_failure)?,
        priority: entry.priority,
        skills: entry.skills.clone(),
        requires: entry.requires.clone(),
        limit_key: limit_key(entry.limit_key.clone(), entry.limit)?,
        not_before: times.not_before()?,
        recurrence: times.recurrence()?,
        env: entry.env.clone(),
        key: entry.key.clone(),
        limits,
        created_by: crate::place::by(),
        ..NewTask::new(work, absolute(folder, cwd))
    })
}

/// A command or an assignee: never both, never neither.
pub fn work(command: Option<Vec<String>>, assignee: Option<String>) -> Result<Work, String> {
    match (command, assignee) {
        (Some(command), Some(assignee)) => Err(format!(
            "it has both the command {command:?} and the assignee {assignee:?}: leave one out"
        )),
        (None, None) => Err("it has neither a command nor an assignee: add one".to_owned()),
        (Some(command), None) => {
            if command.first().is_none_or(String::is_empty) {
                return Err(format!("the command {command:?} is empty: name a program"));
            }
            match command.iter().find(|argument| argument.contains('\0')) {
                Some(argument) => Err(format!(
                    "command: {argument:?} holds a NUL byte, which no argument can"
                )),
                None => Ok(Work::Command(command)),
            }
        }
        (None, Some(assignee)) if assignee == tenure_store::task::SHELL => Err(
            "assignee: \"shell\" runs a task's own command: give the command instead".to_owned(),
        ),
        (None, Some(assignee)) => Ok(Work::Assignee(assignee)),
    }
}

/// How many of those with the same key may run at once; one, where nothing is said.
pub fn limit_key(key: Option<String>, limit: Option<u32>) -> Result<Option<KeyLimit>, String> {
    match (key, limit) {
        (Some(key), limit) => Ok(Some(KeyLimit {
            key,
            limit: limit.unwrap_or(1),
        })),
        (None, Some(limit)) => Err(format!(
            "limit {limit} is of no key: say limit_key too, like \"repo:x\""
        )),
        (None, None) => Ok(None),
    }
}

fn not_before(time: &Time) -> Result<NotBefore, String> {
    let text = match time {
        Time::Datetime(datetime) => datetime.to_string(),
        Time::Text(text) => text.clone(),
    };
    crate::cli::not_before(&text).map_err(|error| format!("not_before: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<NewTask>, String> {
        let path = Path::new("/folder/file.toml");
        tasks(text, Path::new("/folder")).map_err(|problem| problem.of_file(path, text))
    }

    #[test]
    fn a_task_has_the_keys_of_the_design_and_those_of_defaults() {
        let tasks = read(
            r#"
[[task]]
name = "count"
command = ["wc", "-l"]
cwd = "sub"
env = { A = "1" }
key = "k"
[[task]]
title = "Review"
body = "look"
assignee = "reviewer"
after = ["count"]
limit_key = "repo:x"
limit = 2
priority = -3
skills = ["rust"]
requires = ["gpu"]
not_before = 2026-01-31T08:00:00Z
max_failures = 1
max_runtime = "5m"
backoff = { base = "10ms", max = "1s" }
protocol = "report"
"#,
        )
        .unwrap();
        assert_eq!(tasks[0].cwd, Path::new("/folder/sub"));
        assert_eq!(tasks[1].cwd, Path::new("/folder"));
        assert_eq!(tasks[1].after, [Parent::Sibling(0)]);
        assert_eq!(tasks[1].limits.max_failures, Some(1));
        let limit = tasks[1].limit_key.as_ref().unwrap();
        assert_eq!((limit.key.as_str(), limit.limit), ("repo:x", 2));
        assert!(matches!(tasks[1].not_before, Some(NotBefore::At(_))));
    }

    const TASK: &str = "[[task]]\nname = 'a'\ncommand = ['true']\n";

    /// Each text is refused in a message that names the file and has these words.
    fn assert_named(cases: &[(String, &[&str])]) {
        for (text, words) in cases {
            let message = read(text).map(|_| ()).unwrap_err();
            assert!(message.starts_with("/folder/file.toml:"), "{message}");
            for word in *words {
                assert!(
                    message.contains(word),
                    "{text:?}: {word:?} is missing in {message:?}"
                );
            }
        }
    }

    #[test]
    fn a_file_that_does_not_hold_together_is_refused_with_file_and_task() {
        let task = TASK;
        assert_named(&[
            (String::new(), &["no [[task]]"][..]),
            (
                format!("{task}colour = 'red'"),
                &[":4:1:", "colour", "task \"a\""],
            ),
            (
                "[defaults]\nprotocol = 'exit'".to_owned(),
                &["defaults", ":1:"],
            ),
            (format!("{task}after = ['b']"), &["task \"a\"", "\"b\""]),
            (format!("{task}{task}"), &["task \"a\"", "1 and 2"]),
            (
                format!("{task}after_failure = ['b']"),
                &["task \"a\"", "after_failure", "\"b\""],
            ),
            (
                format!("{task}after = ['a']"),
                &["task \"a\"", "itself", "cycle"],
            ),
            (
                format!(
                    "{task}[[task]]\nname = 'b'\ncommand = ['x']\nafter = ['a']\nafter_any_end = ['a']"
                ),
                &["task \"b\"", "two of after"],
            ),
            (
                format!(
                    "{task}after = ['c']\n[[task]]\nname = 'b'\ncommand = ['x']\nafter = ['a']\n[[task]]\nname = 'c'\ncommand = ['x']\nafter = ['b']"
                ),
                &[
                    "cycle",
                    "\"a\" after task \"c\" after task \"b\" after task \"a\"",
                ],
            ),
            (
                format!("{task}assignee = 'x'"),
                &["task \"a\"", "both", "true", "\"x\""],
            ),
            (
                "[[task]]\ntitle = 't'".to_owned(),
                &["task number 1", "neither"],
            ),
            (
                "[[task]]\ncommand = []".to_owned(),
                &["task number 1", "empty"],
            ),
            (
                "[[task]]\nassignee = 'shell'".to_owned(),
                &["task number 1", "shell"],
            ),
        ]);
    }

    #[test]
    fn a_value_that_makes_no_sense_is_named_with_file_task_and_key() {
        let task = TASK;
        assert_named(&[
            (
                format!("{task}env = {{ TENURE_RUN_ID = '1' }}"),
                &["task \"a\"", "TENURE_RUN_ID"],
            ),
            (
                format!("{task}max_failures = 0"),
                &["task \"a\"", "max_failures"],
            ),
            (
                format!("{task}max_runtime = '90'"),
                &["task \"a\"", "max_runtime", "\"90\""],
            ),
            (
                format!("{task}not_before = 'noon'"),
                &["task \"a\"", "not_before", "noon"],
            ),
            (
                format!("{task}max_runtime = 90"),
                &["task \"a\"", "max_runtime", "90", "unit", "90s"],
            ),
            (
                format!("{task}backoff = '2s'"),
                &["task \"a\"", "backoff", "base", "max"],
            ),
            (
                format!("{task}backoff = {{ base = '2s', max = '1s' }}"),
                &["task \"a\"", "backoff.max", "1s", "2s"],
            ),
            (format!("{task}title = ' '"), &["title", "empty"]),
            (
                format!("{task}limit = 2"),
                &["task \"a\"", "limit 2", "limit_key"],
            ),
            (
                format!("{task}limit_key = 'k'\nlimit = 0"),
                &["task \"a\"", "limit is 0"],
            ),
            (format!("{task}key = ''"), &["key", "empty"]),
            (
                format!("{task}not_before = 2026-01-31"),
                &["task \"a\"", "not_before", "2026-01-31"],
            ),
        ]);
    }

    #[test]
    fn a_long_chain_is_no_cycle() {
        let task = |index: usize| {
            let after = index.checked_sub(1).map(|parent| format!("'t{parent}'"));
            let after = after.unwrap_or_default();
            format!("[[task]]\nname = 't{index}'\ncommand = ['true']\nafter = [{after}]\n")
        };
        let text: String = (0..5000).rev().map(task).collect();
        assert_eq!(read(&text).unwrap().len(), 5000);
    }
}
