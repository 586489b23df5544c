//! Tasks that wait for each other in a circle: found before any of them is submitted, because none
//! could ever start.

use tenure_store::task::{NewTask, Parent};

/// The tasks of one cycle, in its order and with the first one again at the end.
pub(super) fn cycle(tasks: &[NewTask]) -> Option<Vec<usize>> {
    /// Where the walk stands with a task.
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let mut marks = vec![Mark::New; tasks.len()];
    for start in 0..tasks.len() {
        // Not recursive: a chain may be as long as the file.
        let mut path = vec![(start, 0)];
        while let Some((task, next)) = path.last_mut() {
            if *next == 0 {
                if marks[*task] == Mark::Done {
                    path.pop();
                    continue;
                }
                marks[*task] = Mark::OnPath;
            }
            let Some(parent) = tasks[*task].after.get(*next) else {
                marks[*task] = Mark::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match parent {
                Parent::Sibling(parent) if marks[*parent] == Mark::OnPath => {
                    let parent = *parent;
                    let from = path.iter().position(|(task, _)| *task == parent)?;
                    let mut found: Vec<usize> =
                        path[from..].iter().map(|(task, _)| *task).collect();
                    found.push(parent);
                    return Some(found);
                }
                Parent::Sibling(parent) => path.push((*parent, 0)),
                Parent::Task(_) => {}
            }
        }
    }
    None
}
