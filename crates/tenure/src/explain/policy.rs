//! The policies in force for a task, each with where its value came from: the task, its profile and
//! `[defaults]` as a living dispatcher published them, else as the own configuration has them.

use tenure_store::dispatcher::PublishedProfile;
use tenure_store::life::{Origin, Traced, trace};
use tenure_store::read::{Situation, Stored};

/// The policies that the task's next run would have.
pub fn policies(situation: &Situation, own: &[PublishedProfile]) -> Vec<Traced> {
    let task = &situation.task;
    let published = published(situation, own).unwrap_or_default();
    let said = |key: &str, value: String, origin| Traced {
        key: key.to_owned(),
        value,
        origin,
    };
    let layers = [
        (&task.limits, Origin::Task),
        (&published.limits, Origin::Profile),
        (&published.defaults, Origin::Defaults),
    ];
    let [own_limits, profile, defaults] =
        layers.map(|(layer, _)| layer.known().cloned().unwrap_or_default());
    let mut policies = trace(&own_limits, &profile, &defaults);
    for (layer, origin) in layers {
        // Of what a newer program wrote only that is known which it wrote.
        if let Stored::Foreign(limits) = layer {
            policies.push(said("limits", limits.to_string(), origin));
        }
    }
    let cap = published.max_running;
    policies.extend(cap.map(|cap| said("max_running", cap.to_string(), Origin::Profile)));
    let key = task.limit_key.clone();
    policies.extend(key.map(|key| said("limit_key", key, Origin::Task)));
    let limit = task.limit;
    policies.extend(limit.map(|limit| said("limit", limit.to_string(), Origin::Task)));
    policies
}

/// Whether its open run was begun with others: what was resolved then holds until it closes.
pub fn differ_from_run(situation: &Situation, own: &[PublishedProfile]) -> bool {
    let task = &situation.task;
    let published = published(situation, own).unwrap_or_default();
    let (Stored::Known(own), Stored::Known(profile), Stored::Known(defaults)) =
        (&task.limits, published.limits, published.defaults)
    else {
        return false;
    };
    let limits = own.clone().over(profile).over(defaults).resolve();
    situation
        .runs
        .first()
        .is_some_and(|run| Some(run.run_id) == task.current_run_id && run.limits != limits)
}

fn published(situation: &Situation, own: &[PublishedProfile]) -> Option<PublishedProfile> {
    let living = situation.dispatchers.iter();
    let mut published = living.flat_map(|serving| &serving.dispatcher.profiles);
    let is_its = |profile: &&PublishedProfile| profile.name == situation.task.assignee;
    published
        .find(is_its)
        .or_else(|| own.iter().find(is_its))
        .cloned()
}
