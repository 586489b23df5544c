//! What a task must be to be taken. Pure; each refusal names the field, the value and the way out.

use tenure_guard::env::PREFIX;

use crate::error::Error;
use crate::task::{NewTask, Parent, SHELL, Work};

/// The most that one text of a task may hold, in bytes. It is kept in the store and handed to the
/// worker, so it is meant for pages, not for files.
const TEXT: usize = 1024 * 1024;

/// The most tasks of one submission: it is one transaction, and others wait for it.
const SUBMISSION: usize = 10_000;

/// Whether tasks can be taken together, as far as the tasks alone say. The store asks the same; this
/// is for whoever wants to know before there is a store.
///
/// # Errors
/// The first thing that is wrong with them.
pub fn check_all(tasks: &[NewTask]) -> Result<(), Error> {
    order(tasks).map(|_| ())
}

/// The order in which a submission can be written, parents first; otherwise as given.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn order(tasks: &[NewTask]) -> Result<Vec<usize>, Error> {
    if tasks.len() > SUBMISSION {
        return invalid(format!(
            "{} tasks are too many for one submission: split it, {SUBMISSION} at most",
            tasks.len()
        ));
    }
    for (place, task) in tasks.iter().enumerate() {
        check(task, place, tasks.len()).map_err(|problem| {
            Error::Invalid(match (tasks.len(), &task.name) {
                // There is no other that could be meant.
                (1, None) => problem,
                (_, _) => format!("{}: {problem}", called(task, place)),
            })
        })?;
    }
    topological(tasks)
}

fn invalid<T>(problem: String) -> Result<T, Error> {
    Err(Error::Invalid(problem))
}

/// What to call a task that has no id yet.
fn called(task: &NewTask, place: usize) -> String {
    match &task.name {
        Some(name) => format!("task {name:?}"),
        None => format!("task number {}", place + 1),
    }
}

fn check(task: &NewTask, place: usize, siblings: usize) -> Result<(), String> {
    check_text("title", task.title.as_deref().unwrap_or("-"))?;
    if task
        .title
        .as_deref()
        .is_some_and(|title| title.trim().is_empty())
    {
        return Err("title is empty: leave it out, or say what the task is about".into());
    }
    check_text("body", &task.body)?;
    check_work(&task.work)?;
    for (parent, kind) in task.parents() {
        if let Parent::Sibling(sibling) = parent {
            check_sibling(sibling, place, siblings)?;
        }
        if task
            .parents()
            .any(|(other, another)| other == parent && another != kind)
        {
            return Err(format!(
                "{} is named by two of after, after_any_end and after_failure: keep one of them",
                match parent {
                    Parent::Task(id) => format!("task {id}"),
                    Parent::Sibling(sibling) => format!("task number {}", sibling + 1),
                }
            ));
        }
    }
    if let Some(limit) = &task.limit_key {
        check_word("limit_key", &limit.key)?;
        if limit.limit == 0 {
            return Err("limit is 0, which would run nothing: at least 1 is expected".into());
        }
    }
    for skill in &task.skills {
        check_word("skills", skill)?;
    }
    for label in &task.requires {
        check_word("requires", label)?;
    }
    let cwd = task
        .cwd
        .to_str()
        .ok_or_else(|| format!("cwd {} is not UTF-8", task.cwd.display()))?;
    check_text("cwd", cwd)?;
    if !task.cwd.is_absolute() {
        return Err(format!("cwd {cwd:?} is relative: an absolute path is kept"));
    }
    for (name, value) in &task.env {
        check_variable(name, value)?;
    }
    if let Some(key) = &task.key {
        check_word("key", key)?;
    }
    if let Some(recurrence) = &task.recurrence {
        recurrence
            .times
            .check()
            .map_err(|error| error.to_string())?;
    }
    task.limits.validate().map_err(|error| error.to_string())
}

/// What every database takes, and a worker can be given.
fn check_text(field: &str, text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err(format!("{field} contains a NUL character: take it out"));
    }
    if text.len() > TEXT {
        return Err(format!(
            "{field} has {} bytes; {TEXT} at most are kept: write the rest to a file and name it",
            text.len()
        ));
    }
    Ok(())
}

fn check_word(field: &str, word: &str) -> Result<(), String> {
    if word.is_empty() {
        return Err(format!("{field} holds an empty text: leave it out"));
    }
    check_text(field, word)
}

fn check_work(work: &Work) -> Result<(), String> {
    match work {
        Work::Command(argv) => {
            match argv.first() {
                None => {
                    return Err("command is empty: a program and its arguments are expected".into());
                }
                Some(program) => check_word("command", program)?,
            }
            argv.iter()
                .try_for_each(|argument| check_text("command", argument))
        }
        Work::Assignee(profile) if profile == SHELL => Err(format!(
            "assignee {SHELL:?} is reserved for tasks with a command of their own: give a command instead"
        )),
        Work::Assignee(profile) => check_word("assignee", profile),
    }
}

fn check_sibling(sibling: usize, place: usize, siblings: usize) -> Result<(), String> {
    if sibling == place {
        return Err("after names the task itself, which is a cycle: take it out".into());
    }
    if sibling >= siblings {
        return Err(format!(
            "after names task {} of a submission of {siblings}",
            sibling + 1
        ));
    }
    Ok(())
}

fn check_variable(name: &str, value: &str) -> Result<(), String> {
    if name.starts_with(PREFIX) {
        return Err(format!(
            "env sets {name}, but {PREFIX}* is Tenure's alone: choose another name"
        ));
    }
    if name.is_empty() || name.contains('=') {
        return Err(format!(
            "env has the name {name:?}: a name without '=' is expected"
        ));
    }
    check_text("env", name)?;
    check_text("env", value)
}

/// Parents first. Takes the earliest task whose parents are all taken, again and again; what is
/// left then is a circle, or waits for one.
fn topological(tasks: &[NewTask]) -> Result<Vec<usize>, Error> {
    let parents: Vec<Vec<usize>> = tasks.iter().map(siblings).collect();
    let mut children = vec![Vec::new(); tasks.len()];
    let mut waits_for: Vec<usize> = parents.iter().map(Vec::len).collect();
    for (place, parents) in parents.iter().enumerate() {
        for parent in parents {
            children[*parent].push(place);
        }
    }
    let mut free: std::collections::BTreeSet<usize> = (0..tasks.len())
        .filter(|place| waits_for[*place] == 0)
        .collect();
    let mut order = Vec::with_capacity(tasks.len());
    while let Some(place) = free.pop_first() {
        order.push(place);
        for child in &children[place] {
            waits_for[*child] -= 1;
            if waits_for[*child] == 0 {
                free.insert(*child);
            }
        }
    }
    match (0..tasks.len()).find(|place| waits_for[*place] > 0) {
        None => Ok(order),
        Some(stuck) => Err(circle(tasks, &parents, &waits_for, stuck)),
    }
}

/// The siblings that a task waits for, each once.
fn siblings(task: &NewTask) -> Vec<usize> {
    let mut siblings: Vec<usize> = task
        .parents()
        .filter_map(|(parent, _)| match parent {
            Parent::Sibling(place) => Some(place),
            Parent::Task(_) => None,
        })
        .collect();
    siblings.sort_unstable();
    siblings.dedup();
    siblings
}

/// Names the circle that a stuck task is in, or waits for: its parents lead there.
fn circle(tasks: &[NewTask], parents: &[Vec<usize>], waits_for: &[usize], stuck: usize) -> Error {
    let mut path = vec![stuck];
    let mut place = stuck;
    let start = loop {
        // Of a stuck task one parent at least is stuck.
        let Some(parent) = parents[place].iter().find(|parent| waits_for[**parent] > 0) else {
            break 0;
        };
        if let Some(start) = path.iter().position(|seen| seen == parent) {
            break start;
        }
        path.push(*parent);
        place = *parent;
    };
    let mut names: Vec<String> = path[start..]
        .iter()
        .map(|place| called(&tasks[*place], *place))
        .collect();
    names.extend(names.first().cloned());
    Error::Invalid(format!(
        "after goes in a cycle: {}: take one of them out",
        names.join(" after ")
    ))
}
