//! One layer: a file, a variable or a flag, read and checked by itself, so that an error can name
//! it. What several layers say together is [`super::merge`]'s.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::num::NonZero;
use std::path::Path;

use tenure_store::StoreUrl;
use tenure_store::duration;
use tenure_store::life::Limits;
use toml::{Table, Value};

use super::shape::{Problem, Shape};
use crate::failure::Failure;

/// A layer that was found to be well-formed.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The file's path, the variable's or the flag's name.
    pub origin: String,
    /// What it says.
    pub table: Table,
}

/// The first part of the variables that are a layer: `TENURE__DISPATCHER__SLOTS`.
const PREFIX: &str = "TENURE__";

/// The origin of what nobody said.
pub const BUILT_IN: &str = "built-in";

impl Layer {
    /// What holds where nobody says anything.
    pub fn builtin() -> Result<Self, Failure> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let limits = Limits::default();
        let text = format!(
            r#"
[dispatcher]
slots = {slots}
lease = "60s"
kill_grace = "10s"
finish_grace = "10s"
on_stop = "detach"
poll = "5s"
log_max_bytes = "64MiB"

[defaults]
protocol = "{protocol}"
max_failures = {max_failures}
violation_limit = {violation_limit}
max_defers = {max_defers}
defer_for = "{defer_for}"
max_benign = {max_benign}
max_lost = {max_lost}
max_blocks = {max_blocks}
backoff = {{ base = "{base}", max = "{max}" }}
tempfail_exit = {tempfail}

[profiles.shell]
protocol = "exit"
"#,
            slots = cores * 2,
            protocol = limits.protocol,
            max_failures = limits.max_failures,
            violation_limit = limits.violation_limit,
            max_defers = limits.max_defers,
            defer_for = duration::format(limits.defer_for),
            max_benign = limits.max_benign,
            max_lost = limits.max_lost,
            max_blocks = limits.max_blocks,
            base = duration::format(limits.backoff.base),
            max = duration::format(limits.backoff.max),
            tempfail = tenure_guard::exit_code::TRY_LATER,
        );
        Self::text(BUILT_IN, &text)
    }

    /// A file that need not be there.
    pub fn file_if_there(path: &Path) -> Result<Option<Self>, Failure> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::of_file(path, &text).map(Some),
            Err(error) if is_absent(path, error.kind()) => Ok(None),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// A file that was named.
    pub fn file(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        Self::of_file(path, &text)
    }

    fn of_file(path: &Path, text: &str) -> Result<Self, Failure> {
        let mut layer = Self::text(&path.display().to_string(), text)?;
        let absolute = super::absolute(&super::cwd()?, path);
        layer.take_relative_store_from(absolute.parent().unwrap_or(Path::new("/")))?;
        Ok(layer)
    }

    /// The variables `TENURE__…`, each a layer of its own.
    pub fn variables(
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Vec<Self>, Failure> {
        let ours = variables.filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX).then_some((name, value))
        });
        let mut layers: Vec<Self> = ours
            .map(|(name, value)| Self::variable(&name, value))
            .collect::<Result<_, _>>()?;
        // They stand side by side: an address among them is beneath a password's file among them.
        layers.sort_by_cached_key(|layer| (!layer.names_a_store(), layer.origin.clone()));
        Ok(layers)
    }

    fn variable(name: &str, value: OsString) -> Result<Self, Failure> {
        let value = value
            .into_string()
            .map_err(|_| Failure::usage(format!("{name}: the value is not UTF-8")))?;
        let path = name[PREFIX.len()..].to_lowercase();
        let keys: Vec<&str> = path.split("__").collect();
        let Some((last, tables @ ["store" | "dispatcher" | "defaults", ..])) = keys.split_last()
        else {
            return Err(Failure::usage(format!(
                "{name}: only keys of store, dispatcher and defaults can be set by a variable, like TENURE__DISPATCHER__SLOTS; profiles belong into a file"
            )));
        };
        let of_the_store = path.starts_with("store__");
        if of_the_store && !["store__url", "store__password_file"].contains(&&*path) {
            return Err(Failure::usage(format!(
                "{name}: of the store there are TENURE__STORE__URL and TENURE__STORE__PASSWORD_FILE; a password comes from the file that store.password_file names, from PGPASSWORD or from ~/.pgpass"
            )));
        }
        let said = if of_the_store {
            Value::String(value.clone())
        } else {
            scalar(&value)
        };
        let innermost = Table::from_iter([((*last).to_owned(), said)]);
        let table = tables.iter().rev().fold(innermost, |inner, key| {
            Table::from_iter([((*key).to_owned(), Value::Table(inner))])
        });
        let text =
            toml::to_string(&table).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        let shape = toml::from_str(&text).map_err(|error: toml::de::Error| {
            Failure::usage(format!("{name} = {value:?}: {}", error.message()))
        })?;
        let mut layer = Self::checked(name, &shape, table)?;
        layer.take_relative_store_from(&super::cwd()?)?;
        Ok(layer)
    }

    /// The address of the store by a flag or `TENURE_DB`.
    pub fn address(origin: &str, address: &str, cwd: &Path) -> Result<Self, Failure> {
        let store = Table::from_iter([("url".to_owned(), Value::String(address.to_owned()))]);
        let table = Table::from_iter([("store".to_owned(), Value::Table(store))]);
        let mut layer = Self {
            origin: origin.to_owned(),
            table,
        };
        layer.take_relative_store_from(cwd)?;
        Ok(layer)
    }

    /// Whether it says where the store is.
    pub fn names_a_store(&self) -> bool {
        let store = self.table.get("store").and_then(Value::as_table);
        store.is_some_and(|store| store.contains_key("url"))
    }

    /// Leaves away whose password's file it names.
    pub fn forget_password_file(&mut self) {
        if let Some(store) = self.table.get_mut("store").and_then(Value::as_table_mut) {
            store.remove("password_file");
        }
    }

    /// Reads and checks the text of a layer.
    fn text(origin: &str, text: &str) -> Result<Self, Failure> {
        let misread = |error: &toml::de::Error| Failure::usage(located(origin, text, error));
        let shape: Shape = toml::from_str(text).map_err(|error| misread(&error))?;
        let table: Table = toml::from_str(text).map_err(|error| misread(&error))?;
        Self::checked(origin, &shape, table)
    }

    fn checked(origin: &str, shape: &Shape, table: Table) -> Result<Self, Failure> {
        match shape.validate() {
            Ok(()) => Ok(Self {
                origin: origin.to_owned(),
                table,
            }),
            Err(Problem { key, what }) => Err(Failure::usage(format!("{origin}: {key}: {what}"))),
        }
    }

    /// A relative path means the folder of whoever wrote it.
    fn take_relative_store_from(&mut self, folder: &Path) -> Result<(), Failure> {
        let Some(store) = self.table.get_mut("store").and_then(Value::as_table_mut) else {
            return Ok(());
        };
        if let Some(Value::String(path)) = store.get_mut("password_file") {
            let absolute = super::absolute(folder, Path::new(path));
            *path = absolute.display().to_string();
        }
        if let Some(Value::String(text)) = store.get_mut("url") {
            let url: StoreUrl = text
                .parse()
                .map_err(|error| Failure::usage(format!("{}: {error}", self.origin)))?;
            let url = match url {
                StoreUrl::Sqlite(path) => StoreUrl::Sqlite(super::absolute(folder, &path)),
                StoreUrl::Postgres(_) => url,
            };
            *text = url.expose();
        }
        Ok(())
    }
}

/// A variable's text: whole numbers are numbers, all else is text.
fn scalar(text: &str) -> Value {
    text.parse()
        .map_or_else(|_| Value::String(text.to_owned()), Value::Integer)
}

/// Whether there is no such file, as far as this user can see: a folder that may not be looked into
/// (another user's home, seen from a service) has nothing for us.
fn is_absent(path: &Path, kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
        || (kind == ErrorKind::PermissionDenied
            && path.parent().is_none_or(|folder| !folder.exists()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "the configuration {} cannot be read: {error}",
        path.display()
    ))
}

/// `FILE:LINE:COLUMN: KEY: what is wrong`. The line itself is not shown, since it may hold a
/// password.
pub fn located(origin: &str, text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', ": ");
    let Some(span) = error.span() else {
        return format!("{origin}: {message}");
    };
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[line_start..].chars().count() + 1;
    let whole_line = text[line_start..].lines().next().unwrap_or_default();
    let key = whole_line.split_once('=').map_or("", |(key, _)| key.trim());
    if key.is_empty() || message.contains(&format!("`{key}`")) {
        format!("{origin}:{line}:{column}: {message}")
    } else {
        format!("{origin}:{line}:{column}: {key}: {message}")
    }
}
