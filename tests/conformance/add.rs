//! Adding tasks: whole or not at all, once for each key.

use tenure_store::life::TaskStatus;

use crate::world::{World, exit, on_both, task};

on_both!(a_task_goes_all_the_way);

async fn a_task_goes_all_the_way(world: World) {
    let id = world.add(task()).await;
    assert_eq!(world.status(id).await, TaskStatus::Ready);
    let ended = world.run_to(exit(0)).await;
    assert_eq!(ended.status, TaskStatus::Done);
    assert_eq!(world.status(id).await, TaskStatus::Done);
}
