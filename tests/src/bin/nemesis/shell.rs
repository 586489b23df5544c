//! Runs the programs of the machine that make and change the field.

use std::process::Command;

use tenure_tests::Said;

/// Runs a program to its good end.
///
/// # Panics
/// Where it cannot be started or does not end well: nothing of the field can be relied on then.
#[track_caller]
pub fn run(line: &[&str]) -> String {
    let [program, arguments @ ..] = line else {
        panic!("a command line has a program");
    };
    Said::by(Command::new(program).args(arguments)).ok().out
}
