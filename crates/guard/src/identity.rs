//! Who this process is, read from its environment and from nowhere else.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::env;
use crate::ids::Tenure;
use crate::reason::Reason;

/// A worker's identity: what it holds its task by, and where its warden listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Task, run and claim lock.
    pub tenure: Tenure,
    /// The warden's socket; absent only where a warden was started by hand.
    pub socket: Option<PathBuf>,
}

/// Why there is no identity to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    /// `TENURE_TASK_ID` is absent: this process was started by hand.
    #[error("not a worker: TENURE_TASK_ID is not set")]
    NotAWorker,
    /// Some of the identity is there but it does not hold together: fail closed.
    #[error("stand down: {0}")]
    StandDown(Reason),
}

impl Identity {
    /// Reads the identity of this process. The environment is read, never changed.
    ///
    /// # Errors
    /// [`NoIdentity::NotAWorker`] where the process was started by hand, else the first reason, in
    /// the order of [`Reason`], for which the identity is worth nothing.
    pub fn from_env() -> Result<Self, NoIdentity> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// The same from any source of variables. An empty variable counts as missing.
    ///
    /// # Errors
    /// As [`Identity::from_env`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoIdentity> {
        // What is not UTF-8 is no id either; the replacement character makes it malformed.
        let text = |name| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .map(|value| value.to_string_lossy().into_owned())
        };
        let task = lookup(env::TASK_ID).ok_or(NoIdentity::NotAWorker)?;
        if text(env::CONTRACT).as_deref() != Some(env::CONTRACT_VERSION) {
            return Err(NoIdentity::StandDown(Reason::UnsupportedContract));
        }
        let task = task
            .to_string_lossy()
            .parse()
            .map_err(|_| NoIdentity::StandDown(Reason::InvalidTaskId))?;
        let run = text(env::RUN_ID)
            .ok_or(NoIdentity::StandDown(Reason::MissingRunId))?
            .parse()
            .map_err(|_| NoIdentity::StandDown(Reason::InvalidRunId))?;
        let lock = text(env::CLAIM_LOCK)
            .ok_or(NoIdentity::StandDown(Reason::MissingClaimLock))?
            .parse()
            .map_err(|_| NoIdentity::StandDown(Reason::InvalidClaimLock))?;
        let socket = lookup(env::SOCKET)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        Ok(Self {
            tenure: Tenure { task, run, lock },
            socket,
        })
    }

    /// Takes the authority over the task out of a child's environment, so that a nested process
    /// cannot act as this worker. What is merely information (workspace, context) stays.
    pub fn strip(command: &mut Command) -> &mut Command {
        for name in env::AUTHORITY {
            command.env_remove(name);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "0191e6a0-0000-7000-8000-000000000001:00112233445566778899aabbccddeeff";

    fn read(variables: &[(&str, &str)]) -> Result<Identity, NoIdentity> {
        Identity::from_lookup(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn a_process_without_a_task_id_is_not_a_worker() {
        assert_eq!(read(&[("TENURE_RUN_ID", "3")]), Err(NoIdentity::NotAWorker));
    }

    #[test]
    fn a_whole_identity_is_read() {
        let identity = read(&[
            ("TENURE_CONTRACT", "1"),
            ("TENURE_TASK_ID", "7"),
            ("TENURE_RUN_ID", "9"),
            ("TENURE_CLAIM_LOCK", LOCK),
            ("TENURE_SOCKET", "/s"),
        ])
        .unwrap();
        assert_eq!((identity.tenure.task.0, identity.tenure.run.0), (7, 9));
        assert_eq!(identity.socket, Some(PathBuf::from("/s")));
    }

    #[test]
    fn what_is_missing_or_malformed_fails_closed_in_the_order_of_the_contract() {
        let cases: [(&[(&str, &str)], Reason); 8] = [
            (&[("TENURE_TASK_ID", "x")], Reason::UnsupportedContract),
            (
                &[("TENURE_TASK_ID", "7"), ("TENURE_CONTRACT", "2")],
                Reason::UnsupportedContract,
            ),
            (
                &[("TENURE_TASK_ID", "x"), ("TENURE_CONTRACT", "1")],
                Reason::InvalidTaskId,
            ),
            (
                &[("TENURE_TASK_ID", ""), ("TENURE_CONTRACT", "1")],
                Reason::InvalidTaskId,
            ),
            (
                &[("TENURE_TASK_ID", "7"), ("TENURE_CONTRACT", "1")],
                Reason::MissingRunId,
            ),
            (
                &[
                    ("TENURE_TASK_ID", "7"),
                    ("TENURE_CONTRACT", "1"),
                    ("TENURE_RUN_ID", "-1"),
                ],
                Reason::InvalidRunId,
            ),
            (
                &[
                    ("TENURE_TASK_ID", "7"),
                    ("TENURE_CONTRACT", "1"),
                    ("TENURE_RUN_ID", "1"),
                ],
                Reason::MissingClaimLock,
            ),
            (
                &[
                    ("TENURE_TASK_ID", "7"),
                    ("TENURE_CONTRACT", "1"),
                    ("TENURE_RUN_ID", "1"),
                    ("TENURE_CLAIM_LOCK", "secret"),
                ],
                Reason::InvalidClaimLock,
            ),
        ];
        for (variables, reason) in cases {
            assert_eq!(
                read(variables),
                Err(NoIdentity::StandDown(reason)),
                "{variables:?}"
            );
        }
    }
}
