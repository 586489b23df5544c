//! What the end-to-end tests stand on: a home of their own, the program under test, a dispatcher
//! that ends with its test, and waiting for facts.
//!
//! It judges nothing about Tenure itself. Everything here uses real processes and real stores;
//! nothing sleeps for luck.

pub mod beat;
pub mod certificates;
pub mod database;
pub mod flags;
pub mod forge;
pub mod home;
pub mod ledger;
pub mod page;
pub mod postgres;
pub mod process;
pub mod program;
pub mod said;
pub mod serve;
pub mod skip;
pub mod slot;
pub mod stop;
pub mod wait;

pub use database::Database;
pub use home::Home;
pub use said::Said;
pub use serve::Dispatcher;
pub use skip::skip;
pub use wait::wait_until;
