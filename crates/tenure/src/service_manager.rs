//! What the service manager is told: that we are ready, how we are, that we stop. Without a manager
//! there is nobody to tell, which is no error.
//!
//! **Invariant:** the watchdog is fed with a pulse of the dispatcher and with nothing else, so that a
//! loop which does not turn is restarted. A store that is away is said, and is no reason to be
//! killed: another start would not bring it back.

use std::pin::pin;
use std::time::Duration;

use sd_notify::NotifyState;
use tenure_dispatcher::{Heart, Pulse};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::escape;

/// The manager's patience is three of our pauses: one pulse may be late.
const PULSES_PER_PATIENCE: u32 = 3;

/// Says that tasks can be dispatched as soon as that is so, and from then on, where the manager
/// watches, that it still is. Returns when the dispatcher has finished, or at once where nobody
/// watches.
pub async fn accompany(is_ready: oneshot::Receiver<Heart>) {
    let Ok(heart) = is_ready.await else {
        return;
    };
    tell(&[NotifyState::Ready, NotifyState::Status("ready")]);
    if let Some(patience) = sd_notify::watchdog_enabled() {
        feed(&heart, patience).await;
    }
}

/// For so long a start that takes long asks for patience, twice in that time: a large store has as long as
/// it needs where its tables are brought up to date, and a start that the manager breaks off begins anew.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for something that belongs to the start, and asks for patience meanwhile.
pub async fn patiently<T>(starting: impl Future<Output = T>) -> T {
    let mut starting = pin!(starting);
    loop {
        if let Ok(started) = tokio::time::timeout(PATIENCE / 2, &mut starting).await {
            return started;
        }
        let micros = u32::try_from(PATIENCE.as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }
}

/// Says that we are about to finish.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the configuration is read again, or that another program takes our place; the next
/// "ready" is the answer to this.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(error = %error, "the clock cannot be read"),
    }
}

/// Says that what is in force now was read, whether it changed or not.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// Where the dispatcher does not answer, this waits: then nothing is fed.
async fn feed(heart: &Heart, patience: Duration) {
    let pause = patience / PULSES_PER_PATIENCE;
    loop {
        let next = Instant::now() + pause;
        let Some(pulse) = heart.pulse().await else {
            return;
        };
        let status = status(&pulse);
        tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
        tokio::time::sleep_until(next).await;
    }
}

/// A line for `systemctl status`.
fn status(pulse: &Pulse) -> String {
    let Pulse {
        runs,
        slots,
        store_away,
    } = pulse;
    let store = match store_away {
        None => "the store answers".to_owned(),
        Some(why) => format!("the store is away, nothing is claimed: {why}"),
    };
    escape::line(&format!("{runs} of {slots} slots used; {store}"))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(error = %error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_in_one_line_what_is_used_and_whether_the_store_answers() {
        let mut pulse = Pulse {
            runs: 2,
            slots: 8,
            store_away: None,
        };
        assert_eq!(status(&pulse), "2 of 8 slots used; the store answers");
        pulse.store_away = Some("no\nanswer".to_owned());
        let away = status(&pulse);
        assert!(
            away.contains("the store is away") && !away.contains('\n'),
            "{away}"
        );
    }
}
