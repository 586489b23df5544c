//! Where a store is. A password in it is never shown.
//!
//! What an address of a server may say beside host and database is known here, and anything else is an
//! error: a misspelt `sslmode` that nobody read would be a link that nobody encrypts.

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::error::OpenError;

/// What may stand after the `?` of a server's address.
const PARAMETERS: [&str; 10] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "statement-cache-capacity",
];

/// Those that name a file. A warden stands in another folder, so each is absolute.
const FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// By which variables the environment names them.
const FILE_VARIABLES: [&str; 3] = ["PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"];

/// What `sslmode` may be. libpq's `allow` would mean `disable` here, silently.
const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

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
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let (user, _) = rest.split_at(at_host(rest));
        user.contains(':') || parameters(query_of(url)).any(|(key, _)| key.contains("password"))
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
            return match wrong_parameter(query_of(text)) {
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

/// What stands after the `?`.
fn query_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = &rest[at_host(rest)..];
    host.split_once('?').map_or("", |(_, query)| query)
}

/// Adds a parameter, which comes over whatever was said before.
fn say(url: &mut String, key: &str, value: &str) {
    let has_some = !query_of(url).is_empty();
    url.push(if has_some { '&' } else { '?' });
    url.push_str(key);
    url.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// The address with all of its options said.
fn settled(url: &str, options: &PgConnectOptions) -> String {
    let mut settled = url.trim_end_matches('?').to_owned();
    let socket = options.get_socket().map(|socket| socket.to_string_lossy());
    let host = socket.as_deref().unwrap_or(options.get_host());
    let mode = match options.get_ssl_mode() {
        // sqlx tries no TLS there either.
        PgSslMode::Disable | PgSslMode::Allow => "disable",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    };
    // It is told by this way only, and this way takes no other user or host than a plain one.
    let whole = options.clone().host("h").username("u").to_url_lossy();
    let port = options.get_port().to_string();
    say(&mut settled, "host", host);
    say(&mut settled, "port", &port);
    say(&mut settled, "user", options.get_username());
    say(&mut settled, "sslmode", mode);
    if let Some(database) = options.get_database() {
        say(&mut settled, "dbname", database);
    }
    for (key, variable) in FILES.into_iter().zip(FILE_VARIABLES) {
        let is_said = parameters(query_of(url)).any(|(said, _)| said == key);
        if let (false, Ok(file)) = (is_said, std::env::var(variable)) {
            say(&mut settled, key, &file);
        }
    }
    if let Some(password) = whole.password() {
        // It is encoded already.
        settled.push_str("&password=");
        settled.push_str(password);
    }
    settled
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Which of the files that an address names cannot be read, and why.
pub(crate) fn unreadable_file(url: &str) -> Option<String> {
    parameters(query_of(url))
        .filter(|(key, _)| FILES.contains(key))
        .find_map(|(key, value)| {
            let path = decoded(value);
            let error = std::fs::File::open(&path).err()?;
            Some(format!("{key}: {path} cannot be read: {error}"))
        })
}

/// A value without the escapes of an address.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = after
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok());
        let escaped = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (byte, _) => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is wrong with the parameters; never with a value that could be a secret.
fn wrong_parameter(query: &str) -> Option<String> {
    for (key, value) in parameters(query) {
        if !PARAMETERS.contains(&key) {
            let known = PARAMETERS.join(", ");
            let key: String = key.chars().take(40).collect();
            return Some(format!("it has no parameter {key:?}: there are {known}"));
        }
        if key == "sslmode" && !SSL_MODES.contains(&value) {
            return Some(format!("sslmode is one of {}", SSL_MODES.join(", ")));
        }
        if FILES.contains(&key) && !value.starts_with('/') && !value.starts_with("%2F") {
            return Some(format!("{key} names a file by its absolute path"));
        }
    }
    None
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
        for odd in [
            "postgres://user:se/cret@host/db",
            "postgres://user:se?cret@host/db",
            "mysql://user:se@cret@host/db",
            "postgres://user:secret@/db?host=/run",
        ] {
            let shown = match odd.parse::<StoreUrl>() {
                Ok(url) => url.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(!shown.contains("cret"), "{odd}: {shown}");
        }
    }

    #[test]
    fn a_parameter_that_nobody_reads_is_an_error_without_its_value() {
        for (query, named) in [
            ("sslmod=verify-full", "sslmod"),
            ("sslmode=allow", "verify-full"),
            ("sslrootcert=ca.crt", "absolute"),
            ("sslpassword=hunter2", "sslpassword"),
            ("options=-c%20x=hunter2", "options"),
        ] {
            let wrong = format!("postgres://u@h/d?{query}").parse::<StoreUrl>();
            let message = wrong.unwrap_err().to_string();
            assert!(message.contains(named), "{query}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        for right in ["sslmode=verify-full&sslrootcert=/ca.crt", "host=/run/pg"] {
            let url = format!("postgres://u@h/d?{right}").parse::<StoreUrl>();
            assert!(url.is_ok(), "{right}");
        }
    }

    #[test]
    fn a_password_is_put_in_whole_and_noticed() {
        for plain in ["postgres://u@h/d", "postgres://u@h/d?sslmode=verify-full"] {
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
