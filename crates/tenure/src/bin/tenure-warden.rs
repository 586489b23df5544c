//! The program `tenure-warden`.

fn main() -> std::process::ExitCode {
    tenure::warden_main()
}
