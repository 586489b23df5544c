//! The ends of running tasks: nobody gets a task while anything of its last run lives.

use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use tenure_tests::home::{outcomes, runs};
use tenure_tests::process::Process;
use tenure_tests::{Database, program, skip, wait_until};

use super::sweep;

on_both!(
    whatever_takes_a_running_task_away_the_next_attempt_begins_after_the_last_process_died,
    a_reclaimed_workers_background_child_dies_before_the_task_is_anybodys,
    a_worker_that_cannot_be_killed_keeps_its_task_visibly_until_it_is_dead,
    a_crashed_review_is_tried_again_as_a_review_also_after_a_block,
);

/// The verbs that take a running task away, and the one that lets it go on after that.
const VERBS: [(&[&str], Option<&str>); 5] = [
    (
        &["block", "--kind", "needs_input", "--reason", "which?"],
        Some("unblock"),
    ),
    (&["stop"], Some("retry")),
    (&["cancel"], Some("retry")),
    (&["archive"], Some("retry")),
    (&["reclaim"], None),
];

fn whatever_takes_a_running_task_away_the_next_attempt_begins_after_the_last_process_died(
    on: Database,
) {
    let home = on.home_with("[dispatcher]\nkill_grace = '1s'");
    let _dispatcher = home.serve();
    let order = home.at("order");
    let worker = program::worker().display().to_string();
    for (number, (verb, onward)) in VERBS.iter().enumerate() {
        let (began, seen) = (format!("began-{number}"), format!("seen-{number}"));
        // The first attempt leaves a child in a session of its own, and both ignore SIGTERM. The second
        // looks whether they are there.
        let script = format!(
            "if [ $TENURE_ATTEMPT = 1 ]; then \
                exec {worker} ignore-term orphan ignore-term append {began}.child {{pid}} hang end \
                    append {began} {{pid}} hang; \
             fi; \
             for pid in $(cat {began} {began}.child); do \
                 if kill -0 $pid; then echo alive; else echo dead; fi; done > {seen}.new; \
             mv {seen}.new {seen}; exec {worker} append {order} {number}"
        );
        let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
        let task = added.ok().json()["id"].as_i64().unwrap();
        let tree: Vec<Process> = [began.clone(), format!("{began}.child")]
            .iter()
            .map(|name| home.until_written(name).trim().parse().unwrap())
            .map(|pid| Process::now(pid).expect("it lives"))
            .collect();

        let id = task.to_string();
        let mut line = vec![verb[0], id.as_str()];
        line.extend(&verb[1..]);
        line.push("--no-wait");
        let _ = home.tenure(&line).ok();
        let shown = home.show(task);
        if tree.iter().all(|process| process.lives()) {
            assert_eq!(shown["task"]["status"], "running", "{verb:?}: {shown:#}");
        }
        if let Some(onward) = onward {
            // Not before the tree is dead can it be let go on.
            wait_until(&format!("`{onward}` is accepted after {verb:?}"), || {
                (home.tenure(&[onward, &id]).code == 0).then_some(())
            });
        }
        home.until(task, "done");
        assert_eq!(home.read(&seen), "dead\ndead\n", "{verb:?}");
        assert_eq!(outcomes(&home.show(task)).len(), 2);
    }
    assert_eq!(home.read("order").lines().count(), VERBS.len());
}

fn a_reclaimed_workers_background_child_dies_before_the_task_is_anybodys(on: Database) {
    let home = on.home_with("[dispatcher]\nkill_grace = '300ms'");
    let _dispatcher = home.serve();
    let left = home.at("left");
    let steps = [
        "once",
        "child",
        "append",
        &left,
        "{pid}",
        "hang",
        "end",
        "orphan",
        "ignore-term",
        "append",
        &left,
        "{pid}",
        "hang",
        "end",
        "hang",
    ];
    let task = home.add(&[], &steps);
    let children = wait_until("both children wrote", || {
        let text = home.read("left");
        (text.lines().count() == 2).then_some(text)
    });
    let children: Vec<Process> = children
        .lines()
        .map(|pid| Process::now(pid.parse().unwrap()).expect("it lives"))
        .collect();
    let _ = home.tenure(&["reclaim", &task.to_string()]).ok();
    for child in children {
        assert!(!child.lives(), "{child:?} outlived its run");
    }
    assert_eq!(
        outcomes(&home.until(task, "done")),
        ["reclaimed", "completed"]
    );
}

/// A process that is held at the very last step of its death by the thread that made it so; a kernel
/// that cannot finish with a process looks the same from outside.
struct Undead(Pid);

impl Undead {
    /// Holds a process from the moment on in which it is killed.
    fn will_be(process: Process) -> Option<Self> {
        let pid = Pid::from_raw(process.pid);
        ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACEEXIT).ok()?;
        Some(Self(pid))
    }

    /// Waits until it was killed; what does not kill it passes it by.
    fn until_killed(&self) {
        loop {
            match waitpid(self.0, None).expect("it is ours to wait for") {
                WaitStatus::PtraceEvent(..) => return,
                WaitStatus::Stopped(..) => ptrace::cont(self.0, None).expect("it stands still"),
                ended @ (WaitStatus::Exited(..)
                | WaitStatus::Signaled(..)
                | WaitStatus::PtraceSyscall(_)
                | WaitStatus::Continued(_)
                | WaitStatus::StillAlive) => {
                    panic!("a held process shall stop before it ends: {ended:?}")
                }
            }
        }
    }

    fn let_go(self) {
        ptrace::detach(self.0, None).expect("it stands still, and is ours to let go");
    }
}

fn a_worker_that_cannot_be_killed_keeps_its_task_visibly_until_it_is_dead(on: Database) {
    let home = on.home_with("[dispatcher]\nkill_grace = '300ms'");
    let mut dispatcher = home.serve();
    let began = home.at("began");
    let task = home.add(
        &["--max-runtime", "3s"],
        &["once", "append", &began, "{pid}", "hang"],
    );
    let worker = Process::now(home.until_written("began").trim().parse().unwrap()).unwrap();
    let Some(undead) = Undead::will_be(worker) else {
        return skip("nobody may be traced here: NO WORKER WAS UNKILLABLE");
    };
    undead.until_killed();

    // However often it is looked after, by whomever.
    sweep(&home);
    dispatcher.crash();
    dispatcher.launch_again(&home);
    dispatcher.until_ready();
    sweep(&home);
    let shown = home.show(task);
    assert!(worker.lives());
    assert_eq!(shown["task"]["status"], "running");
    assert_eq!(runs(&shown)[0]["status"], "ending");
    assert_eq!(runs(&shown)[0]["ask"], "timeout");
    assert_eq!(outcomes(&shown), ["open"]);

    undead.let_go();
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["timed_out", "completed"]);
}

fn a_crashed_review_is_tried_again_as_a_review_also_after_a_block(on: Database) {
    let worker = program::worker().display().to_string();
    let script = format!(
        "echo $TENURE_PROFILE >> reviews; case $TENURE_ATTEMPT in 1|3) exec {worker} abort ;; \
         2) exec {worker} block which? ;; *) exec {worker} complete seen ;; esac"
    );
    let command = toml::Value::from(vec!["sh".to_owned(), "-c".to_owned(), script]);
    let home = on.home_with(&format!("[profiles.reviewer]\ncommand = {command}\n"));
    let _dispatcher = home.serve();
    let work = home.add(&[], &["complete", "written"]);
    let review = home.add_for("reviewer", &["--after", &work.to_string()]);
    home.until(review, "blocked");
    let _ = home.tenure(&["unblock", &review.to_string()]).ok();
    let shown = home.until(review, "done");
    assert_eq!(
        outcomes(&shown),
        ["crashed", "blocked", "crashed", "completed"]
    );
    assert_eq!(home.read("reviews"), "reviewer\n".repeat(4));
    assert_eq!(
        outcomes(&home.show(work)),
        ["completed"],
        "what was reviewed ran again"
    );
}
