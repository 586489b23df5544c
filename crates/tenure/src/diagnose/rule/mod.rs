//! The rules, one a file. A rule says when it fires and what is seen then; it never fires on what is by
//! design, and falls silent when the matter is resolved.

mod assignee_profile_not_found;
mod beyond_dispatchers;
mod block_unblock_cycling;
mod held_back;
mod invalid_task_skills;
mod lease_overdue;
mod no_dispatcher;
mod orphan_worker;
mod protocol_violations;
mod repeated_crashes;
mod repeated_failures;
mod stale_running_claim;
mod stranded_in_ready;
mod stuck_in_blocked;
mod tree_unverified;
mod waits_for_ended_parent;
mod worker_env_malformed;

use serde::Serialize;

use super::facts::Facts;
use super::finding::{Finding, Matter, Severity};

/// A rule's name; relied on by scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleId {
    InvalidTaskSkills,
    AssigneeProfileNotFound,
    StaleRunningClaim,
    RepeatedFailures,
    RepeatedCrashes,
    ProtocolViolations,
    StuckInBlocked,
    BlockUnblockCycling,
    StrandedInReady,
    OrphanWorker,
    LeaseOverdue,
    HeldBack,
    NoDispatcher,
    WorkerEnvMalformed,
    TreeUnverified,
    WaitsForEndedParent,
    BeyondDispatchers,
}

impl RuleId {
    /// As JSON and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidTaskSkills => "invalid_task_skills",
            Self::AssigneeProfileNotFound => "assignee_profile_not_found",
            Self::StaleRunningClaim => "stale_running_claim",
            Self::RepeatedFailures => "repeated_failures",
            Self::RepeatedCrashes => "repeated_crashes",
            Self::ProtocolViolations => "protocol_violations",
            Self::StuckInBlocked => "stuck_in_blocked",
            Self::BlockUnblockCycling => "block_unblock_cycling",
            Self::StrandedInReady => "stranded_in_ready",
            Self::OrphanWorker => "orphan_worker",
            Self::LeaseOverdue => "lease_overdue",
            Self::HeldBack => "held_back",
            Self::NoDispatcher => "no_dispatcher",
            Self::WorkerEnvMalformed => "worker_env_malformed",
            Self::TreeUnverified => "tree_unverified",
            Self::WaitsForEndedParent => "waits_for_ended_parent",
            Self::BeyondDispatchers => "beyond_dispatchers",
        }
    }
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// How bad it is what it finds.
    pub severity: Severity,
    /// When it fires, in words.
    pub condition: &'static str,
    look: fn(&Facts) -> Vec<Matter>,
}

impl Rule {
    /// What it finds.
    pub fn judge(&self, facts: &Facts) -> Vec<Finding> {
        let matters = (self.look)(facts).into_iter();
        matters.map(|one| one.of(self, &facts.caller)).collect()
    }
}

/// All rules, as the README lists them.
pub const RULES: [Rule; 17] = [
    invalid_task_skills::RULE,
    assignee_profile_not_found::RULE,
    stale_running_claim::RULE,
    repeated_failures::RULE,
    repeated_crashes::RULE,
    protocol_violations::RULE,
    stuck_in_blocked::RULE,
    block_unblock_cycling::RULE,
    stranded_in_ready::RULE,
    orphan_worker::RULE,
    lease_overdue::RULE,
    held_back::RULE,
    no_dispatcher::RULE,
    worker_env_malformed::RULE,
    tree_unverified::RULE,
    waits_for_ended_parent::RULE,
    beyond_dispatchers::RULE,
];
