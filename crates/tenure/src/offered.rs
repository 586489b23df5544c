//! Which profiles and skills there are: what living dispatchers published, else what the own
//! configuration has.

use tenure_store::Store;
use tenure_store::dispatcher::Dispatcher;
use tenure_store::offered::Offered;

use crate::config::Config;
use crate::failure::Failure;

/// What is on offer at a store.
///
/// # Errors
/// The store's.
pub async fn at(store: &Store, config: &Config) -> Result<Offered, Failure> {
    Ok(of(store.living_dispatchers().await?, config))
}

/// What these dispatchers offer, else the own configuration.
pub fn of(living: Vec<Dispatcher>, config: &Config) -> Offered {
    Offered::by_living(living, None).unwrap_or_else(|| by_configuration(config))
}

/// What the own configuration offers.
pub fn by_configuration(config: &Config) -> Offered {
    Offered::new(config.published(), &config.labels, "the configuration")
}
