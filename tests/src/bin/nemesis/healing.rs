//! How long it takes until all is well again, once nothing is wrong any more.

use std::thread;
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::watch::Watch;

/// How long it may take: the lease, and five seconds.
pub const LIMIT: Duration = Duration::from_secs(11);

/// When it is given up.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The server's time in milliseconds.
const NOW: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + $1";

/// Open runs whose lease was last taken or renewed before the moment at which a lease would end then.
const FORSAKEN: &str = "SELECT count(*) FROM runs WHERE ended_at IS NULL AND lease_until < $1";

/// Probes that are not done yet.
const PROBES: &str =
    "SELECT count(*) FROM tasks WHERE title = 'probe' AND status <> 'done' AND id > $1";

/// The shortest lease that is allowed.
pub const LEASE: Duration = Duration::from_secs(6);

/// Waits until every open run is in hands that renewed it after this moment, and a task that was added
/// after it is done; how long that took.
pub fn time(watch: &mut Watch, load: &mut Load) -> Option<Duration> {
    let began = Instant::now();
    let lease = i64::try_from(LEASE.as_millis()).unwrap_or_default();
    let renewed = until(began, || watch.number(NOW, lease))?;
    until(began, || load.add_probe().then_some(()))?;
    until(began, || {
        let waiting = watch.number(FORSAKEN, renewed)? + watch.number(PROBES, 0)?;
        (waiting == 0).then_some(())
    })?;
    Some(began.elapsed())
}

fn until<T>(began: Instant, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        if let Some(value) = look() {
            return Some(value);
        }
        if began.elapsed() > PATIENCE {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}
