//! Hooks: programs that are told of events. Which there are is said here; [`herald`] reads the events,
//! [`tell`] tells one of them, [`keeper`] runs a program, [`window`] knows up to where all is told.
//!
//! A hook is told at least once: one that was being told when its dispatcher died is told again. The
//! dispatcher's loop knows nothing of all this; the processes are reaped where all are.

pub(crate) mod herald;
mod keeper;
mod tell;
mod window;

use std::collections::BTreeMap;

use tenure_store::event::EventKind;

/// Which programs are told of which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// By the kind of event; each an argv, which is not empty.
    pub by_kind: BTreeMap<EventKind, Vec<String>>,
    /// Of every event.
    pub every: Option<Vec<String>>,
    /// Which variables are passed on to them, as to workers whose profile says nothing.
    pub pass_env: Vec<String>,
}

impl Hooks {
    fn is_empty(&self) -> bool {
        self.by_kind.is_empty() && self.every.is_none()
    }

    /// The programs that are told of events of a kind. None is told that one could not be told: that
    /// would be told for ever.
    fn of(&self, kind: EventKind) -> Vec<Vec<String>> {
        if kind == EventKind::HookFailed {
            return Vec::new();
        }
        let own = self.by_kind.get(&kind);
        own.into_iter().chain(&self.every).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_hook_tells_no_hook() {
        let argv = vec!["notify".to_owned()];
        let hooks = Hooks {
            by_kind: [(EventKind::HookFailed, argv.clone())].into(),
            every: Some(argv.clone()),
            pass_env: Vec::new(),
        };
        assert!(hooks.of(EventKind::HookFailed).is_empty());
        assert_eq!(hooks.of(EventKind::Ended), [argv]);
    }
}
