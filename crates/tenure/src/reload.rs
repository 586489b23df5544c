//! The configuration read again while a dispatcher lives: taken whole, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use tenure_dispatcher::Settings;
use tenure_store::Store;

use crate::cli::Global;
use crate::config::Config;
use crate::failure::Failure;
use crate::place::Place;
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
    /// Whether the store's password is another than the one that it was opened with, and goes on with.
    pub has_other_password: bool,
    /// What the next one is compared with.
    pub in_force: InForce,
}

impl InForce {
    /// What all layers together say now, and where that leads.
    ///
    /// # Errors
    /// A wrong configuration, or no state folder.
    pub fn read(global: &Global) -> Result<(Self, Place), Failure> {
        let merged = Config::merge(&global.flags())?;
        let in_force = Self {
            values: merged.flat(),
        };
        Ok((in_force, Place::of(&merged)?))
    }

    /// Reads the configuration again. Nothing is changed by that.
    ///
    /// # Errors
    /// A wrong configuration, named as at a start; another store than the one that is served.
    pub fn again(&self, global: &Global, store: &Store) -> Result<Reloaded, Failure> {
        let (in_force, place) = Self::read(global)?;
        if !place.url.is_same_place(store.url()) {
            return Err(Failure::refused(format!(
                "store.url: {} is another store than {}, which is served: restart to serve another",
                place.url,
                store.url()
            )));
        }
        Ok(Reloaded {
            settings: settings(&place.config, store, None)?,
            changed: self.difference(&in_force),
            has_other_password: place.url != *store.url(),
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
