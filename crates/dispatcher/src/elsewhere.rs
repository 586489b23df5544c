//! What others write into the store, on whatever host: it wakes the loop, and whoever follows changes
//! here, as a poke would.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tenure_store::Store;
use tenure_store::watch::Change;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::event::Event;
use crate::hub::Hub;
use crate::wake::Wake;

/// How long after one change the next is heeded: many in a row are one look each so long.
const BREATH: Duration = Duration::from_millis(30);

/// The watching of a dispatcher. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Elsewhere(JoinHandle<()>);

impl Elsewhere {
    /// Begins to watch.
    pub(crate) fn watch(store: &Store, hub: &Arc<Hub>, wakes: UnboundedSender<Wake>) -> Self {
        let mut watch = store.watch();
        // Its socket goes with the dispatcher, not when this comes to its end.
        let hub: Weak<Hub> = Arc::downgrade(hub);
        Self(tokio::spawn(async move {
            loop {
                let change = watch.next().await;
                if let Some(hub) = hub.upgrade() {
                    hub.changed();
                }
                let look = Wake::Event(Event::Look);
                if change == Change::Work && wakes.send(look).is_err() {
                    return;
                }
                tokio::time::sleep(BREATH).await;
            }
        }))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.abort();
    }
}
