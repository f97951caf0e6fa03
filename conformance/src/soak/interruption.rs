//! SIGINT and SIGTERM end the soak between two iterations, so that no daemon is left behind.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};

static CAME: AtomicBool = AtomicBool::new(false);

/// Whether a signal came.
pub fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Waits for the signals from now on. Daemons are started with them blocked, as they block them themselves.
pub fn watch() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals
        .thread_block()
        .expect("these signals can be blocked");
    std::thread::spawn(move || {
        // Nothing but these signals ends the wait.
        let _ = signals.wait();
        CAME.store(true, Ordering::Relaxed);
    });
}
