//! Saying that a test does not run here, and why, so that nobody takes it for one that passed.

use std::io::Write;

/// Says it past the test runner, which keeps a passing test's words to itself.
pub fn skip(why: &str) {
    let words = format!("SKIPPED: {why}\n");
    // Where nobody listens nobody is misled.
    let _ = std::io::stderr().write_all(words.as_bytes());
}
