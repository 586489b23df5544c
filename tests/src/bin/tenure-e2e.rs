//! A copy of `tenure`, which cargo builds for the tests of this package.

fn main() -> std::process::ExitCode {
    tenure::main_impl()
}
