//! Up to which event everything is told, while several are being told at once. Pure.

use std::collections::BTreeSet;

use tenure_store::EventId;

/// Events that were read: those being told, and how far everything before them is done.
#[derive(Debug)]
pub(super) struct Window {
    read: EventId,
    open: BTreeSet<EventId>,
}

impl Window {
    /// Everything up to `told` is told.
    pub(super) fn new(told: EventId) -> Self {
        Self {
            read: told,
            open: BTreeSet::new(),
        }
    }

    /// The last event that was read.
    pub(super) fn read(&self) -> EventId {
        self.read
    }

    /// Nobody is to be told of this one.
    pub(super) fn pass(&mut self, event: EventId) {
        self.read = self.read.max(event);
    }

    /// This one is being told.
    pub(super) fn begin(&mut self, event: EventId) {
        self.pass(event);
        self.open.insert(event);
    }

    /// This one is told.
    pub(super) fn done(&mut self, event: EventId) {
        self.open.remove(&event);
    }

    /// Up to which event everything is told.
    pub(super) fn told(&self) -> EventId {
        self.open
            .first()
            .map_or(self.read, |first| EventId(first.0 - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_after_the_first_that_is_being_told_counts_as_told() {
        let mut window = Window::new(EventId(3));
        window.pass(EventId(4));
        assert_eq!(window.told(), EventId(4));
        window.begin(EventId(5));
        window.begin(EventId(6));
        window.pass(EventId(7));
        window.done(EventId(6));
        assert_eq!((window.told(), window.read()), (EventId(4), EventId(7)));
        window.done(EventId(5));
        assert_eq!(window.told(), EventId(7));
    }
}
