//! Hooks: programs that are told of events. Which there are is said here. [`herald`] knows whether it is
//! ours to tell, and up to where all is told; a [`messenger`] tells one program, in the order of the
//! events, and knows by [`standing`] when to let it be; [`tell`] tells it once, and [`keeper`] runs it.
//!
//! A hook is told at least once: one that was being told when its dispatcher died is told again. No
//! program waits for another one. The dispatcher's loop knows nothing of all this; the processes are
//! reaped where all are.

pub(crate) mod herald;
mod keeper;
mod messenger;
mod standing;
mod tell;

use std::collections::{BTreeMap, BTreeSet};

use tenure_store::event::EventKind;
use tenure_store::read::Stored;

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

    /// The programs, each once with all that it is told of.
    fn programs(&self) -> Vec<Program> {
        let mut programs: BTreeMap<&[String], Wanted> = BTreeMap::new();
        for (kind, argv) in &self.by_kind {
            let wanted = programs.entry(argv).or_insert_with(Wanted::nothing);
            if let Wanted::Kinds(kinds) = wanted {
                kinds.insert(*kind);
            }
        }
        if let Some(argv) = &self.every {
            programs.insert(argv, Wanted::Every);
        }
        programs
            .into_iter()
            .map(|(argv, wanted)| Program {
                argv: argv.to_vec(),
                wanted,
            })
            .collect()
    }
}

/// A program that is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Program {
    argv: Vec<String>,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Every,
    Kinds(BTreeSet<EventKind>),
}

impl Wanted {
    fn nothing() -> Self {
        Self::Kinds(BTreeSet::new())
    }
}

impl Program {
    /// Its name, for people.
    fn name(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// Whether it is told of events of a kind. None is told that one could not be told: that would be
    /// told for ever.
    fn wants(&self, kind: &Stored<EventKind>) -> bool {
        if *kind == EventKind::HookFailed {
            return false;
        }
        match &self.wanted {
            Wanted::Every => true,
            Wanted::Kinds(kinds) => kind.known().is_some_and(|kind| kinds.contains(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[test]
    fn each_program_is_told_once_of_whatever_it_is_for_and_never_of_a_hook_that_failed() {
        let hooks = Hooks {
            by_kind: [
                (EventKind::Added, argv("one")),
                (EventKind::Ended, argv("one")),
                (EventKind::GaveUp, argv("all")),
                (EventKind::HookFailed, argv("one")),
            ]
            .into(),
            every: Some(argv("all")),
            pass_env: Vec::new(),
        };
        let programs = hooks.programs();
        let [all, one] = &programs[..] else {
            panic!("{programs:?}");
        };
        assert_eq!((all.name(), one.name()), ("all", "one"));
        for (kind, by_all, by_one) in [
            (EventKind::Added, true, true),
            (EventKind::Ended, true, true),
            (EventKind::GaveUp, true, false),
            (EventKind::HookFailed, false, false),
        ] {
            assert_eq!(all.wants(&kind.into()), by_all, "{kind}");
            assert_eq!(one.wants(&kind.into()), by_one, "{kind}");
        }
    }
}
