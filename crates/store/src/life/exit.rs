//! The kernel's word.

use serde::{Deserialize, Serialize};

/// How a worker's main process ended, as the kernel told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// Nobody was there to be told.
    Unobserved,
}

/// That the kernel dumped the core of a worker's main process as it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreDump {
    /// Where to: the text of `/proc/sys/kernel/core_pattern` at that time; `None` where that could not
    /// be read. Either a file's name, beginning with `/` or in the folder where the process was, or,
    /// behind `|`, a program that took it, or, behind `@`, a socket.
    pub pattern: Option<String>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unobserved => f.write_str("end not observed"),
        }
    }
}
