//! The limits of the dispatcher's process, against what its slots need.

use tenure_store::dispatcher::Dispatcher;

use super::Finding;
use crate::config::Config;

/// What a run costs its dispatcher: lifeline, pidfd, and while it is made its log and its gate.
const DESCRIPTORS_PER_RUN: u64 = 6;

/// What a dispatcher has open besides.
const DESCRIPTORS: u64 = 64;

/// A warden has two threads at times, and a worker is seldom one process.
const PROCESSES_PER_RUN: u64 = 8;

/// Looks at descriptors and numbers of processes.
pub fn look(config: &Config, served: Option<&Dispatcher>) -> Vec<Finding> {
    let slots = served.map_or(config.slots, |dispatcher| dispatcher.slots);
    let subject = super::subject(served);
    let limits = std::fs::read_to_string(format!("/proc/{subject}/limits")).unwrap_or_default();
    let slots = u64::from(slots);
    let mut findings = vec![descriptors(slots, hard(&limits, "Max open files"))];
    let pids = std::fs::read_to_string("/proc/sys/kernel/pid_max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    for (what, limit, mend) in [
        (
            "processes of this user",
            soft(&limits, "Max processes"),
            "LimitNPROC= in the unit, `ulimit -u`",
        ),
        (
            "processes of this machine",
            pids,
            "sysctl kernel.pid_max=4194304",
        ),
    ] {
        findings.push(processes(slots, what, limit, mend));
    }
    findings
}

fn descriptors(slots: u64, limit: Option<u64>) -> Finding {
    let check = "limits";
    let needed = slots * DESCRIPTORS_PER_RUN + DESCRIPTORS;
    match limit {
        Some(limit) if limit < needed => Finding::problem(
            check,
            format!("{limit} open files are allowed, {slots} slots need {needed}"),
            "runs end as never_started while all slots are used",
            "LimitNOFILE=1024:65536 in the unit, `ulimit -Hn 65536`, or fewer slots",
        ),
        Some(limit) => Finding::ok(check, format!("{limit} open files for {slots} slots")),
        None => Finding::ok(check, "any number of open files"),
    }
}

fn processes(slots: u64, what: &str, limit: Option<u64>, mend: &str) -> Finding {
    let check = "limits";
    let wanted = slots * PROCESSES_PER_RUN;
    match limit {
        Some(limit) if limit < wanted => Finding::notice(
            check,
            format!("{limit} {what} are allowed, {slots} slots may want {wanted}"),
            "workers may fail to start processes of their own",
            mend,
        ),
        Some(limit) => Finding::ok(check, format!("{limit} {what}")),
        None => Finding::ok(check, format!("any number of {what}")),
    }
}

/// A soft limit as `/proc/PID/limits` shows it; `None` where there is none.
fn soft(limits: &str, name: &str) -> Option<u64> {
    column(limits, name, 0)
}

/// What a dispatcher raises its soft limit to.
fn hard(limits: &str, name: &str) -> Option<u64> {
    column(limits, name, 1)
}

fn column(limits: &str, name: &str, place: usize) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn too_few_descriptors_for_all_slots_are_a_problem() {
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax processes   unlimited   unlimited   processes\nMax open files   1024   4096   files\n";
        assert_eq!(soft(limits, "Max open files"), Some(1024));
        assert_eq!(hard(limits, "Max open files"), Some(4096));
        assert_eq!(soft(limits, "Max processes"), None);
        assert_eq!(descriptors(160, Some(1024)).severity, Severity::Ok);
        assert_eq!(descriptors(161, Some(1024)).severity, Severity::Problem);
    }
}
