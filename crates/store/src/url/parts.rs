//! A server's address in its parts: what may stand there, what is wrong with it, and how it looks
//! without its password. When in doubt what is a password, more is hidden.

use std::fmt::Write as _;

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
pub(super) const FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// What `sslmode` may be. libpq's `allow` would mean `disable` here, silently.
const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

/// The parts of a server's address, cut where whoever connects cuts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// With the password, without the `@`.
    pub(super) user: &'a str,
    /// With port and database.
    host: &'a str,
    /// What stands after the `?`.
    pub(super) query: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(url: &'a str) -> Self {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.find(['/', '?']).unwrap_or(rest.len());
        let (user, host) = rest[..authority]
            .rfind('@')
            .map_or(("", rest), |at| (&rest[..at], &rest[at + 1..]));
        let (host, query) = host.split_once('?').unwrap_or((host, ""));
        Self { user, host, query }
    }

    /// Whether something stands where it cannot be: then a raw `/`, `?` or `@` may have cut a password
    /// in pieces, and each of the parts may hold one of them.
    fn is_in_doubt(&self) -> bool {
        let authority = self.host.split('/').next().unwrap_or_default();
        // The address of a host may have colons too, in brackets.
        let behind = authority.rsplit(']').next().unwrap_or_default();
        let port = behind.split_once(':').map(|(_, port)| port);
        let is_a_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let may_be_a_password = |(key, value): (&str, &str)| {
            let is_known = PARAMETERS.contains(&key);
            let has_user = !self.user.is_empty() || port.is_none();
            (key.contains('@') || value.contains('@')) && !(is_known && has_user)
        };
        self.host.contains('@')
            || !port.is_none_or(is_a_port)
            || parameters(self.query).any(may_be_a_password)
    }
}

/// Without a password, wherever it stands. Where that is in doubt, without all that could be one.
pub(super) fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let parts = Parts::of(url);
    if scheme != "sqlite" && parts.is_in_doubt() {
        let user = rest.split([':', '/', '?', '@']).next().unwrap_or_default();
        return format!("{scheme}://{user}…");
    }
    let user = parts.user.split(':').next().unwrap_or_default();
    let at = if parts.user.is_empty() { "" } else { "@" };
    format!("{scheme}://{user}{at}{}", parts.host)
}

/// The same address with no password in it.
pub(super) fn without_password(url: &str) -> String {
    let Parts { user, host, query } = Parts::of(url);
    let user = user.split(':').next().unwrap_or_default();
    let others = parameters(query).filter(|(key, _)| *key != "password");
    let others: Vec<String> = others
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!("{user}@{host}?{}", others.join("&"))
}

/// What is wrong with an address; never with a value that could be a secret.
pub(super) fn problem_of(url: &str) -> Option<String> {
    let parts = Parts::of(url);
    if url.contains('#') {
        return Some("what follows a # is read by nobody: write %23 where one is meant".to_owned());
    }
    if parts.is_in_doubt() {
        return Some(
            "it cannot be told where its host begins: in a user's name, a password or a value write %2F for /, %3F for ?, %40 for @, and a port as a number".to_owned(),
        );
    }
    wrong_parameter(parts.query)
}

/// What is wrong with the parameters; never with a value that could be a secret.
fn wrong_parameter(query: &str) -> Option<String> {
    for (key, value) in parameters(query) {
        if !PARAMETERS.contains(&key) {
            let known = PARAMETERS.join(", ");
            let is_a_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'_' | b'-');
            // Anything else may be a piece of something else.
            let key = if key.len() <= 40 && key.bytes().all(is_a_word) {
                format!(" {key:?}")
            } else {
                " of such a name".to_owned()
            };
            return Some(format!("it has no parameter{key}: there are {known}"));
        }
        if key == "sslmode" && !SSL_MODES.contains(&value) {
            return Some(format!("sslmode is one of {}", SSL_MODES.join(", ")));
        }
        if FILES.contains(&key) && !decoded(value).starts_with('/') {
            return Some(format!("{key} names a file by its absolute path"));
        }
    }
    None
}

pub(super) fn says(url: &str, key: &str) -> bool {
    parameters(Parts::of(url).query).any(|(said, _)| said == key)
}

pub(super) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Adds a parameter, which comes over whatever was said before.
pub(super) fn say(url: &mut String, key: &str, value: &str) {
    let plain = url.trim_end_matches(['?', '&']).len();
    url.truncate(plain);
    let has_some = !Parts::of(url).query.is_empty();
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

/// A value without the escapes of an address.
pub(super) fn decoded(value: &str) -> String {
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
