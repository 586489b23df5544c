//! `completions`: what a shell completes the command line with.

use clap::CommandFactory as _;

use crate::cli::{Cli, Completions, Shell};
use crate::failure::Failure;
use crate::output;

/// Prints the script.
pub fn run(args: &Completions) -> Result<(), Failure> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "tenure", &mut script);
    output::bytes(&script)
}
