//! The configuration: layers, each checked by itself, merged, then resolved into one [`Config`].
//!
//! [`layer`] reads and checks, [`merge`] lays them over each other, [`show`] prints what is in
//! force and where it came from.

mod credential;
mod hooks;
mod isolation;
mod layer;
mod merge;
mod password;
mod shape;
mod show;
mod size;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tenure_dispatcher::{Hooks, OnStop, Profile};
use tenure_store::StoreUrl;
use tenure_store::dispatcher::PublishedProfile;
use tenure_store::life::LimitsLayer;

pub use layer::located;
pub use merge::Merged;
pub use shape::variable_problem;

use crate::failure::Failure;
use layer::Layer;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config FILE`
    pub file: Option<PathBuf>,
    /// `--db URL`
    pub db: Option<String>,
    /// `TENURE_DB`, beneath the flag and over everything else.
    pub db_variable: Option<String>,
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the store is, where a layer says so; else it is in the state folder.
    pub store: Option<StoreUrl>,
    /// Which file has the password of that server, where no higher layer than the one that names the
    /// file names another server.
    pub password_file: Option<PathBuf>,
    /// Workers at once.
    pub slots: u32,
    /// How long a claim stands without renewal.
    pub lease: Duration,
    /// From SIGTERM to SIGKILL.
    pub kill_grace: Duration,
    /// From a report to the end of the tree.
    pub finish_grace: Duration,
    /// What a SIGTERM means.
    pub on_stop: OnStop,
    /// How much of a run's log is kept, in bytes.
    pub log_max_bytes: u64,
    /// The net beneath the pokes.
    pub poll: Duration,
    /// What this host has that profiles and tasks may require.
    pub labels: Vec<String>,
    /// `[defaults]`.
    pub defaults: LimitsLayer,
    /// The profiles, `shell` among them.
    pub profiles: BTreeMap<String, Profile>,
    /// Which programs are told of which events.
    pub hooks: Hooks,
}

impl Config {
    /// Reads all layers. What they say is not resolved yet, and knows where it came from.
    ///
    /// # Errors
    /// A usage error that names the layer, the key and the way out.
    pub fn merge(flags: &Flags) -> Result<Merged, Failure> {
        let mut layers = vec![Layer::builtin()?];
        let own = [
            Some(PathBuf::from("/etc/tenure/tenure.toml")),
            crate::folders::user_config(),
        ];
        for path in own.into_iter().flatten() {
            layers.extend(Layer::file_if_there(&path)?);
        }
        if let Some(path) = &flags.file {
            layers.push(Layer::file(path)?);
        }
        layers.extend(credential::layer()?);
        layers.extend(Layer::variables(std::env::vars_os())?);
        let addresses = [("TENURE_DB", &flags.db_variable), ("--db", &flags.db)];
        for (origin, address) in addresses {
            if let Some(address) = address {
                if origin == "--db" {
                    refuse_password(address)?;
                }
                layers.push(Layer::address(origin, address, &cwd()?)?);
            }
        }
        Merged::of(layers)
    }

    /// Where the store is, for whoever only tells of it: its password's file is not read.
    ///
    /// # Errors
    /// Where no layer says so and there is no state folder either.
    pub fn address(&self) -> Result<StoreUrl, Failure> {
        match &self.store {
            Some(url) => Ok(url.clone()),
            None => Ok(StoreUrl::Sqlite(crate::folders::state()?.join("tenure.db"))),
        }
    }

    /// Where the store is, its password included.
    ///
    /// # Errors
    /// As [`Config::address`], and where its password cannot be read.
    pub fn store_url(&self) -> Result<StoreUrl, Failure> {
        let url = self.address()?;
        match (&self.password_file, &url) {
            (Some(path), StoreUrl::Postgres(_)) => Ok(url.with_password(&password::read(path)?)),
            (Some(_), StoreUrl::Sqlite(_)) | (None, _) => Ok(url),
        }
    }

    /// The profiles as a dispatcher of this configuration would publish them.
    pub fn published(&self) -> Vec<PublishedProfile> {
        let publish = |(name, profile): (&String, &Profile)| PublishedProfile {
            name: name.clone(),
            skills: profile.skills.clone(),
            requires: profile.requires.clone(),
            max_running: profile.max_running,
            limits: profile.limits.clone().into(),
            defaults: self.defaults.clone().into(),
        };
        self.profiles.iter().map(publish).collect()
    }
}

/// What stands on a command line is seen by everybody on the machine, and stays in histories.
fn refuse_password(address: &str) -> Result<(), Failure> {
    match address.parse::<StoreUrl>() {
        Ok(url) if url.holds_password() => Err(Failure::usage(format!(
            "--db {url}: a password on a command line is seen by others: leave it out, and give it by store.password_file, by ~/.pgpass or by PGPASSWORD; or give the whole address by TENURE_DB"
        ))),
        // What is no address is refused as such.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The caller's folder, from which relative paths of the command line are taken.
///
/// # Errors
/// Where it was removed.
pub fn cwd() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|error| Failure::io("the current folder is gone", error))
}

/// A path of the command line or of a file, made absolute without touching the disk.
pub fn absolute(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().collect()
}
