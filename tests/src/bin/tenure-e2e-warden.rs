//! A copy of `tenure-warden`; it lies beside the copy of `tenure`, so that is where that looks for it.

fn main() -> std::process::ExitCode {
    tenure::warden_main()
}
