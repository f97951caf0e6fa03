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

pub mod drawing;
pub mod in_thread;
pub mod remote;
pub mod scene;

/// The daemon's executable.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_vhost-user-gpu");
