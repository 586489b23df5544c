//! `reassign`: gives tasks to another profile, which must offer what each requires.

use tenure_guard::TaskId;
use tenure_store::Store;
use tenure_store::offered::{Needs, Offered};
use tenure_store::person::{Earnest, Wish};

use crate::cli::{Global, Reassign};
use crate::failure::Failure;
use crate::offered;
use crate::place::Place;
use crate::verb::wish::{Want, carry_out_if, row};

/// Gives them.
pub async fn run(global: &Global, args: Reassign) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let store = place.read_about(args.ids[0]).await?;
    let offered = offered::at(&store, &place.config).await?;
    // Where there is no such profile it is nobody's to have, whatever the tasks are.
    offered
        .check_profile(&args.profile)
        .map_err(Failure::usage)?;
    let profile = args.profile.clone();
    let want = Want {
        wish: Wish::Reassign {
            profile: args.profile,
            reclaim: args.reclaim,
        },
        ids: args.ids,
        reason: args.reason,
        json: args.json,
        earnest: Earnest::Do,
        patience: Some(args.patience),
    };
    let is_able = async |store: &Store, id| can(store, &offered, &profile, id).await;
    carry_out_if(global, want, is_able).await
}

/// Whether somebody who is such a profile can do a task.
async fn can(store: &Store, offered: &Offered, profile: &str, id: TaskId) -> Result<(), Failure> {
    let task = row(store, id).await?;
    let needs = Needs {
        skills: &task.skills,
        labels: &task.requires,
    };
    let able = offered.check_work(profile, needs);
    able.map_err(|why| Failure::usage(format!("task {id}: {why}")))
}
