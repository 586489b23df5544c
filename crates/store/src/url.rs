//! Where a store is. A password in it is never shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::OpenError;

/// The address of a store.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file: `sqlite:///absolute/path`, or just a path.
    Sqlite(PathBuf),
    /// A server: `postgres://user@host/database`.
    Postgres(String),
}

impl StoreUrl {
    /// The whole address, password included: only for a pipe to a warden of our own.
    pub fn expose(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// The address of a server for a shell to read between double quotes, each password in it replaced;
    /// nothing where it has none.
    pub fn with_password_as(&self, instead: &str) -> Option<String> {
        let Self::Postgres(url) = self else {
            return None;
        };
        let (scheme, rest) = url.split_once("://")?;
        let (user, rest) = rest.split_at(at_host(rest));
        let mut has_any = false;
        let mut text = match user.split_once(':') {
            Some((user, _)) => {
                has_any = true;
                format!("{scheme}://{}:{instead}", escaped(user))
            }
            None => format!("{scheme}://{}", escaped(user)),
        };
        let mut parts = rest.split_inclusive(['?', '&']);
        text.extend(parts.next().map(escaped));
        for parameter in parts {
            match parameter.split_once('=') {
                Some((key, value)) if key.contains("password") => {
                    has_any = true;
                    let next = if value.ends_with('&') { "&" } else { "" };
                    text.extend([escaped(key).as_str(), "=", instead, next]);
                }
                Some(_) | None => text.push_str(&escaped(parameter)),
            }
        }
        has_any.then_some(text)
    }

    /// Whether a password stands in it, for all to see who see the address.
    pub fn holds_password(&self) -> bool {
        self.with_password_as("").is_some()
    }

    /// The same address, a relative path taken from `folder`.
    #[must_use]
    pub fn from_folder(self, folder: &Path) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(folder.join(path)),
            Self::Postgres(url) => Self::Postgres(url),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        let refuse = |problem: &str| {
            Err(OpenError::Address {
                url: redact(text),
                problem: problem.to_owned(),
            })
        };
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        let path = match text.split_once("://") {
            Some(("sqlite", path)) => path,
            Some(_) => return refuse("sqlite:// or postgres:// is expected"),
            None => text.strip_prefix("sqlite:").unwrap_or(text),
        };
        if path.is_empty() {
            return refuse("the path is empty");
        }
        if path.contains('?') {
            return refuse("a store's file takes no parameters");
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// As a shell reads it between double quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        if matches!(one, '"' | '\\' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(one);
    }
    escaped
}

/// Without what stands between user and host.
fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (user, host) = rest.split_at(at_host(rest));
    let user = user.split(':').next().unwrap_or_default();
    let query_free = host.split('?').next().unwrap_or_default();
    format!("{scheme}://{user}{query_free}")
}

/// Where the host begins, with the `@` before it where there is one. A password that should have been
/// written otherwise, with a slash in it, is one all the same.
fn at_host(rest: &str) -> usize {
    let query = rest.find('?').unwrap_or(rest.len());
    let path = rest.find('/').unwrap_or(rest.len());
    rest[..query.max(path)].rfind('@').unwrap_or(0)
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(&redact(url)),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_both_schemes_are_understood() {
        let path = StoreUrl::Sqlite("/a/b.db".into());
        assert_eq!("/a/b.db".parse::<StoreUrl>().unwrap(), path);
        assert_eq!("sqlite:///a/b.db".parse::<StoreUrl>().unwrap(), path);
        assert!(matches!(
            "postgres://u@h/d".parse(),
            Ok(StoreUrl::Postgres(_))
        ));
        for wrong in ["", "sqlite://", "mysql://h/d", "sqlite:///a?mode=ro"] {
            assert!(
                wrong.parse::<StoreUrl>().is_err(),
                "{wrong:?} was taken for an address"
            );
        }
    }

    #[test]
    fn a_password_is_noticed_wherever_it_stands() {
        for open in [
            "postgres://u:secret@h/d",
            "postgres://u@h/d?sslmode=require&password=x",
            // Nobody should, and somebody will.
            "postgres://u:sec/ret@h/d",
        ] {
            assert!(open.parse::<StoreUrl>().unwrap().holds_password(), "{open}");
        }
        for closed in [
            "/a/b:c@d.db",
            "postgres://u@h:5432/d?application_name=a:b@c",
        ] {
            assert!(
                !closed.parse::<StoreUrl>().unwrap().holds_password(),
                "{closed}"
            );
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: StoreUrl = "postgres://user:secret@host:5432/db?sslpassword=secret"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "postgres://user@host:5432/db");
        assert!(!format!("{url:?}").contains("secret"));
        for odd in ["postgres://u:se/cret@h/d", "postgres://u:se?cret@h/d"] {
            let url: StoreUrl = odd.parse().unwrap();
            assert_eq!(url.to_string(), "postgres://u@h/d");
        }
    }

    #[test]
    fn each_password_is_replaced_and_the_rest_is_kept() {
        let replaced = |url: &str| url.parse::<StoreUrl>().unwrap().with_password_as("P");
        for (url, expected) in [
            ("postgres://u:a@b@h:1/d", Some("postgres://u:P@h:1/d")),
            ("postgres://u:a/b@h/d", Some("postgres://u:P@h/d")),
            (
                "postgres://h/d?password=a",
                Some("postgres://h/d?password=P"),
            ),
            (
                "postgres://h/d?user=u&password=a&host=/run",
                Some("postgres://h/d?user=u&password=P&host=/run"),
            ),
            ("postgres://u$x:a@h", Some("postgres://u\\$x:P@h")),
            ("postgres://u@h/d?sslmode=require", None),
            ("postgres:///d", None),
            ("/a/b.db", None),
        ] {
            assert_eq!(replaced(url).as_deref(), expected, "{url}");
        }
    }
}
