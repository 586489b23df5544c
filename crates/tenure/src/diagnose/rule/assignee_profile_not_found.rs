//! Tasks name a profile that there is not.

use serde_json::json;

use tenure_store::suspects::WantedProfile;
use tenure_store::task::SHELL;

use super::{Rule, RuleId};
use crate::caller::quoted;
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};

pub const RULE: Rule = Rule {
    id: RuleId::AssigneeProfileNotFound,
    severity: Severity::Error,
    condition: "a task that nobody has started names a profile that no living dispatcher has (where none lives: not in the configuration)",
    look,
};

/// A name this like another is taken for a slip of the hand; less, and the guess would do harm.
const ALIKE: f64 = 0.85;

fn look(facts: &Facts) -> Vec<Matter> {
    let unknown = |wanted: &&WantedProfile| {
        let mut offered = facts.offered.profiles();
        !offered.any(|profile| profile.name == wanted.name) && !is_served_apart(facts, wanted)
    };
    let wanted = facts.suspects.wanted.iter().filter(unknown);
    wanted
        .map(|wanted| {
            let meant = meant(facts, &wanted.name);
            let known: Vec<&str> = known(facts).collect();
            let is_sure = facts.is_offer_known();
            let doubt = if is_sure {
                ""
            } else {
                "; no dispatcher lives that could say whether it has it"
            };
            let evidence = format!(
                "{} has no profile {:?}, which the task names; there are: {}{doubt}",
                facts.offered.by(),
                wanted.name,
                known.join(", ")
            );
            let matter = Matter::new(evidence)
                .task(wanted.first)
                .facts(json!({ "profile": wanted.name, "known": known, "sure": is_sure }));
            match meant {
                Some(meant) => matter.mend(format!(
                    "tenure reassign {} {}",
                    wanted.first,
                    quoted(meant)
                )),
                None if is_sure => matter.mend(format!("tenure cancel {}", wanted.first)),
                None => matter,
            }
        })
        .collect()
}

/// A dispatcher that serves one batch only may have profiles that no other has.
fn is_served_apart(facts: &Facts, wanted: &WantedProfile) -> bool {
    let mut profiles = facts
        .serving
        .iter()
        .flat_map(|one| &one.dispatcher.profiles);
    profiles.any(|profile| profile.name == wanted.name)
}

fn known(facts: &Facts) -> impl Iterator<Item = &str> {
    let mut names: Vec<&str> = facts
        .offered
        .profiles()
        .map(|one| one.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter()
}

/// The profile that was meant, where one is named almost alike. `shell` runs tasks with a command of
/// their own only.
fn meant<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    known(facts)
        .filter(|known| *known != SHELL)
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
