//! A warden as a program of its own, for the tests of this crate; with `worker VERB` it is a worker
//! that says one thing to the warden above it; with `stand-in FOLDER LOCK` it is a dispatcher's other
//! half, which makes one warden and buries it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use tenure_guard::{Error, Guard, Identity, Reason, Verdict, exit_code};
use tenure_warden::gate;
use tenure_warden::leftovers::{self, Leftovers};
use tenure_warden::lifeline::Adopt;
use tenure_warden::process::Process;
use tenure_warden::{ByHand, exec_by_hand};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", verb] => worker(verb),
        ["stand-in", folder, lock] => stand_in(Path::new(folder), lock),
        ["by-hand", store, state, ref command @ ..] => by_hand(store, state, command),
        _ => tenure_warden::main(),
    }
}

/// Makes a warden of its own input, waits for that one's death, and ends what it left.
fn stand_in(folder: &Path, lock: &str) -> ExitCode {
    nix::sys::prctl::set_child_subreaper(true).expect("a subreaper");
    let program = std::env::current_exe().expect("a program");
    let mut child = Command::new(program).spawn().expect("a warden");
    let pid = i32::try_from(child.id()).expect("a pid");
    let warden = Process::of(pid, "host").expect("a warden").id().clone();
    std::fs::write(folder.join("warden"), format!("{pid}\n")).expect("a folder");
    child.wait().expect("its end");
    let leftovers = Leftovers {
        warden,
        worker: None,
        lock: lock.parse().expect("a lock"),
        also: leftovers::children("host").expect("processes"),
    };
    leftovers.end();
    std::fs::write(folder.join("buried"), "").expect("a folder");
    ExitCode::SUCCESS
}

/// What the command line does for `tenure guard exec`.
fn by_hand(store: &str, state: &str, command: &[&str]) -> ExitCode {
    let settings = ByHand {
        store: store.parse().expect("a store"),
        state_folder: state.into(),
        lease: Duration::from_mins(10),
        kill_grace: Duration::from_hours(1),
        finish_grace: Duration::from_millis(100),
        heartbeat_timeout: None,
    };
    let identity = Identity::from_env().expect("an identity");
    let argv = command.iter().map(Into::into).collect();
    exec_by_hand(identity, argv, &settings).expect("a warden")
}

/// A worker that opens as many watches as it is granted and keeps them, and says when there are no
/// more.
fn watch_all_day(guard: &Guard) -> ! {
    let (granted, next) = std::sync::mpsc::channel();
    for _ in 0..200 {
        let (guard, granted) = (guard.clone(), granted.clone());
        std::thread::spawn(move || granted.send(guard.watch()));
    }
    let mut watches = Vec::new();
    // Some connections give way to others before they are answered.
    while let Ok(said) = next.recv_timeout(Duration::from_secs(2)) {
        watches.extend(said);
    }
    std::fs::write("watches", format!("{}\n", watches.len())).expect("a folder");
    std::thread::sleep(Duration::from_mins(10));
    std::process::exit(0);
}

/// A worker that plays the dispatcher; it says what its warden thinks of that.
fn adopt_own_warden() -> ! {
    let identity = Identity::from_env().expect("an identity");
    let adopt = Adopt {
        v: gate::VERSION,
        adopt: 2,
        tenure: identity.tenure,
    };
    let socket = identity.socket.expect("a socket");
    let mut stream = UnixStream::connect(socket).expect("a warden");
    let line = serde_json::to_string(&adopt).expect("a line");
    writeln!(stream, "{line}").expect("a warden that listens");
    let mut said = String::new();
    BufReader::new(stream)
        .read_line(&mut said)
        .expect("an answer");
    print!("{said}");
    std::process::exit(0);
}

fn worker(verb: &str) -> ExitCode {
    let said = Guard::from_env().and_then(|guard| match verb {
        "check" => match guard.check()? {
            Verdict::Owned => Ok(()),
            Verdict::StandDown { reason } => Err(Error::NotOwner { reason }),
        },
        "heartbeat" => guard.heartbeat(None),
        "complete" => guard.complete(Some("all of it".into()), None).map(|_| ()),
        "adopt" => adopt_own_warden(),
        "watch-all-day" => watch_all_day(&guard),
        "stand-down" => tenure_guard::stand_down(&Reason::MissingRunId),
        unknown => panic!("no worker says {unknown}"),
    });
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            match error {
                Error::NotOwner { .. } => {
                    ExitCode::from(u8::try_from(exit_code::NOT_OWNER).unwrap_or(1))
                }
                Error::NoIdentity(_)
                | Error::Refused { .. }
                | Error::Later { .. }
                | Error::Invalid(_)
                | Error::Unreachable(_)
                | Error::Protocol(_) => ExitCode::FAILURE,
            }
        }
    }
}
