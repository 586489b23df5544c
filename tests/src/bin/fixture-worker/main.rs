//! A worker that can end in every way. Its arguments are steps, taken one after the other:
//!
//! ```text
//! fixture-worker append effects done complete "it worked" hang
//! ```
//!
//! A worker that runs out of steps exits 0. A call of the guard that is refused ends it as a worker
//! should end (79 where it is not the owner, else 1), unless `say FILE` came before: then what was
//! answered is written there, a line each, and it goes on.

mod fenced;
mod misbehave;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::{getpid, setsid};
use tenure_guard::{
    Acceptance, AddId, BlockKind, Error, Guard, NoIdentity, Reason, Report, ReportId, Verdict, env,
};

fn main() -> ExitCode {
    let began = jiff::Timestamp::now();
    let mut steps = Steps {
        words: std::env::args().skip(1).collect::<Vec<_>>().into_iter(),
        answers: None,
        began,
    };
    ExitCode::from(steps.walk())
}

/// Whether there is more to do.
enum Go {
    On,
    Exit(u8),
}

struct Steps {
    words: std::vec::IntoIter<String>,
    /// Where answers go, once `say` was said.
    answers: Option<File>,
    /// When this program's own first instruction was taken.
    began: jiff::Timestamp,
}

impl Steps {
    /// Takes all that are left; the exit code.
    fn walk(&mut self) -> u8 {
        while let Some(step) = self.words.next() {
            match self.take(&step) {
                Go::On => {}
                Go::Exit(code) => return code,
            }
        }
        0
    }

    fn take(&mut self, step: &str) -> Go {
        match step {
            // Ends.
            "exit" => return Go::Exit(u8::try_from(self.number()).expect("an exit code")),
            // What comes back after its end was concluded has nothing more to do.
            "once" if std::env::var(env::ATTEMPT).is_ok_and(|attempt| attempt != "1") => {
                return Go::Exit(0);
            }
            "once" => {}
            "signal" => die_of(self.number()),
            "abort" => std::process::abort(),
            "hang" => loop {
                thread::sleep(Duration::from_hours(1));
            },
            // What it does to its surroundings.
            "ignore-term" => ignore_term(),
            "on-term" => wait_for_term(),
            "sleep" => thread::sleep(Duration::from_millis(self.number())),
            "wait-for" => self.wait_for(),
            "append" => self.append(),
            "fenced" => self.fenced(),
            "print" => println!("{}", self.word()),
            "print-error" => eprintln!("{}", self.word()),
            "tell-time" => self.tell_time(),
            "env" => self.dump_environment(),
            "descriptors" => self.dump_descriptors(),
            "child" => self.child(),
            "orphan" => self.orphan(),
            "leave-session" => drop(setsid().expect("a fresh process can lead a session")),
            // What it says to its warden.
            "say" => self.answers = Some(appending(&self.word())),
            other if misbehave::is_known(other) => self.misbehave(other),
            other => return self.speak(other),
        }
        Go::On
    }

    fn speak(&mut self, step: &str) -> Go {
        let answer = match step {
            "check" => with_guard(|guard| {
                guard.check().map(|verdict| match verdict {
                    Verdict::Owned => "owned".to_owned(),
                    Verdict::StandDown { reason } => format!("stand_down:{reason}"),
                })
            }),
            "stand-down" => stand_down(),
            "watch" => with_guard(|guard| {
                let reason = guard.watch()?.wait(None)?;
                Ok(format!("lost:{}", reason.expect("the wait has no end")))
            }),
            "heartbeat" => with_guard(|guard| guard.heartbeat(None).map(|()| "ok".to_owned())),
            "heartbeats" => {
                let (millis, times) = (self.number(), self.number());
                with_guard(|guard| {
                    for _ in 0..times {
                        guard.heartbeat(None)?;
                        thread::sleep(Duration::from_millis(millis));
                    }
                    Ok("ok".to_owned())
                })
            }
            "beat-until" => self.beat_until(),
            "comment" => {
                let text = self.word();
                with_guard(|guard| guard.comment(&text).map(|()| "ok".to_owned()))
            }
            "add" => {
                let task = adding(&self.word());
                with_guard(|guard| guard.add(&task).map(|added| added.id.to_string()))
            }
            "add-twice" => {
                let task = adding(&self.word());
                with_guard(|guard| {
                    let id = AddId::random();
                    let added = [guard.add_as(&id, &task)?, guard.add_as(&id, &task)?];
                    Ok(added.map(|added| added.id.to_string()).join(" "))
                })
            }
            "look" => with_guard(|guard| {
                let shown = guard.show(None)?;
                let listed = guard.list()?;
                Ok(format!(
                    "{} {}",
                    shown["task"]["id"], listed["more"]["number"]
                ))
            }),
            "twice" => {
                let report = self.report();
                with_guard(|guard| {
                    let id = ReportId::random();
                    guard.report_as(&id, &report)?;
                    guard.report_as(&id, &report).map(taken)
                })
            }
            report => {
                let report = self.report_named(report);
                with_guard(|guard| guard.report(&report).map(taken))
            }
        };
        self.heed(step, answer)
    }

    /// Beats until a file is there.
    fn beat_until(&mut self) -> Result<String, Error> {
        let path = self.word();
        with_guard(|guard| {
            while !Path::new(&path).exists() {
                guard.heartbeat(None)?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok("ok".to_owned())
        })
    }

    fn heed(&mut self, step: &str, answer: Result<String, Error>) -> Go {
        let code = match &answer {
            Ok(_) => 0,
            Err(Error::NotOwner { .. }) => 79,
            Err(_) => 1,
        };
        let text = match answer {
            Ok(text) => text,
            Err(Error::NotOwner { reason }) => format!("not_owner:{reason}"),
            Err(error) => format!("error:{error}"),
        };
        match &mut self.answers {
            Some(file) => writeln!(file, "{step} {text}").expect("an answer can be written"),
            None if code == 0 => {}
            None => {
                eprintln!("{step}: {text}");
                return Go::Exit(code);
            }
        }
        Go::On
    }

    fn report(&mut self) -> Report {
        let name = self.word();
        self.report_named(&name)
    }

    fn report_named(&mut self, name: &str) -> Report {
        match name {
            "complete" => Report::Complete {
                summary: Some(self.word()),
                metadata: None,
                artifacts: Vec::new(),
            },
            "block" => Report::Block {
                kind: BlockKind::NeedsInput,
                reason: self.word(),
            },
            "defer" => Report::Defer {
                for_ms: Some(self.number()),
                reason: Some(self.word()),
            },
            "fail" => Report::Fail {
                reason: self.word(),
            },
            "behind" => Report::Wait {
                after: self.word().parse().expect("a task's id"),
                reason: None,
            },
            unknown => panic!("{unknown:?} is no step of this worker"),
        }
    }

    fn word(&mut self) -> String {
        self.words.next().expect("the step takes another word")
    }

    fn number(&mut self) -> u64 {
        self.word().parse().expect("the step takes a number")
    }

    /// Waits until something stands in the file.
    fn wait_for(&mut self) {
        let path = self.word();
        while std::fs::metadata(&path).map_or(0, |metadata| metadata.len()) == 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Appends a line to a file in one write: the effect that a test counts. `{pid}` and the names of
    /// variables in braces stand for their values.
    fn append(&mut self) {
        let mut file = appending(&self.word());
        let mut line = self.word().replace("{pid}", &getpid().to_string());
        for (name, value) in std::env::vars() {
            line = line.replace(&format!("{{{name}}}"), &value);
        }
        line.push('\n');
        file.write_all(line.as_bytes())
            .expect("an effect can be written");
    }

    /// When this worker began, in milliseconds since 1970 with their fractions.
    fn tell_time(&mut self) {
        let micros = self.began.as_microsecond();
        let line = format!("{}.{:03}\n", micros / 1000, micros % 1000);
        appending(&self.word())
            .write_all(line.as_bytes())
            .expect("the time can be written");
    }

    /// The whole environment and the working folder, as one line of JSON.
    fn dump_environment(&mut self) {
        let env: serde_json::Map<String, serde_json::Value> = std::env::vars_os()
            .map(|(name, value)| {
                let value = value.to_string_lossy().into_owned();
                (name.to_string_lossy().into_owned(), value.into())
            })
            .collect();
        let cwd = std::env::current_dir().expect("a worker has a folder");
        let line = format!("{}\n", serde_json::json!({ "env": env, "cwd": cwd }));
        // In one write: others may append to the same file.
        appending(&self.word())
            .write_all(line.as_bytes())
            .expect("the environment can be written");
    }

    /// What is open, a line each.
    fn dump_descriptors(&mut self) {
        let folder = "/proc/self/fd";
        let links: Vec<String> = std::fs::read_dir(folder)
            .expect("/proc is mounted")
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let target = std::fs::read_link(entry.path()).ok()?;
                let name = entry.file_name().into_string().ok()?;
                Some(format!("{name} {}", target.display()))
            })
            .filter(|line| !line.contains(&format!("/proc/{}/fd", getpid())))
            .collect();
        writeln!(appending(&self.word()), "{}", links.join("\n")).expect("it can be written");
    }

    /// Starts another one with the steps up to `end`, and does not wait for it. It keeps our output:
    /// a warden that waited for the end of that would wait for ever.
    #[expect(
        clippy::zombie_processes,
        reason = "what a sloppy worker leaves behind is the point"
    )]
    fn child(&mut self) {
        let steps = self.until_end();
        us().args(steps).spawn().expect("it starts a child");
    }

    /// The same for one whose parent is gone as soon as it began, in a session of its own.
    fn orphan(&mut self) {
        let steps = self.until_end();
        let status = us()
            .args(["child", "leave-session"])
            .args(steps)
            .arg("end")
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the middle one ends well"
        );
    }

    /// The steps up to the `end` that belongs to this one.
    fn until_end(&mut self) -> Vec<String> {
        let mut open = 1;
        self.words
            .by_ref()
            .take_while(|word| {
                match word.as_str() {
                    "child" | "orphan" => open += 1,
                    "end" => open -= 1,
                    _ => {}
                }
                open > 0
            })
            .collect()
    }
}

/// A task that does nothing, as a program says it over the wire.
fn adding(title: &str) -> serde_json::Value {
    serde_json::json!({ "work": { "command": ["true"] }, "cwd": "/", "title": title })
}

fn us() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.stdin(Stdio::null());
    command
}

fn with_guard(ask: impl FnOnce(&Guard) -> Result<String, Error>) -> Result<String, Error> {
    ask(&Guard::from_env()?)
}

fn taken(acceptance: Acceptance) -> String {
    match acceptance {
        Acceptance::Recorded => "ok".to_owned(),
        Acceptance::Kept => "kept".to_owned(),
    }
}

/// As a program with a guard of its own does: checks, and where it is not the owner leaves with 79.
fn stand_down() -> ! {
    let reason = match Guard::from_env().and_then(|guard| guard.check()) {
        Ok(Verdict::StandDown { reason })
        | Err(Error::NoIdentity(NoIdentity::StandDown(reason))) => reason,
        Ok(Verdict::Owned) | Err(_) => Reason::RunMismatch,
    };
    tenure_guard::stand_down(&reason)
}

fn appending(path: &str) -> File {
    let opened = File::options().create(true).append(true).open(path);
    match opened {
        Ok(file) => file,
        Err(error) => panic!("{path}: {error}"),
    }
}

fn ignore_term() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    // This program has one thread, so what is blocked here is blocked for all of it.
    set.thread_block().expect("a signal can be blocked");
}

/// Goes on when it is told to end.
fn wait_for_term() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.thread_block().expect("a signal can be blocked");
    set.wait().expect("a signal can be waited for");
}

/// Dies of a signal. The runtime's own handler gives some of them back to the kernel only at the
/// second time.
fn die_of(number: u64) {
    let number = i32::try_from(number).expect("the number of a signal");
    let signal = Signal::try_from(number).expect("the number of a signal");
    loop {
        raise(signal).expect("one may signal oneself");
    }
}
