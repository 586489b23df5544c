//! The flags of the programs that prove: each takes a whole number and has a default.

use std::collections::BTreeMap;
use std::process::ExitCode;

/// The flags of a program, as they were given.
#[derive(Debug)]
pub struct Flags {
    values: BTreeMap<&'static str, u64>,
}

impl Flags {
    /// The flags of this process; else its exit code, once it has said how it is used.
    ///
    /// # Errors
    /// The exit code of a program that was not understood.
    pub fn given(known: &[(&'static str, u64)]) -> Result<Self, ExitCode> {
        Self::read(known, std::env::args().skip(1)).map_err(|usage| {
            eprintln!("{usage}");
            ExitCode::from(2)
        })
    }

    /// Reads the arguments; `known` has each flag without its dashes, and its default.
    ///
    /// # Errors
    /// How the program is used, where an argument is none of them.
    pub fn read(
        known: &[(&'static str, u64)],
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Self, String> {
        let usage = || {
            let flags: Vec<String> = known
                .iter()
                .map(|(name, default)| format!("[--{name} {default}]"))
                .collect();
            format!("usage: {}, each a whole number", flags.join(" "))
        };
        let mut values: BTreeMap<_, _> = known.iter().copied().collect();
        let mut arguments = arguments.into_iter();
        while let Some(flag) = arguments.next() {
            let name = known
                .iter()
                .map(|(name, _)| *name)
                .find(|name| flag.strip_prefix("--") == Some(name))
                .ok_or_else(usage)?;
            let value = arguments.next().and_then(|value| value.parse().ok());
            values.insert(name, value.ok_or_else(usage)?);
        }
        Ok(Self { values })
    }

    /// What a flag is.
    ///
    /// # Panics
    /// Where the program does not know it.
    pub fn get(&self, name: &str) -> u64 {
        *self.values.get(name).expect("a flag that is known")
    }

    /// The same, for counting things.
    ///
    /// # Panics
    /// As [`Flags::get`], and where it is more than can be counted.
    pub fn count(&self, name: &str) -> usize {
        usize::try_from(self.get(name)).expect("a count fits into the memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(&str, u64); 2] = [("count", 7), ("seed", 1)];

    fn read(arguments: &[&str]) -> Result<Flags, String> {
        Flags::read(&KNOWN, arguments.iter().map(ToString::to_string))
    }

    #[test]
    fn what_is_not_given_is_the_default() {
        let flags = read(&["--seed", "9"]).unwrap();
        assert_eq!((flags.get("count"), flags.get("seed")), (7, 9));
    }

    #[test]
    fn what_is_not_understood_is_answered_with_the_usage() {
        for wrong in [&["--what", "1"][..], &["--seed"], &["--seed", "x"], &["9"]] {
            let usage = read(wrong).unwrap_err();
            assert!(usage.contains("[--count 7] [--seed 1]"), "{usage}");
        }
    }
}
