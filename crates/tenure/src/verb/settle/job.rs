//! Whether a service's end is a stop. The manager tells its units nothing of that, but it shows its
//! list of jobs: while the commands after a stop run, a stop has the job `stop`, a restart has
//! `restart`, and a crash or the watchdog has none.

use std::process::Command;

use crate::answer;

/// What the manager is about to do with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Nothing that it says: the service ended by itself.
    None,
    /// Stop it, and leave it stopped.
    Stop,
    /// Anything after which it runs again.
    Other(String),
    /// It could not be asked.
    Unknown(String),
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// End what runs.
    Settle,
    /// Leave it running, and why.
    Leave(String),
}

/// Ends workers after a true stop only: what is left wrongly ends by itself, what is ended wrongly is
/// lost work. `result` is what the manager calls the service's end.
pub fn decide(job: &Job, result: Option<&str>) -> Decision {
    let leave = |why: String| Decision::Leave(why);
    match (job, result) {
        (Job::Stop, _) => Decision::Settle,
        (Job::Other(job), _) => leave(format!("the job is {job}, no stop")),
        (Job::Unknown(why), _) => leave(format!("whether it stops is not known ({why})")),
        (Job::None, Some("success")) => {
            leave("the dispatcher finished by itself, nobody stopped it".to_owned())
        }
        (Job::None, Some(result)) => leave(format!("it ended by {result}, nobody stopped it")),
        (Job::None, None) => {
            leave("nothing is being stopped; without --unit it is settled at once".to_owned())
        }
    }
}

/// Asks the manager of the system, or of this user.
pub fn of(unit: &str, user: bool) -> Job {
    match list(unit, user) {
        Ok(list) => parse(&list, unit),
        Err(why) => Job::Unknown(why),
    }
}

fn list(unit: &str, user: bool) -> Result<String, String> {
    let manager = if user { "--user" } else { "--system" };
    let asked = answer::of(Command::new("systemctl").args([
        manager,
        "list-jobs",
        "--no-legend",
        "--plain",
        "--",
        unit,
    ]));
    let answer = asked.map_err(|error| format!("systemctl: {error}"))?;
    if answer.status.success() {
        String::from_utf8(answer.stdout).map_err(|error| error.to_string())
    } else {
        let said = String::from_utf8_lossy(&answer.stderr);
        Err(format!("systemctl: {}", said.trim()))
    }
}

/// A line is `ID UNIT TYPE STATE`.
fn parse(list: &str, unit: &str) -> Job {
    let mut jobs = list.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        (words.next() == Some(unit)).then(|| words.next())?
    });
    match jobs.next_back() {
        None => Job::None,
        Some("stop") => Job::Stop,
        Some(job) => Job::Other(job.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_true_stop_ends_workers() {
        let settles = |job: &Job, result| decide(job, result) == Decision::Settle;
        let results = [
            None,
            Some("success"),
            Some("signal"),
            Some("watchdog"),
            Some("exit-code"),
            Some("core-dump"),
            Some("timeout"),
            Some("oom-kill"),
            Some("start-limit-hit"),
        ];
        for result in results {
            assert!(settles(&Job::Stop, result), "stop, {result:?}");
            for job in [
                Job::None,
                Job::Other("restart".into()),
                Job::Other("try-restart".into()),
                Job::Other("start".into()),
                Job::Other("reload-or-start".into()),
                Job::Unknown("no bus".into()),
            ] {
                assert!(!settles(&job, result), "{job:?}, {result:?}");
            }
        }
    }

    #[test]
    fn the_reason_to_leave_workers_alone_is_said() {
        let Decision::Leave(why) = decide(&Job::None, Some("watchdog")) else {
            panic!("a crash was taken for a stop");
        };
        assert!(why.contains("watchdog"), "{why}");
    }

    #[test]
    fn the_job_of_the_unit_itself_counts_and_no_other_ones() {
        let list = "  71 tenured@a.service   restart running\n 122 tenured.service     stop running\n 123 shutdown.target start waiting\n";
        assert_eq!(parse(list, "tenured.service"), Job::Stop);
        assert_eq!(
            parse(list, "tenured@a.service"),
            Job::Other("restart".into())
        );
        assert_eq!(parse(list, "tenured@b.service"), Job::None);
        assert_eq!(parse("", "tenured.service"), Job::None);
    }
}
