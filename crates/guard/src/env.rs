//! The environment of a worker: contract version 1, each variable named once.

/// The version of this contract. A worker that reads another value must stand down.
pub const CONTRACT_VERSION: &str = "1";

/// `1`: the version of the contract.
pub const CONTRACT: &str = "TENURE_CONTRACT";
/// The task's id. Where it is absent, this process is not a worker.
pub const TASK_ID: &str = "TENURE_TASK_ID";
/// The run's id: the fencing token. It may be shown to systems outside.
pub const RUN_ID: &str = "TENURE_RUN_ID";
/// The claim lock. A secret between the worker and its warden.
pub const CLAIM_LOCK: &str = "TENURE_CLAIM_LOCK";
/// The path of the warden's Unix socket.
pub const SOCKET: &str = "TENURE_SOCKET";
/// The `tenure` program that started this worker.
pub const BIN: &str = "TENURE_BIN";
/// Which try of its task this run is, from 1.
pub const ATTEMPT: &str = "TENURE_ATTEMPT";
/// The profile whose recipe this worker follows.
pub const PROFILE: &str = "TENURE_PROFILE";
/// The folder that the work is about.
pub const WORKSPACE: &str = "TENURE_WORKSPACE";
/// The path of a JSON file: the task, its parents' results, earlier attempts, comments.
pub const CONTEXT: &str = "TENURE_CONTEXT";
/// How long a lease is, in whole seconds.
pub const LEASE_SECS: &str = "TENURE_LEASE_SECS";
/// When the run's time is up, in RFC 3339; absent where there is no limit.
pub const DEADLINE: &str = "TENURE_DEADLINE";

/// What every variable of the contract begins with. Nobody else may set such a variable.
pub const PREFIX: &str = "TENURE_";

/// The variables that carry authority over a task: what [`crate::Identity::strip`] takes away.
pub const AUTHORITY: [&str; 5] = [CONTRACT, TASK_ID, RUN_ID, CLAIM_LOCK, SOCKET];
