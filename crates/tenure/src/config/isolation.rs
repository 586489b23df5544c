//! What a profile asks of the kernel for its workers, as it is written in a file.

use std::collections::BTreeMap;

use serde::Deserialize;
use tenure_warden::isolation::{Isolation, RLIMITS, Rlimit};

use super::shape::{Problem, ProfileShape};
use super::size;

/// The umask has three digits; what lies above is no permission.
const MAX_UMASK: u32 = 0o777;

/// As setpriority(2) has it.
const NICE: std::ops::RangeInclusive<i32> = -20..=19;

/// Beneath it no program so much as starts.
const MIN_MEMORY: u64 = 1 << 20;

/// The kernel has no more pids than this on any machine.
const MAX_PIDS: u64 = 1 << 22;

/// A limit: a number, a size, or none.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum LimitShape {
    Number(i64),
    Text(String),
}

impl ProfileShape {
    /// Reads and checks it.
    pub(super) fn isolation(&self, profile: &str) -> Result<Isolation, Problem> {
        let problem = |key: &str, what: String| Problem {
            key: format!("profiles.{profile}.{key}"),
            what,
        };
        let read = |key: &str, what: Result<_, String>| what.map_err(|what| problem(key, what));
        if self.user.as_deref().is_some_and(|user| !is_user_name(user)) {
            let what = format!(
                "{:?} is no user's name: one of this host's is expected, like \"nobody\"",
                self.user.as_deref().unwrap_or_default()
            );
            return Err(problem("user", what));
        }
        if let Some(nice) = self.nice.filter(|nice| !NICE.contains(nice)) {
            let what = format!("{nice} is out of range: -20 to 19 is expected");
            return Err(problem("nice", what));
        }
        if let Some(count) = self
            .pids_max
            .filter(|count| !(1..=MAX_PIDS).contains(count))
        {
            let what = format!("{count} is out of range: 1 to {MAX_PIDS} is expected");
            return Err(problem("pids_max", what));
        }
        let umask = self.umask.as_deref().map(umask).transpose();
        let memory_max = self.memory_max.as_deref().map(memory).transpose();
        let umask = umask.map_err(|what| problem("umask", what))?;
        let rlimits = self.rlimits.iter().map(|(name, limit)| {
            let key = format!("rlimits.{name}");
            read(&key, rlimit(name, limit)).map(|limit| (name.clone(), limit))
        });
        Ok(Isolation {
            user: self.user.clone(),
            umask,
            nice: self.nice,
            rlimits: rlimits.collect::<Result<BTreeMap<_, _>, _>>()?,
            memory_max: memory_max.map_err(|what| problem("memory_max", what))?,
            pids_max: self.pids_max,
            no_new_privs: self.no_new_privs.unwrap_or(false),
        })
    }
}

/// Whether there can be such a user; whether there is one, the host of the run knows.
fn is_user_name(name: &str) -> bool {
    let is_plain = |character: char| !character.is_control() && !matches!(character, ':' | '/');
    !name.trim().is_empty() && name.chars().all(is_plain)
}

fn umask(text: &str) -> Result<u32, String> {
    let bits = u32::from_str_radix(text, 8).ok();
    bits.filter(|bits| *bits <= MAX_UMASK && text.starts_with(|first: char| first.is_ascii_digit()))
        .ok_or_else(|| format!("{text:?} is no umask: octal digits are expected, like \"0027\""))
}

fn memory(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        bytes if bytes < MIN_MEMORY => Err(format!(
            "{text:?} is too little for any program: at least 1MiB is expected"
        )),
        bytes => Ok(bytes),
    }
}

/// One limit; `None` is no limit.
fn rlimit(name: &str, limit: &LimitShape) -> Result<Option<u64>, String> {
    let Some(known) = Rlimit::find(name) else {
        let names = RLIMITS.map(|limit| limit.name).join(", ");
        return Err(format!("there is no such limit: {names} are known"));
    };
    match limit {
        LimitShape::Number(number) => u64::try_from(*number).map(Some).map_err(|_| {
            format!("{number} is no limit: a number from 0, or \"unlimited\", is expected")
        }),
        LimitShape::Text(text) if text == "unlimited" => Ok(None),
        LimitShape::Text(text) if known.is_bytes => size::parse(text).map(Some),
        LimitShape::Text(text) => Err(format!(
            "{text:?} is no limit: a number, or \"unlimited\", is expected"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Isolation, Problem> {
        let shape: ProfileShape = toml::from_str(text).unwrap();
        shape.isolation("p")
    }

    #[test]
    fn what_is_written_arrives_and_what_is_not_asks_for_nothing() {
        assert_eq!(read(""), Ok(Isolation::default()));
        let isolation = read(
            "user = 'nobody'\numask = '0027'\nnice = -5\nmemory_max = '512MiB'\npids_max = 64\n\
             no_new_privs = true\n\
             rlimits = { nofile = 1024, core = 0, as = '2GiB', nproc = 'unlimited' }",
        );
        let rlimits = [
            ("as", Some(2 << 30)),
            ("core", Some(0)),
            ("nofile", Some(1024)),
            ("nproc", None),
        ];
        let expected = Isolation {
            user: Some("nobody".to_owned()),
            umask: Some(0o027),
            nice: Some(-5),
            rlimits: rlimits.map(|(name, limit)| (name.to_owned(), limit)).into(),
            memory_max: Some(512 << 20),
            pids_max: Some(64),
            no_new_privs: true,
        };
        assert_eq!(isolation, Ok(expected));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_key_its_value_and_the_way_out() {
        for (text, key, words) in [
            ("user = ' '", "user", &["\" \"", "nobody"][..]),
            ("user = 'a:b'", "user", &["a:b"]),
            ("umask = '0888'", "umask", &["0888", "octal"]),
            ("umask = '1777'", "umask", &["1777"]),
            ("umask = '+22'", "umask", &["+22"]),
            ("nice = 20", "nice", &["20", "-20 to 19"]),
            ("memory_max = '64'", "memory_max", &["64", "64MiB"]),
            ("memory_max = '1KiB'", "memory_max", &["1KiB", "1MiB"]),
            ("pids_max = 0", "pids_max", &["0", "1 to"]),
            (
                "rlimits = { file = 1 }",
                "rlimits.file",
                &["nofile", "stack"],
            ),
            ("rlimits = { nofile = -1 }", "rlimits.nofile", &["-1"]),
            ("rlimits = { nofile = '1KiB' }", "rlimits.nofile", &["1KiB"]),
            ("rlimits = { as = 'much' }", "rlimits.as", &["much", "MiB"]),
        ] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.key, format!("profiles.p.{key}"));
            for word in words {
                assert!(problem.what.contains(word), "{text:?}: {}", problem.what);
            }
        }
    }
}
