//! Forces the numbers of dead processes on strangers, and looks whether anybody takes a stranger for
//! the one that was written down.
//!
//! ```text
//! cargo build -p tenure-tests --bins && target/debug/pid-reuse [--count N] [--dispatchers N] [--seed S]
//! ```
//!
//! It runs in a pid namespace of its own, where nobody else makes processes, and says by
//! `ns_last_pid` which number the next one gets. A stranger blocks all signals and counts them.
//!
//! 1. `--count` times: an identity is written down, its process ends, a stranger gets its number,
//!    mostly in the same tick of the clock. It must not be found alive, and neither a signal through
//!    what was held nor the search for what a killed warden left may reach it.
//! 2. `--dispatchers` times: a dispatcher and its warden are killed, a stranger gets the warden's
//!    number and listens where the warden did. The next dispatcher must close the run as lost, and
//!    neither tell the stranger anything nor signal it.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, Uid, setsid};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tenure_store::DispatcherId;
use tenure_tests::flags::Flags;
use tenure_tests::home::{outcomes, runs};
use tenure_tests::process::Signal;
use tenure_tests::{Home, wait_until};
use tenure_warden::leftovers::Leftovers;
use tenure_warden::process::{Found, Process, known_host_id};

const FLAGS: [(&str, u64); 3] = [("count", 10_000), ("dispatchers", 20), ("seed", 1)];

/// The host that identities are written down for; any name does.
const HOST: &str = "host";

/// Which number the last process of this namespace got.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

/// How long a stranger reads from whoever calls it.
const READING: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("stranger") => return be_a_stranger(&arguments[1..]),
        Some("first") => return be_first(&arguments[1..]),
        Some("inside") => drop(arguments.remove(0)),
        Some(_) | None => return enter(&arguments),
    }
    let flags = Flags::read(&FLAGS, arguments).expect("they were understood outside");
    // As a dispatcher is.
    set_child_subreaper(true).expect("orphans can be asked for");
    prove(&flags)
}

/// Becomes the same program in a new pid namespace.
fn enter(arguments: &[String]) -> ExitCode {
    if let Err(usage) = Flags::read(&FLAGS, arguments.iter().cloned()) {
        eprintln!("{usage}");
        return ExitCode::from(2);
    }
    let mut unshare = Command::new("unshare");
    if !Uid::effective().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let error = unshare
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(us())
        .arg("first")
        .args(arguments)
        .exec();
    eprintln!("unshare cannot be executed: {error}");
    ExitCode::FAILURE
}

/// The first process of the namespace only waits: who is pid 1 is nobody's usual parent.
fn be_first(arguments: &[String]) -> ExitCode {
    let status = Command::new(us()).arg("inside").args(arguments).status();
    match status.expect("this program can be started").code() {
        Some(0) => ExitCode::SUCCESS,
        Some(_) | None => ExitCode::FAILURE,
    }
}

fn us() -> std::path::PathBuf {
    std::env::current_exe().expect("this program has a path")
}

fn prove(flags: &Flags) -> ExitCode {
    let (count, seed) = (flags.count("count"), flags.get("seed"));
    let mut random = StdRng::seed_from_u64(seed);
    let began = Instant::now();
    let mut tally = Tally::default();
    for _ in 0..count {
        reuse(&mut random, &mut tally);
    }
    for _ in 0..flags.count("dispatchers") {
        reuse_a_wardens(&mut tally);
    }
    println!(
        "seed {seed}: {} numbers reused, {} of them in the same tick; {} wardens' numbers; {} strangers mistaken; {:.1} s",
        tally.reused,
        tally.same_tick,
        tally.wardens,
        tally.mistaken.len(),
        began.elapsed().as_secs_f64(),
    );
    for mistake in &tally.mistaken {
        println!("  {mistake}");
    }
    if tally.mistaken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What was seen.
#[derive(Default)]
struct Tally {
    reused: usize,
    /// Where pid and start time were both those of the dead.
    same_tick: usize,
    wardens: usize,
    mistaken: Vec<String>,
}

impl Tally {
    fn check(&mut self, holds: bool, mistake: impl FnOnce() -> String) {
        if !holds {
            self.mistaken.push(mistake());
        }
    }
}

/// Lets a process die, gives its number to a stranger, and looks for the dead one.
fn reuse(random: &mut StdRng, tally: &mut Tally) {
    let mut victim = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a victim can be started");
    let pid = number(&victim);
    let held = Process::of(pid, HOST).expect("the victim lives");
    let written = held.id().clone();
    if random.random_bool(0.5) {
        held.kill().expect("a child can be killed");
    }
    // `wait` closes its input, which is what it lives for.
    victim.wait().expect("a child can be waited for");
    let kept = random.random_bool(0.5).then_some(held);
    let stranger = Stranger::with_number(pid, random.random_bool(0.5), None);
    let now = Process::of(pid, HOST).expect("the stranger lives");
    tally.reused += 1;
    tally.same_tick += usize::from(now.id().start_ticks == written.start_ticks);
    drop(now);

    let found = Process::find(&written, HOST).expect("the kernel tells");
    tally.check(matches!(found, Found::Dead), || {
        format!("{pid} was found: {found:?}, looking for {written:?}")
    });
    if let Some(held) = kept {
        let ended = held.has_ended().expect("the kernel tells");
        tally.check(ended, || format!("{pid}: the dead one has not ended"));
        held.terminate().expect("a dead one is no error");
        held.kill().expect("a dead one is no error");
    }
    let lock = format!(
        "{}:{:032x}",
        DispatcherId::random(),
        random.random::<u128>()
    );
    Leftovers {
        warden: written,
        worker: random.random_bool(0.5).then_some(pid),
        also: Vec::new(),
        lock: lock.parse().expect("a claim lock"),
    }
    .end();
    stranger.was_left_alone(tally);
}

/// Kills a dispatcher and its warden, and puts a stranger where the warden was.
fn reuse_a_wardens(tally: &mut Tally) {
    let home = Home::with("[defaults]\nmax_lost = 1");
    let mut first = home.serve();
    let task = home.add(&[], &["hang"]);
    let shown = wait_until("the worker runs", || {
        let shown = home.show(task);
        runs(&shown).first()?["pid"].is_i64().then_some(shown)
    });
    let pid_of = |name: &str| {
        let pid = runs(&shown)[0][name]
            .as_i64()
            .expect("a running run has it");
        i32::try_from(pid).expect("a pid")
    };
    let (warden, worker) = (pid_of("warden_pid"), pid_of("pid"));
    let open = home.store();
    let host = known_host_id(&home.state()).expect("a dispatcher ran here");
    let orphans = open
        .wait(open.store.orphans(DispatcherId::random(), &host))
        .expect("the store answers");
    let socket = &orphans[0].warden.as_ref().expect("it stands").socket;
    let held = tenure_tests::process::Process::now(warden).expect("the warden lives");
    first.crash();
    held.signal(Signal::KILL);
    // Both came to us, their subreaper, and keep their numbers until they are waited for.
    for pid in [warden, worker] {
        waitpid(Pid::from_raw(pid), None).expect("an orphan comes to its subreaper");
    }
    // It is there still: who is killed takes nothing away.
    let _ = fs::remove_file(socket);
    let stranger = Stranger::with_number(warden, true, Some(socket));
    let _second = home.serve();
    let shown = home.until(task, "blocked");
    tally.wardens += 1;
    tally.check(outcomes(&shown) == ["lost"], || {
        format!("a warden's number {warden}: {shown:#}")
    });
    stranger.was_left_alone(tally);
}

fn number(child: &Child) -> i32 {
    i32::try_from(child.id()).expect("a pid")
}

/// A process that has somebody else's number.
struct Stranger {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Stranger {
    /// Starts one, in a session of its own or not, listening at a path or not.
    fn with_number(pid: i32, leads_session: bool, listens: Option<&Path>) -> Self {
        let mut command = Command::new(us());
        command
            .arg("stranger")
            .arg(if leads_session { "leader" } else { "member" })
            .args(listens)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = wait_until("the number is given again", || {
            fs::write(LAST_PID, (pid - 1).to_string()).expect("the next number can be chosen");
            let mut child = command.spawn().expect("a stranger can be started");
            if number(&child) == pid {
                return Some(child);
            }
            // Somebody was faster.
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
            None
        });
        let mut said = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a stranger can be heard");
        assert_eq!(line, "here\n", "a stranger begins");
        Self { child, said }
    }

    /// Lets it go, and asks what happened to it.
    fn was_left_alone(mut self, tally: &mut Tally) {
        let pid = number(&self.child);
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.said
            .read_line(&mut line)
            .expect("a stranger can be heard");
        let status = self.child.wait().expect("a child can be waited for");
        tally.check(status.signal().is_none(), || {
            format!("{pid}: a stranger was killed: {status}")
        });
        tally.check(line.is_empty() || line == "0 signals, 0 bytes\n", || {
            format!("{pid}: a stranger was not left alone: {line}")
        });
    }
}

/// Counts what comes until its input ends.
fn be_a_stranger(arguments: &[String]) -> ExitCode {
    let everything = SigSet::all();
    everything.thread_block().expect("signals can be blocked");
    if arguments.first().is_some_and(|kind| kind == "leader") {
        setsid().expect("a fresh process can lead a session");
    }
    let listener = arguments
        .get(1)
        .map(|path| UnixListener::bind(path).expect("the path is free"));
    println!("here");
    let mut bytes = 0;
    while !input_is_over(listener.as_ref()) {
        let Some(Ok((mut caller, _))) = listener.as_ref().map(UnixListener::accept) else {
            continue;
        };
        caller
            .set_read_timeout(Some(READING))
            .expect("a socket takes a timeout");
        let mut said = Vec::new();
        // The caller may hold on until the time is over.
        let _ = caller.read_to_end(&mut said);
        bytes += said.len();
    }
    let pending = SignalFd::with_flags(&everything, SfdFlags::SFD_NONBLOCK)
        .expect("signals can be read from a descriptor");
    let signals = std::iter::from_fn(|| pending.read_signal().ok().flatten()).count();
    println!("{signals} signals, {bytes} bytes");
    ExitCode::SUCCESS
}

/// Waits until the input ends, or somebody calls.
fn input_is_over(listener: Option<&UnixListener>) -> bool {
    let stdin = io::stdin();
    let mut fds = vec![PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    fds.extend(listener.map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)));
    poll(&mut fds, PollTimeout::NONE).expect("nothing interrupts: signals are blocked");
    fds[0].any() == Some(true)
}
