//! At most so many dispatchers at once over all test processes: each brings wardens and workers, and
//! the machine may have two cores.

use std::fs::{self, File};
use std::time::Duration;

use crate::program;
use crate::wait;

/// How many dispatchers may run at once.
const SLOTS: usize = 4;

/// How long a test may stand in the queue: a whole suite of the others.
const QUEUE: Duration = Duration::from_mins(20);

/// Room for one dispatcher. Given back when it is dropped; the kernel does so for a killed test.
#[derive(Debug)]
pub struct Slot {
    #[expect(dead_code, reason = "held, not read: closing it gives the slot back")]
    lock: File,
}

/// The turn of a test that has several dispatchers: two that each held some of the room and waited for
/// more would wait for ever.
#[derive(Debug)]
pub struct Turn {
    #[expect(dead_code, reason = "held, not read: closing it ends the turn")]
    lock: File,
}

impl Turn {
    /// Waits until no other test has several dispatchers. Taken before the first of them starts.
    ///
    /// # Panics
    /// Where the others take longer than a whole suite may.
    pub fn take() -> Self {
        let folder = program::folder().join("dispatcher-slots");
        fs::create_dir_all(&folder).expect("the folder of slots can be made");
        let free = || {
            let lock = File::create(folder.join("several")).ok()?;
            lock.try_lock().ok()?;
            Some(lock)
        };
        match wait::within(QUEUE, free) {
            Some(lock) => Self { lock },
            None => panic!("no turn for several dispatchers in {QUEUE:?}: do others hang?"),
        }
    }
}

impl Slot {
    /// Waits for room.
    pub fn take() -> Self {
        let folder = program::folder().join("dispatcher-slots");
        fs::create_dir_all(&folder).expect("the folder of slots can be made");
        let free = || {
            (0..SLOTS).find_map(|number| {
                let lock = File::create(folder.join(number.to_string())).ok()?;
                lock.try_lock().ok()?;
                Some(lock)
            })
        };
        match wait::within(QUEUE, free) {
            Some(lock) => Self { lock },
            None => panic!("no room for a dispatcher in {QUEUE:?}: do others hang?"),
        }
    }
}
