//! What the tests of the daemon share.
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

use conformance::daemon::Daemon;

pub mod drawing;
pub mod in_thread;
pub mod remote;
pub mod scene;

/// The daemon's executable.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_vhost-user-gpu");

/// A daemon with a renderer, unless this machine has none.
pub fn rendering(arguments: &[&str]) -> Option<Daemon> {
    let arguments = [&["--renderer", "auto"], arguments].concat();
    let daemon = Daemon::start_with(PROGRAM, &arguments);
    if daemon.log().contains("renderer: virgl on ") {
        return Some(daemon);
    }
    println!("SKIP: {}", daemon.log());
    None
}
