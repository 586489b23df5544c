//! server: what there is to know of a store's server: how it keeps what it was given, and what our role
//! may do there. For whoever judges that; nothing is judged here.

use sqlx::FromRow;

use crate::error::Error;
use crate::open::Store;
use crate::sql;
use crate::url::StoreUrl;

/// A server, as our role sees it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Server {
    /// Its version, for people.
    pub version: String,
    /// The same as a number: 150018 is 15.18.
    pub version_number: i64,
    /// Our role.
    pub role: String,
    /// It may do anything.
    pub is_superuser: bool,
    /// It may make databases or roles, or copy the whole server.
    pub makes_others: bool,
    /// No row is kept from it.
    pub bypasses_rows: bool,
    /// It may change and drop the store's tables.
    pub owns_tables: bool,
    /// The link is encrypted.
    pub is_encrypted: bool,
    /// The link leaves no machine.
    pub is_local: bool,
    /// What the server says to have written is on the disk.
    pub is_durable: bool,
    /// And it says so no sooner.
    pub waits_for_disk: bool,
    /// How many connections all roles together may have.
    pub connections: i64,
    /// How many of them ours may have; -1 where it has no limit of its own.
    pub connections_of_role: i64,
}

/// Something that a role may not do, and should.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Lack {
    /// With which table.
    pub relation: String,
    /// `SELECT` and the like.
    pub privilege: String,
}

impl Store {
    /// The store's server and what our role lacks there; `None` of a file.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn server(&self) -> Result<Option<(Server, Vec<Lack>)>, Error> {
        if let StoreUrl::Sqlite(_) = self.url() {
            return Ok(None);
        }
        self.read(async |tx| {
            let server = tx.fetch_one::<Server>(&sql::SERVER, Vec::new()).await?;
            let lacks = tx.fetch(&sql::LACKS, Vec::new()).await?;
            Ok(server.map(|server| (server, lacks)))
        })
        .await
    }
}
