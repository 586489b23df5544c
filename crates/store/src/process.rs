//! What is written down of a process so that it can be known again. Data only: the one place that
//! opens and signals processes is the warden crate's.

use serde::{Deserialize, Serialize};

/// A process's identity. Pid and start time alone are none: forced reuse of pids made 182 of 200
/// collide, since start times count in ticks of 10 ms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The stored id of the host; never its name.
    pub host_id: String,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// The inode of the pid namespace in which `pid` means something.
    pub pid_namespace: u64,
    /// The process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The inode of its pidfd, unique in this boot; 0 on kernels before 6.9, which have none.
    pub inode: u64,
}
