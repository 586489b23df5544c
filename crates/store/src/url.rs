//! Where a store is. A password in it is never shown.
//!
//! What an address of a server may say beside host and database is known here, and anything else is an
//! error: a misspelt `sslmode` that nobody read would be a link that nobody encrypts.

mod files;
mod parts;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::error::OpenError;
pub(crate) use files::problem_of_files;
use files::settled;
use parts::{Parts, parameters, problem_of, redact, say, without_password};

/// The address of a store.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file: `sqlite:///absolute/path`, or just a path.
    Sqlite(PathBuf),
    /// A server: `postgres://user@host/database`.
    Postgres(String),
}

impl StoreUrl {
    /// The whole address, password included: for whoever lays configurations over each other.
    pub fn expose(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// The whole address, with everything that this process's environment and `~/.pgpass` add to it:
    /// only for a pipe to a warden of our own, which has neither.
    pub fn expose_settled(&self) -> String {
        match self {
            Self::Sqlite(_) => self.expose(),
            Self::Postgres(url) => match PgConnectOptions::from_str(url) {
                Ok(options) => settled(url, &options),
                Err(_) => url.clone(),
            },
        }
    }

    /// The same address with a password, which it has none of; a file needs none.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        let Self::Postgres(url) = &self else {
            return self;
        };
        let mut with = url.clone();
        say(&mut with, "password", password);
        Self::Postgres(with)
    }

    /// Whether a password stands in it, for all to see who see the address.
    pub fn holds_password(&self) -> bool {
        let Self::Postgres(url) = self else {
            return false;
        };
        let parts = Parts::of(url);
        parts.user.contains(':') || parameters(parts.query).any(|(key, _)| key == "password")
    }

    /// Whether both lead to the same place, whatever password each of them has.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Postgres(url), Self::Postgres(other)) => {
                without_password(url) == without_password(other)
            }
            (Self::Sqlite(_) | Self::Postgres(_), _) => self == other,
        }
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
            return match problem_of(text) {
                Some(problem) => refuse(&problem),
                None => Ok(Self::Postgres(text.to_owned())),
            };
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
        for closed in ["/a/b:c@d.db", "postgres://u@h:5432/d?sslcert=/a:b@c"] {
            assert!(
                !closed.parse::<StoreUrl>().unwrap().holds_password(),
                "{closed}"
            );
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: StoreUrl = "postgres://user:secret@host:5432/db?password=secret"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "postgres://user@host:5432/db");
        assert!(!format!("{url:?}").contains("secret"));
        let server: StoreUrl = "postgres://user:secret@/db?host=/run".parse().unwrap();
        assert_eq!(server.to_string(), "postgres://user@/db");
        let other = "mysql://user:se@cret@host/db".parse::<StoreUrl>();
        let other = other.unwrap_err().to_string();
        assert!(other.contains("mysql://user@host/db"), "{other}");
    }

    #[test]
    fn a_password_that_should_have_been_written_by_escapes_is_refused_unseen() {
        for odd in [
            "user:se/cret@host/db",
            "user:se?cret@host/db",
            "user:s/e?cret@host/db",
            "user:s?e/cret@host/db",
            "user:s/e?cret=x@host/db",
            "user:s@cret/e?cret@host/db",
            "user:s@cret/e@cret@host/db",
            "user:5/e?cret@host/db",
            "user:5/e?user=cret@host/db",
            "user:se#cret@host/db",
            "user:secret/db",
            "user:secret",
        ] {
            let message = format!("postgres://{odd}").parse::<StoreUrl>();
            let message = message.unwrap_err().to_string();
            assert!(!message.contains("cret"), "{odd}: {message}");
            assert!(message.contains("postgres://user"), "{odd}: {message}");
            assert!(message.contains('%'), "{odd}: {message}");
            let shown = StoreUrl::Postgres(format!("postgres://{odd}")).to_string();
            assert!(!shown.contains("cret"), "{odd}: {shown}");
        }
        for plain in [
            "h",
            "h:5432/d",
            "u@h:5432/d",
            "u@[::1]:5432/d",
            "[::1]/d",
            "me@server@h/d",
            "u@%2Frun%2Fpg/d",
        ] {
            let plain = format!("postgres://{plain}");
            let url = format!("{plain}?sslcert=/a").parse::<StoreUrl>().unwrap();
            assert_eq!(url.to_string(), plain);
        }
    }

    #[test]
    fn the_same_place_is_known_whatever_the_password_is() {
        let url = |text: &str| text.parse::<StoreUrl>().unwrap();
        let place = url("postgres://u@h/d?sslmode=require");
        for same in [
            "postgres://u:a@h/d?sslmode=require",
            "postgres://u@h/d?sslmode=require&password=b",
        ] {
            assert!(place.is_same_place(&url(same)), "{same}");
            assert!(url(same).is_same_place(&place), "{same}");
        }
        let rotated = url("postgres://u@h/d").with_password("a");
        assert!(rotated.is_same_place(&url("postgres://u:b@h/d")));
        for other in [
            "postgres://u:a@h/other?sslmode=require",
            "postgres://v:a@h/d?sslmode=require",
            "postgres://u:a@h/d",
            "/h/d",
        ] {
            assert!(!place.is_same_place(&url(other)), "{other}");
        }
        assert!(url("/a.db").is_same_place(&url("sqlite:///a.db")));
        assert!(!url("/a.db").is_same_place(&url("/b.db")));
    }

    #[test]
    fn a_parameter_that_nobody_reads_is_an_error_without_its_value() {
        for (query, named) in [
            ("sslmod=verify-full", "sslmod"),
            ("sslmode=allow", "verify-full"),
            ("sslrootcert=ca.crt", "absolute"),
            ("sslpassword=hunter2", "sslpassword"),
            ("options=-c%20x=hunter2", "options"),
            ("hunter2", "of such a name"),
            ("sslmode=require#sslmode=verify-full", "%23"),
        ] {
            let wrong = format!("postgres://u@h/d?{query}").parse::<StoreUrl>();
            let message = wrong.unwrap_err().to_string();
            assert!(message.contains(named), "{query}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        for right in [
            "sslmode=verify-full&sslrootcert=/ca.crt",
            "sslkey=%2fa.key&sslcert=%2Fa.crt",
            "host=/run/pg",
        ] {
            let url = format!("postgres://u@h/d?{right}").parse::<StoreUrl>();
            assert!(url.is_ok(), "{right}");
        }
    }

    #[test]
    fn a_password_is_put_in_whole_and_noticed() {
        for plain in [
            "postgres://u@h/d",
            "postgres://u@h/d?",
            "postgres://u@h/d?sslmode=verify-full",
        ] {
            let url: StoreUrl = plain.parse().unwrap();
            assert!(!url.holds_password());
            let with = url.with_password("p@ss/w?rd &=%");
            assert!(with.holds_password());
            let again: StoreUrl = with.expose().parse().unwrap();
            let settled = again.expose_settled();
            let said = "password=p%40ss%2Fw%3Frd%20%26%3D%25";
            assert!(settled.ends_with(said), "{settled}");
            assert!(settled.contains("&host=h&port=5432&user=u"), "{settled}");
            assert_eq!(with.to_string(), "postgres://u@h/d");
            // A warden takes it as it is.
            assert!(settled.parse::<StoreUrl>().is_ok(), "{settled}");
        }
        let url: StoreUrl = "postgres://u:p@h/d".parse().unwrap();
        assert!(url.holds_password());
        let file: StoreUrl = "/a.db".parse().unwrap();
        assert!(!file.clone().with_password("x").holds_password());
    }
}
