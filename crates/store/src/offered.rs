//! Which profiles and skills there are, so that a typo in a task is an error and not a task that waits
//! for ever. Pure; who asks decides whose profiles count.

use crate::dispatcher::{Dispatcher, PublishedProfile};
use crate::ids::BatchId;
use crate::task::NewTask;

/// The profiles on offer.
#[derive(Clone, Debug)]
pub struct Offered {
    profiles: Vec<PublishedProfile>,
    by: &'static str,
}

impl Offered {
    /// What these say, in whose name messages speak: "the configuration".
    pub fn new(profiles: Vec<PublishedProfile>, by: &'static str) -> Self {
        Self { profiles, by }
    }

    /// What the dispatchers offer that would take a task of this batch, or of none; nothing where none
    /// of them would, and so nobody knows.
    pub fn by_living(living: Vec<Dispatcher>, batch: Option<BatchId>) -> Option<Self> {
        // Who serves one batch only takes nothing else.
        let open: Vec<Dispatcher> = living
            .into_iter()
            .filter(|one| one.batch.is_none() || one.batch == batch)
            .collect();
        (!open.is_empty()).then(|| Self {
            profiles: open.into_iter().flat_map(|one| one.profiles).collect(),
            by: "a living dispatcher",
        })
    }

    /// The profiles; one of a name for each dispatcher that has it.
    pub fn profiles(&self) -> &[PublishedProfile] {
        &self.profiles
    }

    /// Who says so.
    pub fn by(&self) -> &'static str {
        self.by
    }

    /// Checks that somebody could do a task.
    ///
    /// # Errors
    /// What is missing, and what there is instead.
    pub fn check(&self, task: &NewTask) -> Result<(), String> {
        self.check_work(task.work.profile(), &task.skills)
    }

    /// Checks that there is such a profile.
    ///
    /// # Errors
    /// Which there are.
    pub fn check_profile(&self, profile: &str) -> Result<(), String> {
        self.check_work(profile, &[])
    }

    /// Checks that somebody who is such a profile has all these skills.
    ///
    /// # Errors
    /// What is missing, and what there is instead.
    pub fn check_work(&self, profile: &str, skills: &[String]) -> Result<(), String> {
        let named: Vec<_> = self
            .profiles
            .iter()
            .filter(|known| known.name == profile)
            .collect();
        if named.is_empty() {
            let known = words(self.profiles.iter().map(|known| known.name.as_str()));
            return Err(format!(
                "assignee: {} has no profile {profile:?}; there are: {known}",
                self.by
            ));
        }
        let has_all =
            |known: &&PublishedProfile| skills.iter().all(|skill| known.skills.contains(skill));
        if named.iter().any(has_all) {
            return Ok(());
        }
        let offers = |skill: &&String| named.iter().any(|known| known.skills.contains(skill));
        let missing: Vec<String> = skills
            .iter()
            .filter(|skill| !offers(skill))
            .map(|skill| format!("{skill:?}"))
            .collect();
        let missing = if missing.is_empty() {
            // Each is offered by one dispatcher or another, but none offers them together.
            skills.join(" and ")
        } else {
            missing.join(", ")
        };
        let known = words(
            named
                .iter()
                .flat_map(|known| known.skills.iter().map(String::as_str)),
        );
        Err(format!(
            "skills: profile {profile:?} does not offer {missing}; it offers: {known}: take another assignee, or leave the skill out"
        ))
    }
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<&str> = words.collect();
    words.sort_unstable();
    words.dedup();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::LimitsLayer;
    use crate::task::Work;

    fn check(work: Work, skills: &[&str]) -> Result<(), String> {
        let profile = |name: &str, skills: &[&str]| PublishedProfile {
            name: name.to_owned(),
            skills: skills.iter().map(ToString::to_string).collect(),
            max_running: None,
            limits: LimitsLayer::default(),
            defaults: LimitsLayer::default(),
        };
        let offered = Offered {
            profiles: vec![
                profile("shell", &[]),
                profile("reviewer", &["rust"]),
                profile("reviewer", &["go", "rust"]),
            ],
            by: "a living dispatcher",
        };
        offered.check(&NewTask {
            skills: skills.iter().map(ToString::to_string).collect(),
            ..NewTask::new(work, "/".into())
        })
    }

    #[test]
    fn a_task_is_taken_where_one_profile_of_its_name_offers_all_its_skills() {
        let reviewer = || Work::Assignee("reviewer".into());
        assert_eq!(check(reviewer(), &["rust", "go"]), Ok(()));
        assert_eq!(check(Work::Command(vec!["true".into()]), &[]), Ok(()));
        let message = check(Work::Assignee("revewer".into()), &[]).unwrap_err();
        assert!(
            message.contains("\"revewer\"") && message.contains("reviewer, shell"),
            "{message}"
        );
        let message = check(reviewer(), &["rust", "cobol"]).unwrap_err();
        assert!(
            message.contains("cobol") && message.contains("go, rust"),
            "{message}"
        );
    }
}
