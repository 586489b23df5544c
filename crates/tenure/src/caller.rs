//! How the caller named the store and the configuration. A command that is suggested names them
//! alike, so that, pasted into the same shell, it works on the same and on nothing else.
//!
//! What the environment says (`TENURE_DB` and the like) it says to the next command too, and need not
//! be repeated. So no password is: none was named on a command line.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use tenure_store::StoreUrl;

use crate::cli::Global;

/// How store and configuration were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// After the program's name.
    flags: String,
}

impl Caller {
    /// As a command line names them.
    pub fn of(global: &Global) -> Self {
        let mut caller = Self::default();
        if let Some(url) = global.db.as_deref().and_then(|url| url.parse().ok()) {
            caller.name_store(&url);
        }
        if let Some(file) = &global.config {
            caller.flag("--config", &absolute(file));
        }
        caller
    }

    fn name_store(&mut self, url: &StoreUrl) {
        match url {
            StoreUrl::Sqlite(path) => self.flag("--db", &absolute(path)),
            StoreUrl::Postgres(whole) => self.flag("--db", whole),
        }
    }

    fn flag(&mut self, flag: &str, value: &str) {
        self.flags = format!("{} {flag} {}", self.flags, quoted(value));
    }

    /// A command of ours: `tenure`, with this after it.
    pub fn tenure(&self, words: impl Display) -> String {
        format!("tenure{} {words}", self.flags)
    }

    /// The same for what is a command line already; one of another program stays as it is.
    pub fn command(&self, line: &str) -> String {
        match line.strip_prefix("tenure ") {
            Some(words) => self.tenure(words),
            None => line.to_owned(),
        }
    }

    /// The same for each command that stands between backticks in a message.
    pub fn message(&self, text: &str) -> String {
        const MARK: &str = "`tenure ";
        text.replace(MARK, &format!("`{}", self.tenure("")))
    }
}

/// A word as a shell takes it for one.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', r"'\''")).into()
}

/// A path that means the same in every folder.
fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path);
    absolute.as_deref().unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(db: Option<&str>, config: Option<&str>) -> Caller {
        Caller::of(&Global {
            db: db.map(ToOwned::to_owned),
            config: config.map(Into::into),
        })
    }

    #[test]
    fn a_command_names_what_was_named_and_nothing_else() {
        assert_eq!(caller(None, None).tenure("retry 7"), "tenure retry 7");
        let named = caller(Some("sqlite:///a/b c.db"), Some("/etc/x.toml"));
        let expected = "tenure --db '/a/b c.db' --config /etc/x.toml retry 7";
        assert_eq!(named.tenure("retry 7"), expected);
        assert_eq!(named.command("tenure retry 7"), expected);
        assert_eq!(named.command("kill -CONT 7"), "kill -CONT 7");
        let message = named.message("say `tenure retry 7`, or look: tenure is there");
        assert_eq!(
            message,
            format!("say `{expected}`, or look: tenure is there")
        );
        let here = std::env::current_dir().unwrap();
        let there = format!("tenure --db {}/x.db list", here.display());
        assert_eq!(caller(Some("x.db"), None).tenure("list"), there);
    }

    #[test]
    fn a_server_is_named_as_it_was() {
        let named = caller(Some("postgres://u@h/d?sslmode=require"), None).tenure("list");
        assert_eq!(named, "tenure --db 'postgres://u@h/d?sslmode=require' list");
    }

    #[test]
    fn a_shell_reads_a_quoted_word_as_it_was() {
        for word in ["plain-1.db", "it's", "a b", "", "$HOME", "a\"b\\"] {
            let line = format!("printf %s {}", quoted(word));
            let said = std::process::Command::new("sh")
                .args(["-c", &line])
                .output();
            assert_eq!(String::from_utf8(said.unwrap().stdout).unwrap(), word);
        }
    }
}
