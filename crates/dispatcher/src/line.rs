//! The dispatcher's end of a lifeline: lines in become wakes, orders become lines out.

use serde::Serialize;
use tenure_guard::RunId;
use tenure_warden::lifeline::Message;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::wake::Wake;

/// A lifeline. Dropping it closes it, which tells the warden to go on by itself.
#[derive(Debug)]
pub(crate) struct Line {
    out: mpsc::UnboundedSender<String>,
}

impl Line {
    /// Takes a stream over. What the warden says, and that it says nothing more, goes to `wakes`.
    pub(crate) fn new(run: RunId, stream: UnixStream, wakes: mpsc::UnboundedSender<Wake>) -> Self {
        let (read, mut write) = stream.into_split();
        // Unbounded: a warden gets few orders, and none may wait for a slow one.
        let (out, mut lines) = mpsc::unbounded_channel::<String>();
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                if write.write_all(line.as_bytes()).await.is_err() {
                    return; // The warden is gone; the reading half says so.
                }
            }
        });
        tokio::spawn(async move {
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str::<Message>(&line) {
                    Ok(message) => {
                        let _ = wakes.send(Wake::Message { run, message });
                    }
                    Err(error) => tracing::error!(
                        run.id = %run, error = %error,
                        "a warden said something that is not understood",
                    ),
                }
            }
            let _ = wakes.send(Wake::LineClosed { run });
        });
        Self { out }
    }

    /// Where orders go in; for tasks that answer later.
    pub(crate) fn out(&self) -> mpsc::UnboundedSender<String> {
        self.out.clone()
    }

    /// Says something to a warden, where there still is one. One that is gone hears nothing; its end
    /// is known elsewhere.
    pub(crate) fn say_on(out: Option<&mpsc::UnboundedSender<String>>, order: &impl Serialize) {
        let Some(out) = out else { return };
        match serde_json::to_string(order) {
            Ok(mut line) => {
                line.push('\n');
                let _ = out.send(line);
            }
            Err(error) => tracing::error!(error = %error, "an order cannot be written"),
        }
    }
}
