//! The program `tenure`.

fn main() -> std::process::ExitCode {
    tenure::main_impl()
}
