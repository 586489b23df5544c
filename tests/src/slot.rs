//! At most so many tests at once that have a dispatcher, over all test processes: each brings wardens and
//! workers, and the machine may have two cores.

use std::cell::RefCell;
use std::fs::{self, File};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::program;
use crate::wait;

/// How many tests may have dispatchers at once.
const SLOTS: usize = 4;

/// How long a test may stand in the queue: a whole suite of the others.
const QUEUE: Duration = Duration::from_mins(20);

/// Room for the dispatchers of one test. Given back when the last is dropped; the kernel does so for a
/// killed test. Tests that each held room for one and waited for another's would wait for ever, so the
/// second dispatcher of a test needs no more.
#[derive(Debug)]
pub struct Slot {
    #[expect(dead_code, reason = "held, not read: closing it gives the slot back")]
    lock: Arc<File>,
}

thread_local! {
    /// What the test of this thread holds.
    static HELD: RefCell<Weak<File>> = const { RefCell::new(Weak::new()) };
}

/// The turn of a test that has several dispatchers at once, so that only one such test runs.
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
    /// Waits for room, where this test has none yet.
    pub fn take() -> Self {
        if let Some(lock) = HELD.with_borrow(Weak::upgrade) {
            return Self { lock };
        }
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
            Some(lock) => {
                let lock = Arc::new(lock);
                HELD.set(Arc::downgrade(&lock));
                Self { lock }
            }
            None => panic!("no room for a dispatcher in {QUEUE:?}: do others hang?"),
        }
    }
}
