//! Counts words, and says so.

use tenure_guard::{Guard, Verdict};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = Guard::from_env()?;
    if let Verdict::StandDown { reason } = guard.check()? {
        tenure_guard::stand_down(&reason);
    }
    guard.heartbeat(Some("counting"))?;
    let text = std::fs::read_to_string("words.txt")?;
    let words = text.split_whitespace().count();
    guard.complete(Some(format!("{words} words")), None)?;
    Ok(())
}
