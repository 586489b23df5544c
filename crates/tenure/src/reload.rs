//! The configuration read again while a dispatcher lives: taken whole, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use tenure_dispatcher::Settings;
use tenure_store::Store;

use crate::cli::Global;
use crate::config::{Config, Merged};
use crate::failure::Failure;
use crate::settings::settings;

/// The configuration in force, to compare the next one with.
#[derive(Debug)]
pub struct InForce {
    values: BTreeMap<String, String>,
}

/// A configuration that may come into force.
#[derive(Debug)]
pub struct Reloaded {
    /// What a dispatcher is told of it.
    pub settings: Settings,
    /// The keys whose values are others than before. Only the keys: a value may be a secret.
    pub changed: Vec<String>,
    in_force: InForce,
}

impl InForce {
    /// What all layers together say now.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(global: &Global) -> Result<Self, Failure> {
        Ok(Self::of(&Config::merge(&global.flags())?))
    }

    fn of(merged: &Merged) -> Self {
        Self {
            values: merged.flat(),
        }
    }

    /// Reads the configuration again. Nothing is changed by that.
    ///
    /// # Errors
    /// A wrong configuration, named as at a start; another store than the one that is served.
    pub fn again(&self, global: &Global, store: &Store) -> Result<Reloaded, Failure> {
        let merged = Config::merge(&global.flags())?;
        let config = merged.resolve()?;
        let url = config.store_url()?;
        if url != *store.url() {
            return Err(Failure::refused(format!(
                "store.url: {url} is another store than {}, which is served: restart to serve another",
                store.url()
            )));
        }
        let in_force = Self::of(&merged);
        Ok(Reloaded {
            settings: settings(&config, store, None)?,
            changed: self.difference(&in_force),
            in_force,
        })
    }

    fn difference(&self, next: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.values.keys().chain(next.values.keys()).collect();
        keys.into_iter()
            .filter(|key| self.values.get(*key) != next.values.get(*key))
            .cloned()
            .collect()
    }
}

impl Reloaded {
    /// What the next one is compared with.
    pub fn take_force(self) -> (Settings, InForce) {
        (self.settings, self.in_force)
    }
}
