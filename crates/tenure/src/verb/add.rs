//! `add`: one task, from flags; by a person, or by a worker that fans out.

use tenure_guard::TaskId;
use tenure_store::add::Added;
use tenure_store::task::{NewTask, Parent};

use crate::cli::{Add, Global};
use crate::config::{absolute, cwd};
use crate::failure::Failure;
use crate::offered;
use crate::place::{self, Place};
use crate::verb::block_on;
use crate::{output, task_file, worker};

/// Adds it, and tells the dispatchers.
pub fn run(global: &Global, args: Add) -> Result<(), Failure> {
    let json = args.json;
    let task = task(args)?;
    tenure_store::validate::check_all(std::slice::from_ref(&task))?;
    let added = if worker::is_inside(global) {
        worker::add(global, &task)?
    } else {
        block_on(by_person(global, task))?
    };
    if json {
        output::json(&added)
    } else {
        output::line(added.id)
    }
}

async fn by_person(global: &Global, task: NewTask) -> Result<Added, Failure> {
    let place = Place::find(global)?;
    // A typo in a profile's name should not leave a new store behind.
    let offered = match place.read().await? {
        Some(store) => offered::at(&store, &place.config).await?,
        None => offered::by_configuration(&place.config),
    };
    offered.check(&task).map_err(Failure::usage)?;
    let store = place.open().await?;
    let added = store.add(task).await?;
    place::poke(&store).await;
    Ok(added)
}

fn task(args: Add) -> Result<NewTask, Failure> {
    let command = (!args.command.is_empty()).then_some(args.command);
    let work = task_file::work(command, args.assignee)
        .map_err(|problem| Failure::usage(format!("{problem} (the command stands after --)")))?;
    let limits = args.limits.into();
    tenure_store::life::LimitsLayer::validate(&limits).map_err(|error| {
        let flag = error.key.split('.').next().unwrap_or_default();
        Failure::usage(format!("--{}: {error}", flag.replace('_', "-")))
    })?;
    let times = crate::schedule::Said {
        not_before: args.not_before,
        delay: args.delay,
        every: args.every,
        cron: args.cron,
        time_zone: args.time_zone,
        overlap: args.overlap,
        catch_up: args.catch_up,
    };
    let folder = cwd()?;
    let cwd = args
        .cwd
        .map_or_else(|| folder.clone(), |path| absolute(&folder, &path));
    let tasks = |ids: Vec<TaskId>| ids.into_iter().map(Parent::Task).collect();
    let limit_key = task_file::limit_key(args.limit_key, args.limit).map_err(Failure::usage)?;
    Ok(NewTask {
        title: args.title,
        body: args.body,
        after: tasks(args.after),
        after_any_end: tasks(args.after_any_end),
        after_failure: tasks(args.after_failure),
        limit_key,
        priority: args.priority,
        skills: args.skills,
        requires: args.requires,
        not_before: times.not_before().map_err(Failure::usage)?,
        recurrence: times.recurrence().map_err(Failure::usage)?,
        env: args.env.into_iter().collect(),
        key: args.key,
        limits,
        created_by: place::by(),
        ..NewTask::new(work, cwd)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    #[test]
    fn a_command_or_an_assignee_but_never_both_or_neither() {
        let with = |command: &[&str], assignee: Option<&str>| {
            task(Add {
                command: command.iter().map(ToString::to_string).collect(),
                assignee: assignee.map(str::to_owned),
                ..Add::default()
            })
        };
        assert!(with(&["true"], None).is_ok());
        assert!(with(&[], Some("a")).is_ok());
        for wrong in [
            with(&["true"], Some("a")),
            with(&[], None),
            with(&[""], None),
        ] {
            assert_eq!(wrong.unwrap_err().code, Code::Usage);
        }
    }
}
