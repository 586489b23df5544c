//! `submit`: the tasks of a file, all or none.

use serde::Serialize;
use tenure_guard::TaskId;
use tenure_store::Store;
use tenure_store::add::Submitted;

use crate::cli::{Global, Submit};
use crate::failure::Failure;
use crate::offered;
use crate::output;
use crate::place::{self, Place};
use crate::task_file::TaskFile;

/// Submits it, and tells the dispatchers.
pub async fn run(global: &Global, args: &Submit) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let file = TaskFile::read(&args.file)?;
    let offered = match place.read().await? {
        Some(store) => offered::at(&store, &place.config).await?,
        None => offered::by_configuration(&place.config),
    };
    file.check(&offered)?;
    let store = place.open().await?;
    let submitted = submit(&store, &file).await?;
    place::poke(&store).await;
    if args.json {
        return output::json(&Shape::of(&file, &submitted));
    }
    for task in &submitted.tasks {
        output::line(task.id)?;
    }
    Ok(())
}

/// Hands a file's tasks to the store.
pub async fn submit(store: &Store, file: &TaskFile) -> Result<Submitted, Failure> {
    let source = file.path.display().to_string();
    Ok(store.submit(&source, file.tasks.clone()).await?)
}

/// `submit --json`
#[derive(Serialize)]
struct Shape<'a> {
    tasks: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: Option<&'a str>,
    id: TaskId,
    created: bool,
}

impl<'a> Shape<'a> {
    fn of(file: &'a TaskFile, submitted: &Submitted) -> Self {
        let pairs = file.tasks.iter().zip(&submitted.tasks);
        let row =
            |(task, added): (&'a tenure_store::task::NewTask, &tenure_store::add::Added)| Row {
                name: task.name.as_deref(),
                id: added.id,
                created: added.created,
            };
        Self {
            tasks: pairs.map(row).collect(),
        }
    }
}
