//! Evidence: what a warden leaves in the run's folder as a last resort, when neither its dispatcher
//! nor the store takes what it knows.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tenure_guard::{Report, ReportId, RunId};
use tenure_store::life::End;

/// What a warden knew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The version of the file.
    pub v: u32,
    /// The run.
    pub run: RunId,
    /// The report that was kept.
    pub report: Option<(ReportId, Report)>,
    /// What was seen of the end.
    pub end: Option<End>,
}

/// Reads what a warden of this run left, if anything.
///
/// # Errors
/// When it cannot be read, or is no evidence of this run.
pub fn read(folder: &Path, run: RunId) -> io::Result<Option<Evidence>> {
    let path = folder.join("evidence.json");
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let evidence: Evidence = serde_json::from_slice(&text)?;
    Ok(Some(evidence).filter(|evidence| evidence.run == run))
}
