//! A front end that behaves as QEMU does, a daemon to run it against, and the other end of the display socket.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod daemon;
pub mod drawing;
pub mod front_end;
pub mod gpu_socket;
pub mod guest;
pub mod remote;

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
