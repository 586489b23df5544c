//! `serve`: the dispatcher in the foreground.

use tenure_dispatcher::{Control, Settings};
use tenure_store::Store;
use tenure_store::dispatcher::Hold;
use tokio::sync::{mpsc, oneshot};

use crate::cli::{Global, Serve};
use crate::failure::Failure;
use crate::logging;
use crate::place::Place;
use crate::service_manager;
use crate::settings::settings;
use crate::signals::{Manners, Signals, obey};

/// Dispatches until told to stop.
pub fn run(global: &Global, args: &Serve) -> Result<(), Failure> {
    logging::begin(args.log_format, "info", None)?;
    let place = Place::find(global)?;
    super::block_on(async {
        let store = place.open().await?;
        let hold = store.hold().await?;
        let settings = settings(&place.config, &store, None)?;
        dispatch(settings, store, hold).await
    })
}

async fn dispatch(settings: Settings, store: Store, hold: Hold) -> Result<(), Failure> {
    let signals =
        Signals::catch().map_err(|error| Failure::io("signals cannot be caught", error))?;
    let manners = Manners::Service(settings.on_stop);
    let (control, orders) = mpsc::unbounded_channel();
    let (ready, is_ready) = oneshot::channel();
    let dispatcher = tenure_dispatcher::run(settings, store, hold, orders, ready);
    let beside = async {
        let accompanied = service_manager::accompany(is_ready);
        tokio::join!(accompanied, obey(signals, manners, control, log)).1
    };
    tokio::select! {
        ended = dispatcher => Ok(ended?),
        never = beside => match never {},
    }
}

fn log(meant: Option<Control>) {
    match meant {
        Some(control) => {
            service_manager::stopping();
            tracing::info!(dispatcher.control = ?control, "asked to stop");
        }
        None => {
            tracing::info!("a hangup means nothing yet: restart to read the configuration again");
        }
    }
}
