//! One policy for a bug that shows as a panic: the whole dispatcher ends. Half a dispatcher would
//! keep the store's hold and let runs wait for ever, while a dead one is started again and adopts
//! what it left.

/// From now on a panic in any thread or task ends the process, after it was reported as usual.
pub fn end_the_process() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}
