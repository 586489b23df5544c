//! `reassign`: gives a task to another profile, which must offer what the task requires.

use tenure_store::offered::Needs;
use tenure_store::person::{Earnest, Wish};

use crate::cli::{Global, Reassign};
use crate::failure::Failure;
use crate::offered;
use crate::place::Place;
use crate::verb::wish::{Want, carry_out, row};

/// Gives it.
pub async fn run(global: &Global, args: Reassign) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let store = place.read_about(args.id).await?;
    let task = row(&store, args.id).await?;
    let offered = offered::at(&store, &place.config).await?;
    offered
        .check_work(
            &args.profile,
            Needs {
                skills: &task.skills,
                labels: &task.requires,
            },
        )
        .map_err(Failure::usage)?;
    let want = Want {
        wish: Wish::Reassign {
            profile: args.profile,
            reclaim: args.reclaim,
        },
        ids: vec![args.id],
        reason: args.reason,
        json: args.json,
        earnest: Earnest::Do,
        patience: Some(args.patience),
    };
    carry_out(global, want).await
}
