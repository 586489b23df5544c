//! Which profiles and skills there are, so that a typo in a task is an error and not a task that waits
//! for ever. Pure; who asks decides whose profiles count.

use crate::dispatcher::{Dispatcher, PublishedProfile};
use crate::ids::BatchId;
use crate::task::NewTask;

/// The profiles on offer.
#[derive(Clone, Debug)]
pub struct Offered {
    offers: Vec<Known>,
    by: &'static str,
}

/// A profile, and the labels of who has it.
#[derive(Clone, Debug)]
struct Known {
    profile: PublishedProfile,
    labels: Vec<String>,
}

/// What work asks of whoever does it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs<'a> {
    /// What the profile must offer.
    pub skills: &'a [String],
    /// Which labels the dispatcher must have, besides those that the profile requires.
    pub labels: &'a [String],
}

impl Offered {
    /// What these say, in whose name messages speak: "the configuration"; `labels` are of the host that
    /// would run them.
    pub fn new(profiles: Vec<PublishedProfile>, labels: &[String], by: &'static str) -> Self {
        Self {
            offers: known(profiles, labels).collect(),
            by,
        }
    }

    /// What the dispatchers offer that would take a task of this batch, or of none; nothing where none
    /// of them would, and so nobody knows.
    pub fn by_living(living: Vec<Dispatcher>, batch: Option<BatchId>) -> Option<Self> {
        // Who serves one batch only takes nothing else.
        let open: Vec<Dispatcher> = living
            .into_iter()
            .filter(|one| one.batch.is_none() || one.batch == batch)
            .collect();
        let known = |one: Dispatcher| known(one.profiles, &one.labels).collect::<Vec<_>>();
        (!open.is_empty()).then(|| Self {
            offers: open.into_iter().flat_map(known).collect(),
            by: "a living dispatcher",
        })
    }

    /// The profiles; one of a name for each dispatcher that has it.
    pub fn profiles(&self) -> impl Iterator<Item = &PublishedProfile> {
        self.offers.iter().map(|known| &known.profile)
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
        let needs = Needs {
            skills: &task.skills,
            labels: &task.requires,
        };
        self.check_work(task.work.profile(), needs)
    }

    /// Checks that there is such a profile.
    ///
    /// # Errors
    /// Which there are.
    pub fn check_profile(&self, profile: &str) -> Result<(), String> {
        self.named(profile).map(|_| ())
    }

    /// Checks that somebody who is such a profile has all these skills and labels.
    ///
    /// # Errors
    /// What is missing, and what there is instead.
    pub fn check_work(&self, profile: &str, needs: Needs<'_>) -> Result<(), String> {
        let named = self.named(profile)?;
        let able: Vec<&Known> = named
            .iter()
            .filter(|known| lacked(needs.skills, &known.profile.skills).is_empty())
            .copied()
            .collect();
        if able.is_empty() {
            let offered: Vec<&[String]> =
                named.iter().map(|known| &*known.profile.skills).collect();
            let (missing, known) = gap(needs.skills, &offered);
            return Err(format!(
                "skills: profile {profile:?} does not offer {missing}; it offers: {known}: take another assignee, or leave the skill out"
            ));
        }
        let wanted = |known: &Known| [needs.labels, &known.profile.requires].concat();
        let may = |known: &&Known| lacked(&wanted(known), &known.labels).is_empty();
        if able.iter().any(may) {
            return Ok(());
        }
        let all: Vec<String> = able.iter().flat_map(|known| wanted(known)).collect();
        let labels: Vec<&[String]> = able.iter().map(|known| &*known.labels).collect();
        let (missing, known) = gap(&all, &labels);
        Err(format!(
            "requires: {} that has profile {profile:?} has no label {missing}; there are: {known}: leave the label out, or start a dispatcher with it (labels in [dispatcher])",
            self.by
        ))
    }

    fn named(&self, profile: &str) -> Result<Vec<&Known>, String> {
        let offers = self.offers.iter();
        let named: Vec<_> = offers
            .filter(|known| known.profile.name == profile)
            .collect();
        if named.is_empty() {
            let known = words(self.profiles().map(|known| known.name.as_str()));
            return Err(format!(
                "assignee: {} has no profile {profile:?}; there are: {known}",
                self.by
            ));
        }
        Ok(named)
    }
}

fn known(
    profiles: Vec<PublishedProfile>,
    labels: &[String],
) -> impl Iterator<Item = Known> + use<'_> {
    profiles.into_iter().map(|profile| Known {
        profile,
        labels: labels.to_vec(),
    })
}

/// What is wanted and not there.
fn lacked<'a>(wanted: &'a [String], there: &[String]) -> Vec<&'a String> {
    let lacks = |word: &&String| !there.contains(word);
    wanted.iter().filter(lacks).collect()
}

/// What nobody has of what is wanted, and what there is, in words. Where each has something and none
/// has all of it, it is all of it together.
fn gap(wanted: &[String], there: &[&[String]]) -> (String, String) {
    let all = there.concat();
    let mut missing: Vec<String> = lacked(wanted, &all)
        .into_iter()
        .map(|word| format!("{word:?}"))
        .collect();
    missing.dedup();
    let missing = if missing.is_empty() {
        wanted.join(" and ")
    } else {
        missing.join(", ")
    };
    (missing, words(all.iter().map(String::as_str)))
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
    use crate::task::Work;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn check(work: Work, skills: &[&str], requires: &[&str]) -> Result<(), String> {
        let offer = |name: &str, skills: &[&str], requires: &[&str], labels: &[&str]| Known {
            profile: PublishedProfile {
                name: name.to_owned(),
                skills: owned(skills),
                requires: owned(requires),
                ..PublishedProfile::default()
            },
            labels: owned(labels),
        };
        let offered = Offered {
            offers: vec![
                offer("shell", &[], &[], &["eu"]),
                offer("reviewer", &["rust"], &[], &["eu"]),
                offer("reviewer", &["go", "rust"], &[], &["eu", "fast"]),
                offer("trainer", &[], &["gpu"], &["eu"]),
            ],
            by: "a living dispatcher",
        };
        offered.check(&NewTask {
            skills: owned(skills),
            requires: owned(requires),
            ..NewTask::new(work, "/".into())
        })
    }

    #[test]
    fn a_task_is_taken_where_one_profile_of_its_name_offers_all_its_skills() {
        let reviewer = || Work::Assignee("reviewer".into());
        assert_eq!(check(reviewer(), &["rust", "go"], &[]), Ok(()));
        assert_eq!(check(Work::Command(vec!["true".into()]), &[], &[]), Ok(()));
        let message = check(Work::Assignee("revewer".into()), &[], &[]).unwrap_err();
        assert!(
            message.contains("\"revewer\"") && message.contains("reviewer, shell"),
            "{message}"
        );
        let message = check(reviewer(), &["rust", "cobol"], &[]).unwrap_err();
        assert!(
            message.contains("cobol") && message.contains("go, rust"),
            "{message}"
        );
    }
    #[test]
    fn a_task_is_taken_where_one_dispatcher_that_can_do_it_has_all_its_labels() {
        let reviewer = || Work::Assignee("reviewer".into());
        assert_eq!(check(reviewer(), &["go"], &["eu", "fast"]), Ok(()));
        // One has the skill and another the label.
        let message = check(Work::Assignee("shell".into()), &[], &["fast"]).unwrap_err();
        assert!(
            message.contains("\"fast\"") && message.contains("there are: eu"),
            "{message}"
        );
        let message = check(Work::Assignee("trainer".into()), &[], &[]).unwrap_err();
        assert!(
            message.starts_with("requires:") && message.contains("\"gpu\""),
            "{message}"
        );
    }
}
