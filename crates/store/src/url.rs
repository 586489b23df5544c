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

    /// Whether a password stands in it, for all to see who see the address.
    pub fn holds_password(&self) -> bool {
        let Self::Postgres(url) = self else {
            return false;
        };
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let end = before.find('/').unwrap_or(before.len());
        let user = before[..end].rfind('@').map(|at| &before[..at]);
        let mut keys = query.split('&').filter_map(|pair| pair.split('=').next());
        user.is_some_and(|user| user.contains(':')) || keys.any(|key| key.contains("password"))
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

/// Without what stands between user and host.
fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => {
            let user = rest[..at].split(':').next().unwrap_or_default();
            let query_free = rest[at..].split('?').next().unwrap_or_default();
            format!("{scheme}://{user}{query_free}")
        }
        None => format!("{scheme}://{}", rest.split('?').next().unwrap_or_default()),
    }
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
        ] {
            assert!(open.parse::<StoreUrl>().unwrap().holds_password(), "{open}");
        }
        for closed in [
            "/a/b:c@d.db",
            "postgres://u@h:5432/d?application_name=a:b@c",
            "postgresql://h/d:x@y",
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
    }
}
