//! Lays the layers over each other. The merging is the `config` crate's, which also remembers where
//! each value came from.

use std::collections::BTreeMap;
use std::time::Duration;

use config::{Map, Source, Value, ValueKind};
use tenure_store::StoreUrl;

use super::Config;
use super::layer::Layer;
use super::shape::{Problem, Shape};
use crate::failure::{Code, Failure};

/// What a worker inherits where its profile does not say: enough for a program to find itself at
/// home, and nothing that could be a secret of the dispatcher's.
const PASS_ENV: [&str; 9] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR",
];

/// All layers, merged but not resolved.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The values with their origins.
    pub values: Value,
}

impl Merged {
    /// Merges; later layers win, tables are merged key by key.
    ///
    /// **Invariant:** a password is sent to no other server than whoever named its file knew of.
    pub fn of(mut layers: Vec<Layer>) -> Result<Self, Failure> {
        if let Some(highest) = layers.iter().rposition(Layer::names_a_store) {
            for beneath in &mut layers[..highest] {
                beneath.forget_password_file();
            }
        }
        let mut builder = config::Config::builder();
        for layer in layers {
            builder = builder.add_source(layer);
        }
        let merged = builder
            .build()
            .map_err(|error| Failure::new(Code::Usage, error))?;
        Ok(Self {
            values: merged.cache,
        })
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// What only all layers together can get wrong: a profile without a command.
    pub fn resolve(&self) -> Result<Config, Failure> {
        let shape: Shape = self
            .values
            .clone()
            .try_deserialize()
            .map_err(|error| Failure::new(Code::Usage, error))?;
        shape
            .validate()
            .and_then(|()| resolve(&shape))
            .map_err(|Problem { key, what }| match self.origin_of(&key) {
                Some(origin) => Failure::usage(format!("{origin}: {key}: {what}")),
                None => Failure::usage(format!("the configuration: {key}: {what}")),
            })
    }

    /// Which layer said something at this key, or else beside it.
    pub fn origin_of(&self, key: &str) -> Option<String> {
        let mut value = &self.values;
        for part in key.split('.') {
            let ValueKind::Table(table) = &value.kind else {
                break;
            };
            let Some(inner) = table.get(part) else {
                break;
            };
            value = inner;
        }
        super::show::origin_of(value)
    }
}

fn resolve(shape: &Shape) -> Result<Config, Problem> {
    let dispatcher = &shape.dispatcher;
    let said = |key: &str, duration: Option<Duration>| {
        duration.ok_or_else(|| missing(&format!("dispatcher.{key}")))
    };
    let store = shape.store.url.as_deref().map(str::parse::<StoreUrl>);
    let store = store.transpose().map_err(|error| Problem {
        key: "store.url".to_owned(),
        what: error.to_string(),
    })?;
    let password_file = shape.store.password_file.clone();
    if password_file.is_some() && store.as_ref().is_some_and(StoreUrl::holds_password) {
        return Err(Problem {
            key: "store.password_file".to_owned(),
            what: "the address has a password as well: take it out there".to_owned(),
        });
    }
    if let Some(StoreUrl::Postgres(_)) = store {
        keep_to_ourselves(shape)?;
    }
    let profiles = shape
        .profiles
        .iter()
        .map(|(name, profile)| Ok((name.clone(), profile.resolve(name, &PASS_ENV)?)))
        .collect::<Result<BTreeMap<_, _>, Problem>>()?;
    Ok(Config {
        store,
        password_file,
        slots: dispatcher
            .slots
            .ok_or_else(|| missing("dispatcher.slots"))?,
        lease: said("lease", dispatcher.lease)?,
        kill_grace: said("kill_grace", dispatcher.kill_grace)?,
        finish_grace: said("finish_grace", dispatcher.finish_grace)?,
        on_stop: dispatcher
            .on_stop
            .ok_or_else(|| missing("dispatcher.on_stop"))?,
        log_max_bytes: log_max_bytes(dispatcher.log_max_bytes.as_deref())?,
        poll: said("poll", dispatcher.poll)?,
        labels: dispatcher.labels.clone().unwrap_or_default(),
        defaults: shape.defaults.clone(),
        profiles,
        hooks: super::hooks::resolve(&shape.hooks, &PASS_ENV),
    })
}

/// What leads to the store is not for workers: they have a server of their own, or none.
fn keep_to_ourselves(shape: &Shape) -> Result<(), Problem> {
    for (name, profile) in &shape.profiles {
        let ours = profile.passes_on().iter();
        if let Some(pattern) = ours.clone().find(|pattern| pattern.starts_with("PG")) {
            return Err(Problem {
                key: format!("profiles.{name}.pass_env"),
                what: format!(
                    "{pattern:?} would give workers what leads to the store: set what they need of a server in `env`"
                ),
            });
        }
    }
    Ok(())
}

fn log_max_bytes(said: Option<&str>) -> Result<u64, Problem> {
    let key = "dispatcher.log_max_bytes";
    let said = said.ok_or_else(|| missing(key))?;
    super::size::parse(said).map_err(|what| Problem {
        key: key.to_owned(),
        what,
    })
}

/// The built-in layer says everything, so this is not seen.
fn missing(key: &str) -> Problem {
    Problem {
        key: key.to_owned(),
        what: "is not set by any layer".to_owned(),
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(values(&self.origin, &self.table))
    }
}

fn values(origin: &String, table: &toml::Table) -> Map<String, Value> {
    let pairs = table.iter();
    pairs
        .map(|(key, inner)| (key.clone(), value(origin, inner)))
        .collect()
}

fn value(origin: &String, inner: &toml::Value) -> Value {
    let kind = match inner {
        toml::Value::String(text) => ValueKind::String(text.clone()),
        toml::Value::Integer(number) => ValueKind::I64(*number),
        toml::Value::Float(number) => ValueKind::Float(*number),
        toml::Value::Boolean(truth) => ValueKind::Boolean(*truth),
        toml::Value::Datetime(datetime) => ValueKind::String(datetime.to_string()),
        toml::Value::Array(items) => {
            ValueKind::Array(items.iter().map(|item| value(origin, item)).collect())
        }
        toml::Value::Table(table) => ValueKind::Table(values(origin, table)),
    };
    Value::new(Some(origin), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration of one file with these lines.
    fn load(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenure.toml");
        std::fs::write(&path, text).unwrap();
        let layers = vec![
            Layer::builtin().unwrap(),
            Layer::file(&path).map_err(|e| e.message())?,
        ];
        let merged = Merged::of(layers).map_err(|e| e.message())?;
        merged.resolve().map_err(|e| e.message())
    }

    #[test]
    fn the_built_in_layer_alone_is_a_whole_configuration() {
        let config = load("").unwrap();
        assert_eq!(config.lease, Duration::from_mins(1));
        assert_eq!(
            config.defaults.clone().resolve(),
            tenure_store::life::Limits::default()
        );
        assert_eq!(config.profiles.keys().collect::<Vec<_>>(), ["shell"]);
        assert_eq!(config.profiles["shell"].pass_env, PASS_ENV);
    }

    #[test]
    fn a_layer_is_laid_over_the_one_beneath_key_by_key() {
        let config = load(
            "[dispatcher]\nslots = 3\n[profiles.a-b_1]\ncommand = ['x', '{task.id}']\nmax_failures = 1\ntempfail_exit = 'off'\nenv = { Case_Stays = 'yes' }",
        )
        .unwrap();
        assert_eq!((config.slots, config.lease), (3, Duration::from_mins(1)));
        let profile = &config.profiles["a-b_1"];
        assert_eq!(profile.limits.max_failures, Some(1));
        assert_eq!(
            profile.limits.tempfail_exit,
            Some(tenure_store::life::TempfailExit::Off)
        );
        assert_eq!(profile.env["Case_Stays"], "yes");
    }

    #[test]
    fn every_wrong_key_or_value_is_named_with_its_layer() {
        for (text, words) in [
            ("[dispatcher]\nslotz = 3", &[":2:1:", "slotz", "slots"][..]),
            ("[dispatcher]\nslots = 0", &["dispatcher.slots", "0"]),
            ("[dispatcher]\nlease = '5s'", &["dispatcher.lease", "6s"]),
            ("[dispatcher]\nlease = '90'", &[":2:9:", "lease", "\"90\""]),
            ("[dispatcher]\non_stop = 'flee'", &["flee", "drain"]),
            (
                "[dispatcher]\nlog_max_bytes = '64MB'",
                &["log_max_bytes", "64MiB"],
            ),
            (
                "[defaults]\nmax_failures = 0",
                &["defaults.max_failures", "1"],
            ),
            ("[defaults]\nprotocol = 'talk'", &["talk", "report"]),
            (
                "[store]\nurl = 'mysql://u:secret@h/d'",
                &["store.url", "mysql://u@h/d"],
            ),
            ("[store]\npassword = 'secret'", &["password_file"]),
            ("[profiles.Big]\ncommand = ['x']", &["Big"]),
            (
                "[profiles.shell]\ncommand = ['x']",
                &["profiles.shell.command"],
            ),
            (
                "[profiles.a]\nskills = ['x']",
                &["profiles.a.command", "missing"],
            ),
            (
                "[profiles.a]\ncommand = []",
                &["profiles.a.command", "empty"],
            ),
            (
                "[profiles.a]\ncommand = ['x', '{nope}']",
                &["profiles.a.command", "{nope"],
            ),
            (
                "[profiles.a]\ncommand = ['x']\nenv = { TENURE_X = '1' }",
                &["profiles.a.env", "TENURE_X"],
            ),
            (
                "[profiles.a]\ncommand = ['x']\nunknown = 1",
                &["unknown", ":3:1:"],
            ),
            (
                "[profiles.a]\ncommand = ['x']\nworkspace = 'cellar'",
                &["cellar", "scratch", "worktree"],
            ),
            (
                "[profiles.a]\ncommand = ['x']\nmax_running = 0",
                &["profiles.a.max_running"],
            ),
            ("not toml", &[":1:"]),
        ] {
            let message = load(text).map(|_| ()).unwrap_err();
            assert!(message.contains("tenure.toml"), "{text:?}: {message}");
            for word in words {
                assert!(
                    message.contains(word),
                    "{text:?}: {word:?} is missing in {message:?}"
                );
            }
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_variable_sets_a_key_and_is_named_when_it_is_wrong() {
        let set = |name: &str, value: &str| {
            let mut layers = vec![Layer::builtin().unwrap()];
            layers.extend(Layer::variables([(name.into(), value.into())].into_iter())?);
            Merged::of(layers)?.resolve()
        };
        assert_eq!(set("TENURE__DISPATCHER__SLOTS", "5").unwrap().slots, 5);
        assert_eq!(set("TENURE_DB", "ignored").unwrap().store, None);
        for (name, value) in [
            ("TENURE__DISPATCHER__SLOTZ", "5"),
            ("TENURE__DISPATCHER__SLOTS", "many"),
            ("TENURE__DISPATCHER__LEASE", "1s"),
            ("TENURE__PROFILES__A__MAX_RUNNING", "1"),
            ("TENURE__SLOTS", "5"),
        ] {
            let message = set(name, value).unwrap_err().message();
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn what_a_variable_of_the_store_says_is_never_shown() {
        for (name, value) in [
            ("TENURE__STORE__PASSWORD", "hunter2"),
            ("TENURE__STORE__PASSWORD", "77777"),
            ("TENURE__STORE__URL__PASSWORD", "hunter2"),
            ("TENURE__STORE", "hunter2"),
            ("TENURE__STORE__URL", "postgres://u:hunter2/d"),
        ] {
            let variable = [(name.into(), value.into())];
            let failure = Layer::variables(variable.into_iter()).unwrap_err();
            let message = failure.message();
            assert!(message.contains(name), "{message}");
            if name.ends_with("PASSWORD") {
                for word in ["store.password_file", "PGPASSWORD", "~/.pgpass"] {
                    assert!(message.contains(word), "{message}");
                }
            }
            for secret in ["hunter2", "77777"] {
                assert!(!message.contains(secret), "{message}");
            }
        }
    }

    #[test]
    fn a_relative_store_lies_beside_the_file_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenure.toml");
        std::fs::write(&path, "[store]\nurl = 'sub/my.db'").unwrap();
        let layers = vec![Layer::builtin().unwrap(), Layer::file(&path).unwrap()];
        let config = Merged::of(layers).unwrap().resolve().unwrap();
        let expected = StoreUrl::Sqlite(folder.path().join("sub/my.db"));
        assert_eq!(config.store, Some(expected));
    }

    #[test]
    fn a_flag_outranks_the_variable() {
        let here = std::path::Path::new("/here");
        let layers = vec![
            Layer::builtin().unwrap(),
            Layer::address("TENURE_DB", "/variable.db", here).unwrap(),
            Layer::address("--db", "flag.db", here).unwrap(),
        ];
        let config = Merged::of(layers).unwrap().resolve().unwrap();
        assert_eq!(config.store, Some(StoreUrl::Sqlite("/here/flag.db".into())));
    }

    /// What layers that name these say of the password's file, from the lowest layer up.
    fn password_file(files: &[&str], above: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut layers = vec![Layer::builtin().unwrap()];
        for (number, text) in files.iter().enumerate() {
            let path = folder.path().join(format!("{number}.toml"));
            std::fs::write(&path, format!("[store]\n{text}")).unwrap();
            layers.push(Layer::file(&path).unwrap());
        }
        for (origin, address) in above {
            layers.push(Layer::address(origin, address, std::path::Path::new("/")).unwrap());
        }
        said_password_file(layers)
    }

    fn said_password_file(layers: Vec<Layer>) -> Option<String> {
        let merged = Merged::of(layers).unwrap();
        let file = merged.resolve().unwrap().password_file;
        // What is not in force is not shown either.
        assert_eq!(
            merged.flat().contains_key("store.password_file"),
            file.is_some()
        );
        file.map(|path| path.display().to_string())
    }

    #[test]
    fn the_passwords_file_goes_with_the_address_that_its_layer_knew_of() {
        let (here, there) = (
            "url = 'postgres://u@here/d'",
            "url = 'postgres://u@there/d'",
        );
        let file = "password_file = '/p'";
        let both = format!("{here}\n{file}");
        let used = Some("/p".to_owned());
        assert_eq!(password_file(&[&both], &[]), used);
        assert_eq!(password_file(&[here, file], &[]), used);
        assert_eq!(password_file(&[here, there, file], &[]), used);
        assert_eq!(password_file(&[&both, there], &[]), None);
        assert_eq!(password_file(&[here, file, there], &[]), None);
        assert_eq!(
            password_file(&[&both, "password_file = '/other'"], &[]),
            Some("/other".to_owned())
        );
        for origin in ["credential store-url", "TENURE_DB", "--db"] {
            let above = [(origin, "postgres://u@there/d")];
            assert_eq!(password_file(&[&both], &above), None, "{origin}");
        }
    }

    #[test]
    fn an_address_of_a_variable_takes_no_password_from_beneath_and_one_from_beside() {
        let with = |variables: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("tenure.toml");
            let text = "[store]\nurl = 'postgres://u@here/d'\npassword_file = '/p'";
            std::fs::write(&path, text).unwrap();
            let mut layers = vec![Layer::builtin().unwrap(), Layer::file(&path).unwrap()];
            let variables = variables.iter();
            let variables = variables.map(|(name, value)| (name.into(), value.into()));
            layers.extend(Layer::variables(variables).unwrap());
            said_password_file(layers)
        };
        let url = ("TENURE__STORE__URL", "postgres://u@there/d");
        let file = ("TENURE__STORE__PASSWORD_FILE", "/q");
        assert_eq!(with(&[url]), None);
        assert_eq!(with(&[url, file]), Some("/q".to_owned()));
        assert_eq!(with(&[file]), Some("/q".to_owned()));
    }

    #[test]
    fn the_default_file_says_what_is_built_in() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/tenure.toml");
        let mut said = Layer::file(std::path::Path::new(path)).unwrap().table;
        let mut builtin = Layer::builtin().unwrap().table;
        // The number of slots depends on the machine, so the file only tells of it.
        builtin["dispatcher"]
            .as_table_mut()
            .unwrap()
            .remove("slots");
        // The one profile is reserved, and the store's place depends on the user.
        builtin.remove("profiles");
        said.remove("store");
        assert_eq!(said, builtin);
    }
}
