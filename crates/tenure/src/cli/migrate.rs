//! The flags of `migrate`.

use clap::Args;

#[derive(Debug, Args)]
pub struct Migrate {
    /// The store that moves; without this the one in force
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
    /// Where it moves to: an empty database or schema, or a file that is not there yet
    #[arg(long, value_name = "URL", required_unless_present = "undo")]
    pub to: Option<String>,
    /// Only say what would be copied
    #[arg(long, conflicts_with = "undo")]
    pub dry_run: bool,
    /// Give up a migration that is not finished: the store it began from is in use again
    #[arg(long, conflicts_with = "to")]
    pub undo: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
