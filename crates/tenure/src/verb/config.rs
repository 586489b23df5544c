//! `config show`: what is in force, and where it came from.

use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output;
use crate::place::Place;

/// Prints it.
pub fn show(global: &Global, json: bool) -> Result<(), Failure> {
    Place::allowed(global)?;
    let merged = Config::merge(&global.flags())?;
    let store = merged.resolve()?.address()?;
    if json {
        let json = merged.to_json(&store);
        output::json(&json.map_err(|error| Failure::new(Code::Failed, error))?)
    } else {
        output::bytes(merged.to_toml(&store).as_bytes())
    }
}
