//! Who belongs to a killed warden's run: decided from what was seen of a process, and nothing is seen
//! here.
//!
//! The claim lock in an environment says so, or another lock says not; a child of ours
//! is ours. There remains the session, whose number was the warden's pid. The kernel gives a number
//! away again only when no process, group or session has it, so:
//!
//! - while the warden is there, if only unreaped, the session is ours;
//! - while one that is known as ours is in the session, the session is ours;
//! - where another process has the number, the old session had been empty: whoever is in the session
//!   of that number is a stranger;
//! - where nobody has it, it is the old session, or one whose leader came later and died. Two things
//!   tell them apart: an orphan of the old one comes to a caller that was the warden's parent; and the
//!   worker led a group of its own, so that one in that group of that session would be a stranger only
//!   where both numbers were given away again in concert. Since a daemon may well have a dead
//!   leader, who shows an environment of its own is left alone even then.

/// What is known of a process that may be ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) named: Named,
    pub(super) parent: Parent,
    pub(super) session: Option<Session>,
}

/// What an environment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Our claim lock.
    Run,
    /// Another one.
    OtherRun,
    /// None.
    Nobody,
    /// It is empty, or closed to us.
    Hidden,
}

/// Whose child it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// One that is ours.
    Held,
    /// This process.
    Us,
    /// Anybody else.
    Other,
}

/// What is known of one in the session of the warden's number, which started no earlier than it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) leader: Leader,
    /// Whether one that is ours is in it.
    pub(super) has_held: bool,
    /// Whether this one is in the worker's group.
    pub(super) in_workers_group: bool,
}

/// Who has the warden's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    Warden,
    Another,
    Nobody,
}

/// Whether it is ours.
pub(super) fn is_ours(facts: Facts) -> bool {
    let in_our_session = |session: Session| match session.leader {
        Leader::Warden => true,
        Leader::Another => false,
        Leader::Nobody => {
            session.has_held
                || facts.parent == Parent::Us
                || (session.in_workers_group && facts.named == Named::Hidden)
        }
    };
    match (facts.parent, facts.named) {
        (Parent::Held, _) | (_, Named::Run) => true,
        (_, Named::OtherRun) => false,
        (Parent::Us | Parent::Other, Named::Nobody | Named::Hidden) => {
            facts.session.is_some_and(in_our_session)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(leader: Leader, has_held: bool, in_workers_group: bool) -> Session {
        Session {
            leader,
            has_held,
            in_workers_group,
        }
    }

    #[test]
    fn what_could_be_a_stranger_is_left_alone() {
        use {Leader as L, Named as N, Parent as P};
        let none = Some(of(L::Nobody, false, false));
        let group = Some(of(L::Nobody, false, true));
        let beside = Some(of(L::Nobody, true, false));
        let warden = Some(of(L::Warden, false, false));
        let another = Some(of(L::Another, true, true));
        let table = [
            // The lock decides, and the parent.
            (N::Run, P::Other, None, true),
            (N::Run, P::Other, another, true),
            (N::OtherRun, P::Held, None, true),
            (N::OtherRun, P::Us, warden, false),
            (N::OtherRun, P::Other, beside, false),
            (N::Hidden, P::Held, None, true),
            // A number alone says nothing.
            (N::Hidden, P::Other, None, false),
            (N::Hidden, P::Us, None, false),
            (N::Hidden, P::Us, another, false),
            (N::Hidden, P::Other, another, false),
            (N::Hidden, P::Other, none, false),
            (N::Nobody, P::Other, none, false),
            (N::Nobody, P::Other, group, false),
            // With something that agrees it does.
            (N::Hidden, P::Other, group, true),
            (N::Nobody, P::Other, warden, true),
            (N::Nobody, P::Other, beside, true),
            (N::Nobody, P::Us, none, true),
            (N::Hidden, P::Us, none, true),
        ];
        for (named, parent, session, expected) in table {
            let facts = Facts {
                named,
                parent,
                session,
            };
            assert_eq!(is_ours(facts), expected, "{facts:?}");
        }
    }
}
