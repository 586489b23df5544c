//! Whether a service's end is a stop. The manager tells its units nothing of that, but it shows its
//! list of jobs: while the commands after a stop run, a stop has the job `stop`, a restart has
//! `restart`, and a crash or the watchdog has none.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tenure_warden::process::Process;

/// The manager answers in milliseconds. Where it hangs, a stop shall not hang with it.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let mut child = Command::new("systemctl")
        .args([manager, "list-jobs", "--no-legend", "--plain", "--", unit])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("systemctl cannot be started: {error}"))?;
    let answered = wait(&mut child);
    if !matches!(answered, Ok(true)) {
        // It is our child and not reaped, so this is nobody else.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    match answered {
        Ok(true) => {}
        Ok(false) => {
            return Err(format!(
                "systemctl did not answer in {} s",
                PATIENCE.as_secs()
            ));
        }
        Err(error) => return Err(format!("systemctl cannot be waited for: {error}")),
    }
    // One unit has one job, so this fits into the pipe of a process that has ended.
    let (mut out, mut err) = (String::new(), String::new());
    let read = (|| {
        child
            .stdout
            .take()
            .map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut out))?;
        child
            .stderr
            .take()
            .map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut err))
    })();
    read.map_err(|error: std::io::Error| error.to_string())?;
    if status.success() {
        Ok(out)
    } else {
        Err(format!("systemctl: {}", err.trim()))
    }
}

/// Whether it ended in time.
fn wait(child: &mut Child) -> std::io::Result<bool> {
    let pid = i32::try_from(child.id()).map_err(std::io::Error::other)?;
    let process = Process::of(pid, "")?;
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    let patience = PollTimeout::try_from(PATIENCE).map_err(std::io::Error::other)?;
    Ok(poll(&mut fds, patience)? > 0)
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
