//! `backup`: a copy of the store, while everything goes on.

use tenure_store::backup::BackupError;

use crate::cli::{Backup, Global};
use crate::config::{absolute, cwd};
use crate::failure::{Code, Failure};
use crate::output;
use crate::place::Place;

/// Writes it.
pub async fn run(global: &Global, args: &Backup) -> Result<(), Failure> {
    let file = absolute(&cwd()?, &args.file);
    let place = Place::find(global)?;
    let Some(store) = place.read().await? else {
        return Err(Failure::refused(format!(
            "there is no store yet at {}: nothing to back up",
            place.url
        )));
    };
    let backup = store.backup(&file).await?;
    if args.json {
        return output::json(&backup);
    }
    output::line(format!(
        "{}: {} tasks, {} runs, {} events, {} bytes; verified",
        backup.file.display(),
        backup.tasks,
        backup.runs,
        backup.events,
        backup.bytes
    ))
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let code = match &error {
            BackupError::Taken(_) | BackupError::UnderWay(_) | BackupError::Server { .. } => {
                Code::Refused
            }
            BackupError::Unwritten { .. } | BackupError::Unsound(_) | BackupError::Unopened(_) => {
                Code::Failed
            }
            BackupError::Store(_) => Code::Later,
        };
        Self::new(code, error)
    }
}
