//! The dispatcher's socket: whoever changed the store pokes it, whoever waits for changes follows it.
//!
//! A client sends one line: `poke` (something changed; look) or `follow`. A follower gets the line
//! `changed` whenever something was committed, at most once until it has read the last one.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

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

/// The dispatcher's end of the socket. Dropping it takes the socket away.
#[derive(Debug)]
pub(crate) struct Hub {
    path: PathBuf,
    changes: watch::Sender<u64>,
    accepting: tokio::task::JoinHandle<()>,
}

/// The longest line that a client may send, in bytes.
const MAX_LINE: u64 = 64;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

impl Hub {
    /// Listens at `path` (0600), where nobody else does: whoever holds the store owns the path.
    /// `poked` is called for each poke.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(crate) fn listen(
        path: PathBuf,
        poked: impl Fn() + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let (changes, _) = watch::channel(0);
        let told = changes.clone();
        // Whoever pokes has changed something, too.
        let poked = {
            let changes = changes.clone();
            move || {
                changes.send_modify(|count| *count += 1);
                poked();
            }
        };
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        tokio::spawn(serve(stream, poked.clone(), told.subscribe()));
                    }
                    Err(error) => {
                        // Out of descriptors, most likely: whoever waits outside can wait longer.
                        tracing::warn!(error = %error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
        Ok(Self {
            path,
            changes,
            accepting,
        })
    }

    /// What changes whenever something was committed, for followers within the process.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Tells the followers that something was committed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Serves one client until it goes.
async fn serve(stream: UnixStream, poked: impl Fn(), mut changes: watch::Receiver<u64>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(MAX_LINE));
    let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await else {
        return;
    };
    match line.trim_end() {
        "poke" => poked(),
        "follow" => {
            while changes.changed().await.is_ok() {
                if write.write_all(b"changed\n").await.is_err() {
                    return;
                }
            }
        }
        _ => {
            let _ = write.write_all(b"poke or follow is expected\n").await;
        }
    }
}
