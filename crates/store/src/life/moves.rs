//! The legal moves of a task: one pure function.

use super::status::TaskStatus;
use super::streaks::Next;

/// What happens to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// A dispatcher takes it.
    Claimed,
    /// Its run closed; where it goes was concluded from the end.
    Ended(Next),
    /// Its last parent ended as it waits for.
    ParentsDone,
    /// A parent ended otherwise than it waits for, and will not end so any more.
    NotNeeded,
    /// Its time has come.
    Due,
    /// A person lets it wait.
    Blocked,
    /// A person lets it go on.
    Unblocked,
    /// A person wants it tried again, from a clean slate.
    Retried,
    /// A person does not want it any more.
    Cancelled,
    /// A person says that the work is done.
    Completed,
    /// A person lets it start now: its time does not count any more, nor do parents that were waived.
    Promoted,
    /// A person puts it away; what was not finished is not wanted any more.
    Archived,
    /// It claims to run, and no open run says so.
    Unclaimed,
}

/// What decides where a task rests when nothing else holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// A parent is not done.
    pub waits_for_parents: bool,
    /// Its time has not come.
    pub waits_for_time: bool,
}

impl Rest {
    /// Where a task rests that may run as soon as parents and time allow.
    pub fn status(self) -> TaskStatus {
        match (self.waits_for_parents, self.waits_for_time) {
            (true, _) => TaskStatus::Todo,
            (false, true) => TaskStatus::Scheduled,
            (false, false) => TaskStatus::Ready,
        }
    }
}

/// A move that this status does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {from} cannot be {}", .by.participle())]
pub struct IllegalMove {
    /// Where the task stands.
    pub from: TaskStatus,
    /// What was to happen.
    pub by: Move,
}

impl Move {
    /// For sentences: "a task that is done cannot be …".
    pub fn participle(&self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Ended(_) => "ended",
            Self::ParentsDone => "let go by its parents",
            Self::NotNeeded => "left out",
            Self::Due => "made ready",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Retried => "retried",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
            Self::Promoted => "promoted",
            Self::Archived => "archived",
            Self::Unclaimed => "freed of a claim",
        }
    }
}

impl TaskStatus {
    /// **The table of legal moves.** Where `by` leads from here; `rest` says where the task rests
    /// if the move lets it go.
    ///
    /// A running task is left only by the end of its run: a verb that takes it away records an
    /// [`super::Ask`] on the run instead.
    ///
    /// # Errors
    /// [`IllegalMove`] where this status does not allow the move.
    pub fn after(self, by: Move, rest: Rest) -> Result<Self, IllegalMove> {
        match (self, &by) {
            (Self::Ready, Move::Claimed) => Ok(Self::Running),

            (Self::Running, Move::Ended(Next::Done)) => Ok(Self::Done),
            (Self::Running, Move::Ended(Next::Again { .. })) => Ok(rest.status()),
            (Self::Running, Move::Ended(Next::Behind { .. })) => Ok(Self::Todo),
            (Self::Running, Move::Ended(Next::Blocked { .. })) => Ok(Self::Blocked),
            (Self::Running, Move::Ended(Next::Cancelled { .. })) => Ok(Self::Cancelled),

            (Self::Todo, Move::ParentsDone) if !rest.waits_for_parents => Ok(rest.status()),
            (Self::Scheduled, Move::Due) if !rest.waits_for_time => Ok(rest.status()),

            (Self::Todo | Self::Scheduled | Self::Ready, Move::Blocked) => Ok(Self::Blocked),
            (Self::Blocked, Move::Unblocked) => Ok(rest.status()),
            (
                Self::Todo
                | Self::Scheduled
                | Self::Ready
                | Self::Blocked
                | Self::Done
                | Self::Cancelled,
                Move::Retried,
            ) => Ok(rest.status()),
            (Self::Todo | Self::Scheduled | Self::Ready | Self::Blocked, Move::Cancelled) => {
                Ok(Self::Cancelled)
            }
            (Self::Todo | Self::Scheduled | Self::Ready | Self::Blocked, Move::Completed) => {
                Ok(Self::Done)
            }
            (Self::Todo | Self::Scheduled, Move::Promoted) if !rest.waits_for_parents => {
                Ok(Self::Ready)
            }
            (Self::Todo | Self::Scheduled | Self::Ready, Move::Archived) => Ok(Self::Cancelled),
            (Self::Blocked | Self::Done | Self::Cancelled, Move::Archived) => Ok(self),
            (Self::Running, Move::Unclaimed) => Ok(rest.status()),
            // What runs, or ran already, is somebody's; what waits for a person is nobody's yet.
            (Self::Todo | Self::Blocked, Move::NotNeeded) => Ok(Self::Cancelled),

            (
                Self::Todo
                | Self::Scheduled
                | Self::Ready
                | Self::Running
                | Self::Blocked
                | Self::Done
                | Self::Cancelled,
                Move::Claimed
                | Move::Ended(_)
                | Move::ParentsDone
                | Move::NotNeeded
                | Move::Due
                | Move::Blocked
                | Move::Unblocked
                | Move::Retried
                | Move::Cancelled
                | Move::Completed
                | Move::Promoted
                | Move::Archived
                | Move::Unclaimed,
            ) => Err(IllegalMove { from: self, by }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tenure_guard::BlockKind;

    use super::*;

    fn moves() -> Vec<Move> {
        vec![
            Move::Claimed,
            Move::Ended(Next::Done),
            Move::Ended(Next::Again {
                after: Duration::ZERO,
            }),
            Move::Ended(Next::Blocked {
                kind: BlockKind::GaveUp,
                reason: "max_lost".into(),
            }),
            Move::Ended(Next::Cancelled { archived: false }),
            Move::Ended(Next::Behind {
                parent: tenure_guard::TaskId(1),
            }),
            Move::ParentsDone,
            Move::NotNeeded,
            Move::Due,
            Move::Blocked,
            Move::Unblocked,
            Move::Retried,
            Move::Cancelled,
            Move::Completed,
            Move::Promoted,
            Move::Archived,
            Move::Unclaimed,
        ]
    }

    /// One column for each of [`moves`]; `R` is wherever the task rests, `Y` is ready, `=` is where it
    /// stands, `-` is illegal.
    const TABLE: [(TaskStatus, &str); 7] = [
        // claimed, done, again, blocked, cancelled, behind; parents, not needed, due; block, unblock,
        // retry, cancel; complete, promote, archive; unclaim
        (TaskStatus::Todo, "------RC-B-RCDYC-"),
        (TaskStatus::Scheduled, "--------RB-RCDYC-"),
        (TaskStatus::Ready, "X--------B-RCD-C-"),
        (TaskStatus::Running, "-DRBCT----------R"),
        (TaskStatus::Blocked, "-------C--RRCD-=-"),
        (TaskStatus::Done, "-----------R---=-"),
        (TaskStatus::Cancelled, "-----------R---=-"),
    ];

    const RESTS: [Rest; 4] = [
        Rest {
            waits_for_parents: false,
            waits_for_time: false,
        },
        Rest {
            waits_for_parents: false,
            waits_for_time: true,
        },
        Rest {
            waits_for_parents: true,
            waits_for_time: false,
        },
        Rest {
            waits_for_parents: true,
            waits_for_time: true,
        },
    ];

    #[test]
    fn every_pair_of_status_and_move_is_as_in_the_table() {
        assert_eq!(TABLE.map(|(status, _)| status), TaskStatus::ALL);
        for (from, row) in TABLE {
            assert_eq!(row.len(), moves().len());
            for (by, cell) in moves().into_iter().zip(row.chars()) {
                for rest in RESTS {
                    let waits_still = match by {
                        Move::ParentsDone | Move::Promoted => rest.waits_for_parents,
                        Move::Due => rest.waits_for_time,
                        Move::Claimed
                        | Move::Ended(_)
                        | Move::NotNeeded
                        | Move::Blocked
                        | Move::Unblocked
                        | Move::Retried
                        | Move::Cancelled
                        | Move::Completed
                        | Move::Archived
                        | Move::Unclaimed => false,
                    };
                    let expected = match cell {
                        'X' => Some(TaskStatus::Running),
                        'D' => Some(TaskStatus::Done),
                        'B' => Some(TaskStatus::Blocked),
                        'C' => Some(TaskStatus::Cancelled),
                        'Y' if !waits_still => Some(TaskStatus::Ready),
                        '=' => Some(from),
                        'T' => Some(TaskStatus::Todo),
                        'R' if !waits_still => Some(rest.status()),
                        _ => None,
                    };
                    let found = from.after(by.clone(), rest);
                    assert_eq!(found.clone().ok(), expected, "{from} {by:?} {rest:?}");
                    if let Err(illegal) = found {
                        assert_eq!(
                            illegal,
                            IllegalMove {
                                from,
                                by: by.clone()
                            }
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_task_rests_where_parents_and_time_let_it() {
        use TaskStatus::{Ready, Scheduled, Todo};
        assert_eq!(RESTS.map(Rest::status), [Ready, Scheduled, Todo, Todo]);
    }

    #[test]
    fn an_illegal_move_says_where_the_task_stands_and_what_was_to_happen() {
        let illegal = TaskStatus::Done.after(Move::Blocked, RESTS[0]).unwrap_err();
        assert_eq!(illegal.to_string(), "a task that is done cannot be blocked");
    }
}
