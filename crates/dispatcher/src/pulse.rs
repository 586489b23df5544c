//! The pulse: proof that a dispatcher can dispatch, for whoever asks. An answer means that the loop
//! turned and that the store was asked since; a store that is away is said, not hidden.
//!
//! When to ask, and what to do where no answer comes, is for the process around the dispatcher.
//! Nobody who does not ask costs a wake-up.

use tokio::sync::{mpsc, oneshot};

/// With this a running dispatcher is asked for its pulse.
#[derive(Clone, Debug)]
pub struct Heart {
    questions: mpsc::UnboundedSender<Question>,
}

/// What the loop is asked.
pub(crate) type Question = oneshot::Sender<Pulse>;

/// How a dispatcher is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Runs in its hands.
    pub runs: usize,
    /// Workers at once.
    pub slots: u32,
    /// Why the store did not answer, where it did not.
    pub store_away: Option<String>,
}

impl Heart {
    /// A heart, and where its questions come out.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Question>) {
        let (questions, asked) = mpsc::unbounded_channel();
        (Self { questions }, asked)
    }

    /// The next pulse; `None` where the dispatcher has finished. How long to wait is the caller's.
    pub async fn pulse(&self) -> Option<Pulse> {
        let (question, pulse) = oneshot::channel();
        self.questions.send(question).ok()?;
        pulse.await.ok()
    }
}
