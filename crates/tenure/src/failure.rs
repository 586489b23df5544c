//! Why the program ends with another code than 0: the one place where errors become exit codes.

use std::process::ExitCode;

use tenure_store::OpenError;

use crate::caller::Caller;

/// The exit codes of `tenure`; relied on by scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Nothing went wrong, but there is nobody left to tell: the reader of the output went away.
    Ok = 0,
    /// It failed.
    Failed = 1,
    /// The command line, the configuration or a task file is wrong.
    Usage = 2,
    /// There is no such task or run.
    NoSuch = 3,
    /// Not in this state.
    Refused = 4,
    /// The store is busy or away, or the time is over: the same may succeed later.
    Later = 75,
    /// The task is not this worker's.
    NotOwner = 79,
}

/// The end of a verb that did not simply succeed.
#[derive(Debug)]
pub struct Failure {
    /// What scripts are told.
    pub code: Code,
    /// What people are told, where the verb has not told them already.
    message: Option<anyhow::Error>,
}

impl Failure {
    /// A failure that is explained.
    pub fn new(code: Code, error: impl Into<anyhow::Error>) -> Self {
        Self {
            code,
            message: Some(error.into()),
        }
    }

    /// A failure whose explanation was printed.
    pub fn silent(code: Code) -> Self {
        Self {
            code,
            message: None,
        }
    }

    /// The input is wrong.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(Code::Usage, anyhow::anyhow!("{message}"))
    }

    /// Not in this state.
    pub fn refused(message: impl std::fmt::Display) -> Self {
        Self::new(Code::Refused, anyhow::anyhow!("{message}"))
    }

    /// Something of the machine failed.
    pub fn io(what: impl std::fmt::Display, error: std::io::Error) -> Self {
        Self::new(
            Code::Failed,
            anyhow::Error::new(error).context(format!("{what}")),
        )
    }

    /// Tells people on the standard error, and answers the code.
    pub fn report(self, caller: &Caller) -> ExitCode {
        if self.message.is_some() {
            crate::output::message(format_args!(
                "tenure: {}",
                crate::escape::block(&self.said(caller))
            ));
        }
        ExitCode::from(self.code as u8)
    }

    /// The message, with commands for this caller.
    pub fn said(&self, caller: &Caller) -> String {
        caller.message(&self.message())
    }

    /// The message, with its causes.
    pub fn message(&self) -> String {
        self.message
            .as_ref()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default()
    }
}

impl From<tenure_store::Error> for Failure {
    fn from(error: tenure_store::Error) -> Self {
        use tenure_store::Error;
        let code = match &error {
            Error::NotOwner { .. } => Code::NotOwner,
            Error::AlreadyReported { .. }
            | Error::Illegal { .. }
            | Error::Refused { .. }
            | Error::KeyTaken { .. }
            | Error::Held(_) => Code::Refused,
            Error::NoSuchTask(_) | Error::NoSuchRun(_) => Code::NoSuch,
            Error::Invalid(_) => Code::Usage,
            Error::Unavailable(_) => Code::Later,
            Error::Outgrown { .. } | Error::Unreadable(_) => Code::Failed,
        };
        // It names its cause in its own words, so the chain would say that twice.
        Self::new(code, anyhow::anyhow!("{error}"))
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Address { .. } => Code::Usage,
            OpenError::Unfinished { .. }
            | OpenError::Moving { .. }
            | OpenError::Moved { .. }
            | OpenError::ShutsOut { .. } => Code::Refused,
            OpenError::Folder { .. }
            | OpenError::NoDatabase { .. }
            | OpenError::Foreign { .. }
            | OpenError::Newer { .. }
            | OpenError::Older { .. }
            | OpenError::Denied { .. }
            | OpenError::MayNotMigrate { .. }
            | OpenError::ReadOnly { .. }
            | OpenError::NetworkFilesystem { .. }
            | OpenError::OldSqlite { .. } => Code::Failed,
            OpenError::Unavailable { .. } => Code::Later,
        };
        Self::new(code, error)
    }
}

impl From<tenure_guard::Error> for Failure {
    fn from(error: tenure_guard::Error) -> Self {
        use tenure_guard::{Error, NoIdentity};
        let code = match &error {
            Error::NoIdentity(NoIdentity::NotAWorker) | Error::Invalid(_) => Code::Usage,
            // Without its warden a worker is certain of nothing, so it acts as if not the owner.
            Error::NoIdentity(NoIdentity::StandDown(_))
            | Error::NotOwner { .. }
            | Error::Unreachable(_) => Code::NotOwner,
            Error::Refused { .. } => Code::Refused,
            Error::Later { .. } => Code::Later,
            Error::Protocol(_) => Code::Failed,
        };
        Self::new(code, error)
    }
}

impl From<tenure_dispatcher::Error> for Failure {
    fn from(error: tenure_dispatcher::Error) -> Self {
        match error {
            tenure_dispatcher::Error::Store(error) => error.into(),
            error @ tenure_dispatcher::Error::Machine { .. } => Self::new(Code::Failed, error),
            error @ tenure_dispatcher::Error::ClonedHost { .. } => Self::new(Code::Refused, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use tenure_guard::{Reason, TaskId};
    use tenure_store::Error;

    use super::*;

    #[test]
    fn a_refusal_names_its_cause_once() {
        use tenure_store::life::{IllegalMove, Move, TaskStatus};
        let failure = Failure::from(Error::Illegal {
            task: TaskId(7),
            source: IllegalMove {
                from: TaskStatus::Done,
                by: Move::Blocked,
            },
        });
        assert_eq!(
            failure.message(),
            "task 7: a task that is done cannot be blocked"
        );
    }

    #[test]
    fn every_refusal_of_the_store_has_the_code_that_scripts_rely_on() {
        let cases = [
            (Error::NoSuchTask(TaskId(7)), Code::NoSuch),
            (Error::Held("held".into()), Code::Refused),
            (Error::Unavailable("busy".into()), Code::Later),
            (Error::Invalid("title".into()), Code::Usage),
            (
                Error::NotOwner {
                    reason: Reason::RunMismatch,
                },
                Code::NotOwner,
            ),
        ];
        for (error, code) in cases {
            assert_eq!(Failure::from(error).code, code);
        }
        assert_eq!(Code::Later as u8, 75);
        assert_eq!(Code::NotOwner as u8, 79);
    }
}
