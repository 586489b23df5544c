//! The run's room and its log: made before the command, cleared away before the end is handed over,
//! kept within its limit in between.

use tenure_store::life::{End, Exit, Protocol};

use super::{Stand, Worker};
use crate::clock::BootInstant;
use crate::command::{self, Start};
use crate::ending::{Cue, Ending};
use crate::workspace::{Plan, Stage, say};

/// Begins: with the command, or with the room that it is to run in.
pub(super) fn begin(plan: Option<Plan>, start: Start) -> (Worker, Stage) {
    match plan.map(Stage::make) {
        None => (started(&start), Stage::Gone),
        Some(Ok(stage)) => (Worker::Awaited(Box::new(start)), stage),
        Some(Err(end)) => (Worker::Absent(end), Stage::Gone),
    }
}

fn started(start: &Start) -> Worker {
    match command::start(start) {
        Ok(pid) => Worker::Runs { pid },
        Err(end) => Worker::Absent(end),
    }
}

impl Stand {
    /// The room was made, or taken away.
    pub(super) fn room_done(&mut self, now: BootInstant) {
        let (room, made) = std::mem::replace(&mut self.room, Stage::Gone).advance();
        self.room = room;
        self.end_what_git_left(now);
        let Worker::Awaited(start) = &self.worker else {
            return;
        };
        self.worker = match made {
            // What we ended did not fail by itself.
            Ok(()) | Err(_) if self.ending != Ending::Steady => Worker::Absent(End::NeverStarted {
                reason: "it was told to end before its command started".to_owned(),
            }),
            Ok(()) => started(start),
            Err(end) => Worker::Absent(end),
        };
        if let Worker::Runs { pid } = self.worker {
            let timeout = self.post.limits.heartbeat_timeout;
            self.silent_at = timeout.map(|timeout| now + timeout);
            self.post.uplink.started(pid, now);
        }
    }

    /// A filter of the repository may leave a process as well as a worker may.
    fn end_what_git_left(&mut self, now: BootInstant) {
        if let (Worker::Ended { tree_dead, .. }, Stage::Gone) = (&mut self.worker, &self.room)
            && !self.tree.reap().empty
        {
            *tree_dead = false;
            self.cue(Cue::WorkerEnded, now);
        }
    }

    /// Whether the room is cleared away; begins with it where it is not.
    pub(super) fn clear_room(&mut self) -> bool {
        let success = match (self.seen.completed, &self.worker) {
            (Some(completed), _) => completed,
            (None, Worker::Ended { exit, .. }) => {
                self.post.protocol == Protocol::Exit && *exit == Exit::Code(0)
            }
            (None, Worker::Awaited(_) | Worker::Absent(_) | Worker::Runs { .. }) => false,
        };
        self.room = std::mem::replace(&mut self.room, Stage::Gone).clear(success);
        matches!(self.room, Stage::Gone)
    }

    /// Keeps the log within its limit.
    pub(super) fn mind_log(&mut self, now: BootInstant, written: bool) {
        let Some(log) = &mut self.post.log else {
            return;
        };
        let kept = if written {
            log.changed(now)
        } else {
            log.tick(now)
        };
        if let Err(errno) = kept {
            let problem = std::io::Error::from(errno);
            say(&format!(
                "log_max_bytes does not hold for this log: its filesystem gives nothing of a file back ({problem})"
            ));
            self.post.log = None;
        }
    }

    /// Cuts what the worker wrote at the very last.
    pub(super) fn close_log(&mut self) {
        if let Some(mut log) = self.post.log.take() {
            // What cannot be kept within its limit was said while it grew.
            let _ = log.look();
        }
    }
}
