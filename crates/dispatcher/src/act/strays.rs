//! Strays: orphans that came to this process, which is a subreaper. A worker's orphans come to its
//! warden; so what comes to us was left by a warden that died, or is nobody's.

use std::collections::HashMap;
use std::path::Path;

use tenure_store::process::ProcessId;
use tenure_warden::leftovers::children;

use crate::spawn::SPAWNER;

/// So much of a program's name does the kernel keep.
const COMM: usize = 15;

/// The children of ours that are no strays.
#[derive(Clone, Debug)]
pub(super) struct Family {
    host_id: String,
    /// What ran below us before we made anything: of whoever executed us.
    inherited: Vec<ProcessId>,
    wardens: HashMap<i32, ProcessId>,
    /// The names of a warden while it is being made and afterwards; it is unknown for a moment.
    names: [String; 2],
}

impl Family {
    /// The family of a dispatcher that has made nothing yet.
    pub(super) fn new(host_id: &str, warden: &Path) -> Self {
        let name = warden.file_name().unwrap_or_default().as_encoded_bytes();
        let name = &name[..name.len().min(COMM)];
        Self {
            host_id: host_id.to_owned(),
            inherited: children(host_id).unwrap_or_default(),
            wardens: HashMap::new(),
            names: [
                SPAWNER.to_owned(),
                String::from_utf8_lossy(name).into_owned(),
            ],
        }
    }

    pub(super) fn add(&mut self, warden: ProcessId) {
        self.wardens.insert(warden.pid, warden);
    }

    pub(super) fn reaped(&mut self, pid: i32) {
        self.wardens.remove(&pid);
    }

    /// Those of our children that we did not make.
    pub(super) fn strays(&self) -> Vec<ProcessId> {
        let is_ours = |child: &ProcessId| {
            self.wardens.get(&child.pid) == Some(child)
                || self.inherited.contains(child)
                || self.is_named_as_a_warden(child.pid)
        };
        let children = children(&self.host_id).unwrap_or_default();
        children
            .into_iter()
            .filter(|child| !is_ours(child))
            .collect()
    }

    fn is_named_as_a_warden(&self, pid: i32) -> bool {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| self.names.iter().any(|known| name.trim_end() == known))
    }
}
