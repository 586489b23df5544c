//! When and how often, as flags and task files say it: made into what the store takes, or refused with
//! the name of what does not go together.

use std::time::Duration;

use tenure_store::life::{CatchUp, Overlap, Recurrence, Times};
use tenure_store::task::NotBefore;

/// What was said of the times of a task.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// When it may start at the earliest.
    pub not_before: Option<NotBefore>,
    /// Or how long after it is added.
    pub delay: Option<Duration>,
    /// How far apart it recurs.
    pub every: Option<Duration>,
    /// Or at which times.
    pub cron: Option<String>,
    /// Of which zone those times are.
    pub time_zone: Option<String>,
    /// What happens while an earlier one goes on.
    pub overlap: Option<Overlap>,
    /// What happens with times that nobody dispatched at.
    pub catch_up: Option<CatchUp>,
}

/// The zone of cron expressions that name none: it has no hours that come twice or not at all.
const UTC: &str = "UTC";

impl Said {
    /// When the task may start at the earliest.
    ///
    /// # Errors
    /// Where it was said twice.
    pub fn not_before(&self) -> Result<Option<NotBefore>, String> {
        match (self.not_before, self.delay) {
            (Some(_), Some(_)) => Err(
                "not_before and delay say the same in two ways: leave one of them out".to_owned(),
            ),
            (None, Some(delay)) => Ok(Some(NotBefore::In(delay))),
            (said, None) => Ok(said),
        }
    }

    /// Whether it recurs, and how.
    ///
    /// # Errors
    /// What does not go together. Whether there are such times is for the store to say.
    pub fn recurrence(&self) -> Result<Option<Recurrence>, String> {
        let times = match (self.every, &self.cron) {
            (Some(_), Some(_)) => {
                return Err(
                    "every and cron say the same in two ways: leave one of them out".to_owned(),
                );
            }
            (Some(every), None) => Times::Every(every),
            (None, Some(expression)) => Times::Cron {
                expression: expression.clone(),
                time_zone: self.time_zone.clone().unwrap_or_else(|| UTC.to_owned()),
            },
            (None, None) => return self.nothing_recurs(),
        };
        if self.time_zone.is_some() && self.cron.is_none() {
            return Err("time_zone is for cron: leave it out".to_owned());
        }
        Ok(Some(Recurrence {
            times,
            overlap: self.overlap.unwrap_or(Overlap::Skip),
            catch_up: self.catch_up.unwrap_or(CatchUp::One),
        }))
    }

    fn nothing_recurs(&self) -> Result<Option<Recurrence>, String> {
        let idle = [
            ("time_zone", self.time_zone.is_some()),
            ("overlap", self.overlap.is_some()),
            ("catch_up", self.catch_up.is_some()),
        ];
        match idle.iter().find(|(_, is_said)| *is_said) {
            Some((key, _)) => Err(format!(
                "{key} is for tasks that recur: say every or cron too, or leave it out"
            )),
            None => Ok(None),
        }
    }
}
