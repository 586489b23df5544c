//! What is written down of a process so that it can be known again. Data only: the one place that
//! opens and signals processes is the warden crate's.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

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

/// The columns of a run that name its warden; it has one once it was started.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct WardenColumns {
    host_id: Option<String>,
    boot_id: Option<String>,
    pid_namespace: Option<i64>,
    warden_pid: Option<i64>,
    warden_start_ticks: Option<i64>,
    warden_inode: Option<i64>,
}

impl WardenColumns {
    pub(crate) fn read(self) -> Option<ProcessId> {
        process(
            self.host_id,
            self.boot_id,
            self.pid_namespace,
            self.warden_pid,
            self.warden_start_ticks,
            self.warden_inode,
        )
    }
}

/// A process's identity, where all of it is known.
pub(crate) fn process(
    host_id: Option<String>,
    boot_id: Option<String>,
    pid_namespace: Option<i64>,
    pid: Option<i64>,
    start_ticks: Option<i64>,
    inode: Option<i64>,
) -> Option<ProcessId> {
    Some(ProcessId {
        host_id: host_id?,
        boot_id: boot_id?,
        pid_namespace: pid_namespace?.cast_unsigned(),
        pid: i32::try_from(pid?).ok()?,
        start_ticks: start_ticks?.cast_unsigned(),
        inode: inode?.cast_unsigned(),
    })
}
