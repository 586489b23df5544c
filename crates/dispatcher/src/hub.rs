//! The dispatcher's socket: whoever changed the store pokes it, whoever waits for changes follows it.
//!
//! A client sends one line: `poke` (something changed; look) or `follow`. A follower gets the line
//! `changed` whenever something was committed, at most once until it has read the last one.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Tells the dispatcher that listens there to look at the store.
///
/// # Errors
/// When nobody listens; then nobody needs to be told.
pub async fn poke(socket: &Path) -> io::Result<()> {
    UnixStream::connect(socket)
        .await?
        .write_all(b"poke\n")
        .await
}

/// A line to a dispatcher that tells when the store changed.
#[derive(Debug)]
pub struct Follow {
    lines: BufReader<UnixStream>,
}

impl Follow {
    /// Begins to follow. What changes from now on is told.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(socket: &Path) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(b"follow\n").await?;
        Ok(Self {
            lines: BufReader::new(stream),
        })
    }

    /// Waits until something was committed.
    ///
    /// # Errors
    /// When the dispatcher went away.
    pub async fn changed(&mut self) -> io::Result<()> {
        let mut line = String::new();
        match self.lines.read_line(&mut line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
