//! What no worker should do, and some do: steps that hide from whoever stands over it, hold what is
//! not theirs, or break things around them.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, close, getpid, getppid, setpgid};

use tenure_tests::process::Process;

use super::{Steps, us};

/// A mebibyte, the unit of floods.
const MIB: usize = 1024 * 1024;

/// Whether it is a step of this module.
pub(super) fn is_known(step: &str) -> bool {
    matches!(
        step,
        "stop-itself"
            | "forget"
            | "clear-environment"
            | "leave-group"
            | "flood"
            | "long-line"
            | "garbage"
            | "close-descriptors"
            | "kill-group"
            | "kill-siblings"
            | "be-traced"
            | "be-subreaper"
            | "exit-main-thread"
            | "relay"
            | "fork-bomb"
            | "change-cgroup"
    )
}

impl Steps {
    pub(super) fn misbehave(&mut self, step: &str) {
        match step {
            "stop-itself" => raise(Signal::SIGSTOP).expect("one may signal oneself"),
            // Another program from here on, with another environment.
            "forget" => {
                let name = self.word();
                panic!(
                    "no exec: {}",
                    us().env_remove(name).args(self.rest()).exec()
                );
            }
            "clear-environment" => panic!("no exec: {}", us().env_clear().args(self.rest()).exec()),
            "leave-group" => setpgid(Pid::from_raw(0), Pid::from_raw(0)).expect("no leader moves"),
            "flood" => flood(
                self.number(),
                b"and on and on and on and on and on it goes\n",
            ),
            "long-line" => flood(self.number(), b"x"),
            "garbage" => std::io::stdout()
                .write_all(b"\xff\xfe\x1b[2J\x1b]0;mine\x07\0\r\x9b\n")
                .expect("the output is open"),
            "close-descriptors" => (0..3).for_each(|fd| close(fd).expect("it is open")),
            // Itself included.
            "kill-group" => kill_group(),
            "kill-siblings" => kill_siblings(),
            "be-traced" => ptrace::traceme().expect("a parent may trace"),
            "be-subreaper" => nix::sys::prctl::set_child_subreaper(true).expect("anybody may"),
            "exit-main-thread" => self.exit_main_thread(),
            "relay" => relay(self.number()),
            "fork-bomb" => self.fork_bomb(),
            "change-cgroup" => {
                let file = format!("{}/cgroup.procs", self.word());
                std::fs::write(file, "0").expect("root may move itself");
            }
            unknown => unreachable!("{unknown:?} is not known here"),
        }
    }

    fn rest(&mut self) -> Vec<String> {
        self.words.by_ref().collect()
    }

    /// Goes on in another thread. The process then looks dead in many places, and is not.
    fn exit_main_thread(&mut self) {
        let mut steps = Self {
            words: self.rest().into_iter(),
            answers: self.answers.take(),
            began: self.began,
        };
        thread::spawn(move || std::process::exit(steps.walk().into()));
        #[expect(unsafe_code, reason = "no library ends just the one thread")]
        // SAFETY: the stack of this thread is left as it is; nothing on it is used by the other one.
        unsafe {
            libc::syscall(libc::SYS_exit, 0);
        }
    }

    /// Makes children that hang until it gets no more of them or has so many; their number goes into
    /// the file.
    fn fork_bomb(&mut self) {
        let most = self.number();
        let made = (0..most)
            .take_while(|_| us().arg("hang").spawn().is_ok())
            .count();
        writeln!(super::appending(&self.word()), "{made}").expect("it can be written");
    }
}

/// So many MiB of it to the standard output, as long as somebody takes them.
fn flood(mebibytes: u64, line: &[u8]) {
    let piece = line.repeat(MIB / line.len());
    let mut out = std::io::stdout();
    for _ in 0..mebibytes {
        if out.write_all(&piece).is_err() {
            return;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is no stranger's: the group is one's own"
)]
fn kill_group() {
    kill(Pid::from_raw(0), Signal::SIGKILL).expect("one may signal one's own group");
}

/// Kills whatever else has our parent.
fn kill_siblings() {
    let parent = format!("/proc/{0}/task/{0}/children", getppid());
    let children = std::fs::read_to_string(parent).expect("the kernel lists children");
    for pid in children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
    {
        if pid != getpid().as_raw()
            && let Some(sibling) = Process::now(pid)
        {
            sibling.signal(tenure_tests::process::Signal::KILL);
        }
    }
}

/// Starts its successor in a session of its own and ends, so many times: whoever looks for it finds
/// the one before.
fn relay(generations: u64) {
    if generations > 0 {
        let mut next = us();
        next.args(["ignore-term", "leave-session", "relay"])
            .arg((generations - 1).to_string())
            .spawn()
            .map(drop)
            .unwrap_or_default();
    }
    thread::sleep(Duration::from_millis(1));
}
