//! What the environment adds to a server's address, for a warden that has it not; and the files that
//! either of them names.

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::parts::{FILES, Parts, decoded, parameters, say, says};

/// By which variables the environment names them.
const FILE_VARIABLES: [&str; 3] = ["PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"];

/// The address with all of its options said.
pub(super) fn settled(url: &str, options: &PgConnectOptions) -> String {
    let mut settled = url.to_owned();
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
        if says(url, key) {
            continue;
        }
        let value = std::env::var(variable).unwrap_or_default();
        // Whoever opened the store knows that it names a file; a warden stands in another folder.
        if let Ok(file) = std::path::absolute(&value) {
            say(&mut settled, key, &file.to_string_lossy());
        }
    }
    if let Some(password) = whole.password() {
        // It is encoded already.
        settled.push_str("&password=");
        settled.push_str(password);
    }
    settled
}

/// What is wrong with a file that the address names, or the environment for it.
pub(crate) fn problem_of_files(url: &str) -> Option<String> {
    let of_variables = FILES.into_iter().zip(FILE_VARIABLES);
    let mut unsaid = of_variables.filter(|(key, _)| !says(url, key));
    let wrong = unsaid.find_map(|(_, variable)| {
        let value = std::env::var(variable).ok()?;
        problem_of_variable(variable, &value)
    });
    wrong.or_else(|| unreadable_file(url))
}

/// A certificate or a key in a variable's value, and not in a file, is one that no warden is given.
fn problem_of_variable(variable: &str, value: &str) -> Option<String> {
    if value.is_empty() {
        Some(format!("{variable} is empty: unset it, or name a file"))
    } else if value.contains("-----BEGIN") {
        Some(format!(
            "{variable} holds what belongs into a file (0600): write it there, and name that file by {variable}"
        ))
    } else {
        None
    }
}

/// Which of the files that an address names cannot be read, and why.
fn unreadable_file(url: &str) -> Option<String> {
    parameters(Parts::of(url).query)
        .filter(|(key, _)| FILES.contains(key))
        .find_map(|(key, value)| {
            let path = decoded(value);
            let error = std::fs::File::open(&path).err()?;
            Some(format!("{key}: {path} cannot be read: {error}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_a_file_and_holds_none() {
        for (value, word) in [
            ("", "is empty"),
            ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END", "0600"),
            ("\n -----BEGIN CERTIFICATE-----\nhunter2", "into a file"),
        ] {
            let problem = problem_of_variable("PGSSLKEY", value).unwrap();
            assert!(problem.starts_with("PGSSLKEY"), "{problem}");
            assert!(problem.contains(word), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        for file in ["/ca.crt", "ca.crt", "../x y"] {
            assert_eq!(problem_of_variable("PGSSLKEY", file), None);
        }
    }
}
