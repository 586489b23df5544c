//! On which database a test's stores are: each test that speaks of a promise is told on both.

use crate::home::Home;
use crate::postgres;

/// A database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file of the home.
    Sqlite,
    /// A database of the test's own on the server of the test program.
    Postgresql,
}

impl Database {
    /// What a program's flag `--postgres` asks for: with 0 a file, else a server.
    pub fn of_flag(postgres: u64) -> Self {
        match postgres {
            0 => Self::Sqlite,
            _ => Self::Postgresql,
        }
    }

    /// The flag that asks a program for it.
    pub fn flag(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["--postgres", "0"],
            Self::Postgresql => &["--postgres", "1"],
        }
    }

    /// A home on a new store, with the tests' own configuration.
    ///
    /// # Panics
    /// As [`Database::home_with`].
    pub fn home(self) -> Home {
        self.home_with("")
    }

    /// The same with more configuration, which wins where both say something.
    ///
    /// # Panics
    /// As [`Home::with`], and where there is no server.
    pub fn home_with(self, more: &str) -> Home {
        match self {
            Self::Sqlite => Home::with(more),
            Self::Postgresql => {
                let url = postgres::database().expect("PostgreSQL is installed");
                Home::on(&url, more)
            }
        }
    }

    /// Whether there is such a database here; says so loudly where not.
    ///
    /// # Panics
    /// Where PostgreSQL is missing although it is required.
    pub fn is_there(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgresql => postgres::is_there(),
        }
    }
}
