//! When a task runs again: at which times, and what becomes of it when one has come. The times of
//! cron expressions are reckoned by the crate `croner`; the store writes down what is decided here.

use std::fmt;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::word::words;
use crate::duration;

/// How a task recurs: at each of its times it becomes ready, and its successor is added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// At which times.
    pub times: Times,
    /// What happens at a time while an earlier one of the series is not over.
    pub overlap: Overlap,
    /// What happens with times that passed while nobody dispatched.
    pub catch_up: CatchUp,
}

/// At which times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// So far apart, counted from the first.
    Every(#[serde(with = "duration")] Duration),
    /// As a cron expression says.
    Cron {
        /// Five fields, or six with seconds first.
        expression: String,
        /// A name of the time zone database, like `Europe/Berlin`.
        time_zone: String,
    },
}

words! {
    /// What happens at a time while an earlier one of the series is not over.
    pub enum Overlap as "overlap policy" {
        /// The time passes.
        Skip = "skip",
        /// It waits for the earlier one.
        Queue = "queue",
        /// The earlier one is cancelled, and it begins when that has ended.
        Replace = "replace",
    }
}

words! {
    /// What happens with times that passed while nobody dispatched.
    pub enum CatchUp as "catch-up policy" {
        /// They pass.
        Skip = "skip",
        /// One run stands for all of them.
        One = "one",
        /// Each is made up for.
        All = "all",
    }
}

/// The shortest time between two times of a series: whatever is to happen more often is one worker
/// that goes on.
const SHORTEST: Duration = Duration::from_secs(1);

/// How many of one series may wait for those before them. What would wait beyond that is passed over,
/// with an event that says so.
pub const WAITING: usize = 1000;

/// Times that make no sense: names the field, the value and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimes {
    /// Too often.
    #[error("every {} is too often: at least 1s is expected", duration::format(*.0))]
    TooOften(Duration),
    /// No cron expression.
    #[error(
        "cron {expression:?} cannot be read: {problem}; five fields are expected (minute, hour, day of month, month, day of week), like \"0 3 * * *\", or six with seconds first"
    )]
    Expression {
        /// As given.
        expression: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An expression that no day fits.
    #[error("cron {0:?} never comes: no day fits it")]
    Never(String),
    /// No time zone.
    #[error("time_zone {0:?} is unknown: a name like Europe/Berlin or UTC is expected")]
    Zone(String),
}

impl Times {
    /// Whether there are such times; whoever adds a task is told before it is taken.
    ///
    /// # Errors
    /// Says what makes no sense.
    pub fn check(&self) -> Result<(), InvalidTimes> {
        match self {
            Self::Every(every) if *every < SHORTEST => Err(InvalidTimes::TooOften(*every)),
            Self::Every(_) => Ok(()),
            Self::Cron {
                expression,
                time_zone,
            } => {
                zone(time_zone)?;
                cron(expression)?;
                match self.next(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH) {
                    Some(_) => Ok(()),
                    None => Err(InvalidTimes::Never(expression.clone())),
                }
            }
        }
    }

    /// The first time of a series that may begin at `from`.
    pub fn first(&self, from: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(_) => Some(from),
            Self::Cron { .. } => {
                // A time that is now is one of them.
                let before = from.checked_sub(SignedDuration::from_millis(1));
                let before = before.unwrap_or(from);
                self.next(before, before)
            }
        }
    }

    /// The first time after `after` and after `due`, which is one of the series: what is so far apart
    /// is counted from there, so that lateness adds up to nothing. `None` where there is none.
    pub fn next(&self, due: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(every) => {
                let every = i64::try_from(every.as_millis()).ok()?.max(1);
                let late = after.as_millisecond().saturating_sub(due.as_millisecond());
                let steps = late.max(0) / every + 1;
                let next = due
                    .as_millisecond()
                    .checked_add(every.checked_mul(steps)?)?;
                Timestamp::from_millisecond(next).ok()
            }
            Self::Cron {
                expression,
                time_zone,
            } => {
                let zone = zone(time_zone).ok()?;
                let from = due.max(after).to_zoned(zone);
                let next = cron(expression).ok()?.find_next_occurrence(&from, false);
                next.ok().map(|next| next.timestamp())
            }
        }
    }
}

fn zone(name: &str) -> Result<TimeZone, InvalidTimes> {
    TimeZone::get(name).map_err(|_| InvalidTimes::Zone(name.to_owned()))
}

fn cron(expression: &str) -> Result<Cron, InvalidTimes> {
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build();
    parser
        .parse(expression)
        .map_err(|error| InvalidTimes::Expression {
            expression: expression.to_owned(),
            problem: error.to_string().trim_end_matches('.').to_owned(),
        })
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(every) => write!(f, "every {}", duration::format(*every)),
            Self::Cron {
                expression,
                time_zone,
            } => write!(f, "cron {expression} {time_zone}"),
        }
    }
}

/// A task whose time has come, and what decides what follows.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The store's time.
    pub now: Timestamp,
    /// Its time.
    pub due: Timestamp,
    /// When it was added.
    pub added: Timestamp,
    /// How many earlier ones of its series are going on: they run, may run, or will be tried again.
    /// One that waits for a person is not among them.
    pub going_on: usize,
}

/// What becomes of a task whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It begins.
    Begin {
        /// When the next one is due; `None` where the series is over.
        next: Option<Timestamp>,
    },
    /// It waits until the earlier ones have ended.
    Queue {
        /// As above.
        next: Option<Timestamp>,
    },
    /// The earlier ones are cancelled, and it begins when they have ended.
    Replace {
        /// As above.
        next: Option<Timestamp>,
    },
    /// Its time passes, and it waits for the next one.
    Pass {
        /// Until when.
        until: Timestamp,
        /// Why.
        because: Passed,
    },
}

words! {
    /// Why a time of a series passed without a run.
    pub enum Passed as "reason for passing" {
        /// An earlier one was going on.
        Overlap = "overlap",
        /// Nobody dispatched at that time.
        Missed = "missed",
        /// As many of the series wait as may wait.
        TooManyWait = "too_many_wait",
    }
}

impl Recurrence {
    /// **The table of schedules.** Decides what becomes of a task whose time has come.
    ///
    /// A time was missed where a later one is over too. With `all` none is passed over for having been
    /// missed: those that are made up for wait for each other, whatever the overlap policy says of
    /// times that are not late.
    pub fn turn(&self, moment: Moment) -> Turn {
        let Moment {
            now,
            due,
            added,
            going_on,
        } = moment;
        let following = self.times.next(due, due);
        let future = self.times.next(due, now);
        let is_missed = following.is_some_and(|following| following <= now);
        // Where it was added after its time, it was added to make up for it.
        let is_made_up = self.catch_up == CatchUp::All && (is_missed || added >= due);
        let next = match self.catch_up {
            CatchUp::All => following,
            CatchUp::Skip | CatchUp::One => future,
        };
        let pass = |because| match future {
            Some(until) => Turn::Pass { until, because },
            // A last time does not pass.
            None => Turn::Begin { next: None },
        };
        if is_missed && self.catch_up == CatchUp::Skip {
            return pass(Passed::Missed);
        }
        match (going_on, self.overlap) {
            (0, Overlap::Skip | Overlap::Queue | Overlap::Replace) => Turn::Begin { next },
            (WAITING.., Overlap::Queue) => pass(Passed::TooManyWait),
            (WAITING.., Overlap::Skip | Overlap::Replace) if is_made_up => {
                pass(Passed::TooManyWait)
            }
            (_, Overlap::Skip | Overlap::Replace) if is_made_up => Turn::Queue { next },
            (_, Overlap::Skip) => pass(Passed::Overlap),
            (_, Overlap::Queue) => Turn::Queue { next },
            (_, Overlap::Replace) => Turn::Replace { next },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron(expression: &str, time_zone: &str) -> Times {
        Times::Cron {
            expression: expression.into(),
            time_zone: time_zone.into(),
        }
    }

    /// The next times after one, in their own zone.
    fn following(times: &Times, from: &str, count: usize) -> Vec<String> {
        let zone = match times {
            Times::Every(_) => "UTC",
            Times::Cron { time_zone, .. } => time_zone,
        };
        let mut time = at(from);
        (0..count)
            .map(|_| {
                time = times.next(time, time).unwrap();
                let zoned = time.to_zoned(zone_of(zone));
                zoned.strftime("%d %H:%M %:z").to_string()
            })
            .collect()
    }

    fn zone_of(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn what_is_so_far_apart_does_not_drift_however_late_somebody_looks() {
        let every = Times::Every(Duration::from_secs(10));
        let due = at("2026-01-01T00:00:00Z");
        for (now, next) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z"),
            ("2026-01-01T00:00:03Z", "2026-01-01T00:00:10Z"),
            ("2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"),
            ("2026-01-02T00:00:05Z", "2026-01-02T00:00:10Z"),
            ("2025-12-31T00:00:00Z", "2026-01-01T00:00:10Z"),
        ] {
            assert_eq!(every.next(due, at(now)), Some(at(next)), "{now}");
        }
        let eternal = Times::Every(Duration::MAX);
        assert_eq!(eternal.next(due, due), None);
    }

    #[test]
    fn a_time_that_a_clock_leaves_out_is_made_up_for_and_one_that_comes_twice_counts_once() {
        // On 29 March 02:00 becomes 03:00 in Berlin; on 25 October 03:00 becomes 02:00.
        let nightly = cron("30 2 * * *", "Europe/Berlin");
        assert_eq!(
            following(&nightly, "2026-03-27T12:00:00Z", 3),
            ["28 02:30 +01:00", "29 03:00 +02:00", "30 02:30 +02:00"]
        );
        assert_eq!(
            following(&nightly, "2026-10-24T12:00:00Z", 2),
            ["25 02:30 +02:00", "26 02:30 +01:00"]
        );
    }

    #[test]
    fn what_recurs_within_the_hour_goes_on_evenly_where_clocks_are_set() {
        let often = cron("*/30 * * * *", "Europe/Berlin");
        assert_eq!(
            following(&often, "2026-10-25T00:20:00Z", 4),
            [
                "25 02:30 +02:00",
                "25 02:00 +01:00",
                "25 02:30 +01:00",
                "25 03:00 +01:00"
            ]
        );
        assert_eq!(
            following(&often, "2026-03-29T00:20:00Z", 2),
            ["29 01:30 +01:00", "29 03:00 +02:00"]
        );
    }

    #[test]
    fn a_first_time_may_be_now() {
        let hourly = cron("0 * * * *", "UTC");
        for (from, first) in [
            ("2026-01-01T03:00:00Z", "2026-01-01T03:00:00Z"),
            ("2026-01-01T03:00:00.5Z", "2026-01-01T04:00:00Z"),
            ("2026-01-01T02:59:59.9Z", "2026-01-01T03:00:00Z"),
        ] {
            assert_eq!(hourly.first(at(from)), Some(at(first)), "{from}");
        }
    }

    #[test]
    fn times_that_make_no_sense_are_refused_by_field_and_value() {
        let problem = |times: Times| times.check().unwrap_err().to_string();
        for (times, words) in [
            (Times::Every(Duration::from_millis(999)), "every 999ms"),
            (cron("0 3 * *", "UTC"), "cron \"0 3 * *\" cannot be read"),
            (cron("0 25 * * *", "UTC"), "cannot be read"),
            (cron("0 0 0 1 1 * 2030", "UTC"), "cannot be read"),
            (cron("", "UTC"), "cannot be read"),
            (cron("0 3 30 2 *", "UTC"), "never comes"),
            (
                cron("0 3 * * *", "Europe/Atlantis"),
                "time_zone \"Europe/Atlantis\" is unknown",
            ),
        ] {
            let problem = problem(times);
            assert!(problem.contains(words), "{problem}");
        }
        for good in [
            "0 3 * * *",
            "*/15 * * * * *",
            "0 3 29 2 *",
            "@daily",
            "0 8 * * MON-FRI",
        ] {
            assert_eq!(cron(good, "Europe/Berlin").check(), Ok(()), "{good}");
        }
    }

    /// What is decided where so many go on, some seconds after a time of a series of minutes.
    fn decided(overlap: Overlap, catch_up: CatchUp, late: i64, going_on: usize) -> Turn {
        let due = at("2026-01-01T00:01:00Z");
        let recurrence = Recurrence {
            times: Times::Every(Duration::from_mins(1)),
            overlap,
            catch_up,
        };
        recurrence.turn(Moment {
            now: due + SignedDuration::from_secs(late),
            due,
            added: at("2026-01-01T00:00:00Z"),
            going_on,
        })
    }

    #[test]
    fn a_time_that_has_come_is_decided_as_the_policies_say() {
        use CatchUp::{All, One, Skip};
        let minute = |minute: i64| at("2026-01-01T00:00:00Z") + SignedDuration::from_mins(minute);
        let next = |at| Some(minute(at));
        let pass = |until, because| Turn::Pass {
            until: minute(until),
            because,
        };
        // Overlap, catch-up, how many seconds late, how many go on, what follows.
        let table = [
            (Overlap::Skip, One, 1, 0, Turn::Begin { next: next(2) }),
            (Overlap::Skip, One, 1, 1, pass(2, Passed::Overlap)),
            (Overlap::Queue, One, 1, 1, Turn::Queue { next: next(2) }),
            (
                Overlap::Queue,
                One,
                1,
                WAITING,
                pass(2, Passed::TooManyWait),
            ),
            (Overlap::Replace, One, 1, 1, Turn::Replace { next: next(2) }),
            // An hour late: fifty-nine later ones are over too.
            (Overlap::Skip, One, 3600, 0, Turn::Begin { next: next(62) }),
            (Overlap::Skip, One, 3600, 1, pass(62, Passed::Overlap)),
            (Overlap::Skip, Skip, 3600, 0, pass(62, Passed::Missed)),
            (Overlap::Queue, Skip, 3600, 1, pass(62, Passed::Missed)),
            (Overlap::Skip, Skip, 59, 0, Turn::Begin { next: next(2) }),
            (Overlap::Skip, All, 3600, 0, Turn::Begin { next: next(2) }),
            (Overlap::Skip, All, 3600, 5, Turn::Queue { next: next(2) }),
            (
                Overlap::Replace,
                All,
                3600,
                5,
                Turn::Queue { next: next(2) },
            ),
            (
                Overlap::Skip,
                All,
                3600,
                WAITING,
                pass(62, Passed::TooManyWait),
            ),
            (Overlap::Skip, All, 1, 1, pass(2, Passed::Overlap)),
        ];
        for (overlap, catch_up, late, going_on, expected) in table {
            let found = decided(overlap, catch_up, late, going_on);
            assert_eq!(
                found, expected,
                "{overlap} {catch_up} {late} s late, {going_on}"
            );
        }
    }
}
