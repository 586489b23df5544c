//! What keeps the first task of a lane from starting. What that is, [`crate::hindrance`] decides.

use tenure_store::suspects::{MOST, Waiting};

use super::facts::Facts;
use crate::hindrance::{
    Hindrance, Met, Obstacle, Scene, Verdict, Wanted, labels_lacked, lacked, lacked_by_all,
    lacking, verdict,
};

impl Facts {
    /// What keeps a lane's first task from starting.
    pub fn verdict<'a>(&'a self, lane: &'a Waiting) -> Verdict<'a> {
        let running = self.suspects.running_of.get(&lane.profile);
        let key = lane.limit_key.as_ref();
        let with_key = key.and_then(|key| self.suspects.running_with.get(key));
        let number = |counted: Option<&u32>| counted.copied().map_or(0, u64::from);
        let scene = Scene {
            at: self.suspects.now,
            serving: &self.serving,
            stopped: &self.stopped,
            pauses: &self.suspects.pauses,
            running_of_profile: number(running),
            running_of_key: number(with_key),
        };
        verdict(Wanted::first_of(lane), scene)
    }

    /// The skills that a lane's tasks require and its profile does not offer: where somebody serves
    /// them, at any dispatcher, else in the configuration.
    pub fn lacking(&self, lane: &Waiting) -> Option<String> {
        let verdict = self.verdict(lane);
        if is_unserved(&verdict) {
            return self.lacking_here(lane);
        }
        let lacks = |met: &&[Met]| !lacked(met).is_empty();
        let met = verdict.met().find(lacks)?;
        Some(lacked_by_all(&lane.skills, &lacked(met)))
    }

    /// The labels that a lane's tasks, or their profile, require and no living dispatcher has that could
    /// do them.
    pub fn unlabelled(&self, lane: &Waiting) -> Option<String> {
        let verdict = self.verdict(lane);
        verdict.met().find_map(labels_lacked)
    }

    fn lacking_here(&self, lane: &Waiting) -> Option<String> {
        let profiles = self.offered.profiles();
        let named = profiles.filter(|profile| profile.name == lane.profile);
        let lacked: Vec<Vec<String>> = named.map(|one| lacking(&lane.skills, one)).collect();
        if lacked.is_empty() || lacked.iter().any(Vec::is_empty) {
            return None;
        }
        let lacked: Vec<&[String]> = lacked.iter().map(Vec::as_slice).collect();
        Some(lacked_by_all(&lane.skills, &lacked))
    }
}

/// Whether there is nobody who would ever take it: no dispatcher, those of other batches, or one that
/// gives no sign of life.
pub fn is_unserved(verdict: &Verdict) -> bool {
    verdict.hindrances.iter().any(|one| match one {
        Hindrance::NoDispatcher => true,
        Hindrance::Each(met) => matches!(
            met.as_slice(),
            [(Obstacle::OtherBatch | Obstacle::Quiet(_), _), ..]
        ),
        Hindrance::Paused(_) | Hindrance::KeyFull { .. } => false,
    })
}

/// So many tasks, in words; a number that was counted up to its bound is said to be that.
pub fn tasks(number: u32) -> String {
    match number {
        1 => "1 task".to_owned(),
        MOST => format!("{MOST} tasks or more"),
        some => format!("{some} tasks"),
    }
}
