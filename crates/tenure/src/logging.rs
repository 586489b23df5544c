//! Logs go to the standard error: for people on a terminal, compact lines elsewhere, JSON on
//! request. `TENURE_LOG`, else `RUST_LOG`, says what is logged.

use std::io::{IsTerminal as _, Write};

use indicatif::ProgressBar;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::LogFormat;
use crate::failure::Failure;

/// Begins to log.
///
/// # Errors
/// A usage error where the filter cannot be read.
pub fn begin(format: LogFormat, default: &str, beside: Option<ProgressBar>) -> Result<(), Failure> {
    let filter = filter(default)?;
    let writer = Stderr { beside };
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(writer);
    match (format, is_terminal) {
        (LogFormat::Json, _) => builder.json().init(),
        (LogFormat::Text, true) => builder.init(),
        (LogFormat::Text, false) => builder.compact().init(),
    }
    Ok(())
}

fn filter(default: &str) -> Result<EnvFilter, Failure> {
    for name in ["TENURE_LOG", "RUST_LOG"] {
        if let Some(text) = std::env::var(name).ok().filter(|text| !text.is_empty()) {
            return EnvFilter::try_new(&text).map_err(|error| {
                Failure::usage(format!("{name}={text:?} is no filter for logs ({error}): like info,tenure_dispatcher=debug is expected"))
            });
        }
    }
    Ok(EnvFilter::new(default))
}

/// The standard error, on which a progress bar may be drawn that has to step aside.
struct Stderr {
    beside: Option<ProgressBar>,
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { stderr: self }
    }
}

struct Line<'a> {
    stderr: &'a Stderr,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let write = || std::io::stderr().lock().write(bytes);
        match &self.stderr.beside {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}
