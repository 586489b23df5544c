//! The run's room and its log: made before the command, cleared away before the end is handed over,
//! kept within its limit in between.

use tenure_store::life::{End, Exit};

use super::{Stand, Worker};
use crate::clock::BootInstant;
use crate::command::{self, Start};
use crate::ending::Ending;
use crate::workspace::{Plan, Stage, say};

impl Stand {
    /// Begins: with the command, or with the room that it is to run in.
    pub(super) fn begin(&mut self, plan: Option<Plan>, start: Start, now: BootInstant) {
        match plan.map(Stage::make) {
            None => self.start(&start, now),
            Some(Ok(stage)) => {
                self.room = stage;
                self.worker = Worker::Awaited(Box::new(start));
            }
            Some(Err(end)) => self.worker = Worker::Absent(end),
        }
    }

    /// The room was made, or taken away.
    pub(super) fn room_done(&mut self, now: BootInstant) {
        let (room, made) = std::mem::replace(&mut self.room, Stage::Gone).advance();
        self.room = room;
        if !matches!(self.worker, Worker::Awaited(_)) {
            return;
        }
        let nobody = Worker::Absent(End::NeverStarted {
            reason: "it was told to end before its command started".to_owned(),
        });
        let awaited = std::mem::replace(&mut self.worker, nobody);
        match (made, awaited) {
            (Err(end), _) if self.ending == Ending::Steady => self.worker = Worker::Absent(end),
            (Ok(()), Worker::Awaited(start)) if self.ending == Ending::Steady => {
                self.start(&start, now);
            }
            (Ok(()) | Err(_), _) => {}
        }
    }

    fn start(&mut self, start: &Start, now: BootInstant) {
        let timeout = self.post.limits.heartbeat_timeout;
        self.silent_at = timeout.map(|timeout| now + timeout);
        self.worker = match command::start(start) {
            Ok(pid) => {
                self.post.uplink.started(pid, now);
                Worker::Runs { pid }
            }
            Err(end) => Worker::Absent(end),
        };
    }

    /// Whether the room is cleared away; begins with it where it is not.
    pub(super) fn clear_room(&mut self) -> bool {
        let success = match (self.seen.completed, &self.worker) {
            (Some(completed), _) => completed,
            (None, Worker::Ended { exit, .. }) => *exit == Exit::Code(0),
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
