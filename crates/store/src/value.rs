//! What is bound into a statement: a whole number or a text, or nothing of either.

use std::path::Path;

use tenure_guard::{BlockKind, ClaimLock, RunId, TaskId};

use crate::event::EventKind;
use crate::ids::{BatchId, DispatcherId, EventId};
use crate::life::{Ask, LinkKind, Outcome, TaskStatus};

/// A bound value. A missing one still has its type, which PostgreSQL wants to know.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
}

impl Value {
    /// As a part of a list that is bound as a whole.
    pub(crate) fn into_json(self) -> serde_json::Value {
        match self {
            Self::Number(number) => number.into(),
            Self::Text(text) => text.into(),
        }
    }
}

/// The values of a statement, in the order of its parameters.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::value::Value::from($value)),*] };
}
pub(crate) use values;

macro_rules! numbers {
    ($($from:ty => |$it:ident| $number:expr;)+) => {$(
        impl From<$from> for Value {
            fn from($it: $from) -> Self {
                Self::Number(Some($number))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::Number(value.map(|$it| $number))
            }
        }
    )+};
}

macro_rules! texts {
    ($($from:ty => |$it:ident| $text:expr;)+) => {$(
        impl From<$from> for Value {
            fn from($it: $from) -> Self {
                Self::Text(Some($text))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::Text(value.map(|$it| $text))
            }
        }
    )+};
}

numbers! {
    i64 => |number| number;
    i32 => |number| number.into();
    u32 => |number| number.into();
    TaskId => |id| id.0;
    RunId => |id| id.0;
    BatchId => |id| id.0;
    EventId => |id| id.0;
}

texts! {
    String => |text| text;
    &str => |text| text.to_owned();
    &Path => |path| path.to_string_lossy().into_owned();
    &ClaimLock => |lock| lock.expose().to_owned();
    DispatcherId => |id| id.to_string();
    TaskStatus => |word| word.name().to_owned();
    Ask => |word| word.name().to_owned();
    Outcome => |word| word.name().to_owned();
    EventKind => |word| word.name().to_owned();
    BlockKind => |word| word.name().to_owned();
    LinkKind => |word| word.name().to_owned();
}
