//! asks: what a task asks of whoever runs it, and whether this program understands all of it. What a newer
//! one added may ask for more: a task is run as it was meant, or not by us.

use std::collections::BTreeMap;

use sqlx::FromRow;
use tenure_guard::TaskId;

use crate::error::Error;
use crate::lane::Lane;
use crate::life::{LimitsLayer, Recurrence};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// What its columns say, understood.
#[derive(Debug)]
pub(crate) struct Asks {
    /// The task's own command, where its profile is `shell`.
    pub(crate) command: Option<Vec<String>>,
    /// The task's environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Its own limits.
    pub(crate) limits: LimitsLayer,
}

impl Asks {
    /// From what the store wrote.
    ///
    /// # Errors
    /// [`Error::Unreadable`], naming the column and what is not understood in it.
    pub(crate) fn read(command: Option<&str>, env: &str, limits: &str) -> Result<Self, Error> {
        let command = command.map(serde_json::from_str).transpose();
        Ok(Self {
            command: command.map_err(|error| beyond("command", &error))?,
            env: serde_json::from_str(env).map_err(|error| beyond("env", &error))?,
            limits: serde_json::from_str(limits).map_err(|error| beyond("limits", &error))?,
        })
    }
}

/// What of a lane this program does not understand; nothing where it understands all of it.
pub(crate) fn beyond_lane(text: &str) -> Option<String> {
    let refused = Lane::read(text).err()?;
    Some(format!("lane: {}", words(&refused)))
}

#[derive(FromRow)]
struct AsksOfTask {
    lane: String,
    command: Option<String>,
    env: String,
    limits: String,
    recurrence: Option<String>,
}

/// What a task asks that this program does not understand; nothing where it understands all of it.
pub(crate) async fn beyond_us(tx: &mut Transaction, task: TaskId) -> Result<Option<String>, Error> {
    let row: Option<AsksOfTask> = tx.fetch_one(&sql::ASKS_OF_TASK, values![task]).await?;
    let row = row.ok_or(Error::NoSuchTask(task))?;
    let asks = Asks::read(row.command.as_deref(), &row.env, &row.limits).err();
    let recurs = row.recurrence.as_deref();
    let recurs = recurs.and_then(|text| serde_json::from_str::<Recurrence>(text).err());
    Ok(beyond_lane(&row.lane)
        .or_else(|| asks.as_ref().map(words))
        .or_else(|| Some(words(&beyond("recurrence", &recurs?)))))
}

/// Which column it is, and what is not understood in it.
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::Unreadable(words) => words.clone(),
        other => other.to_string(),
    }
}

fn beyond(column: &str, error: &serde_json::Error) -> Error {
    Error::Unreadable(format!("{column}: {error}"))
}
