//! A warden as a program of its own, for the tests of this crate; with `worker VERB` it is a worker
//! that says one thing to the warden above it.

use std::process::ExitCode;

use tenure_guard::{Error, Guard, Reason, Verdict, exit_code};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", verb] => worker(verb),
        _ => tenure_warden::main(),
    }
}

fn worker(verb: &str) -> ExitCode {
    let said = Guard::from_env().and_then(|guard| match verb {
        "check" => match guard.check()? {
            Verdict::Owned => Ok(()),
            Verdict::StandDown { reason } => Err(Error::NotOwner { reason }),
        },
        "heartbeat" => guard.heartbeat(None),
        "complete" => guard.complete(Some("all of it".into()), None).map(|_| ()),
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
                | Error::Invalid(_)
                | Error::Unreachable(_)
                | Error::Protocol(_) => ExitCode::FAILURE,
            }
        }
    }
}
