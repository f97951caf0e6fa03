//! Waiting for what another process does.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
