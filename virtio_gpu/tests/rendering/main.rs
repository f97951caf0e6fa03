//! The 3D half of the device, on a renderer that writes down what it is asked:
//! inline, and on a thread of its own.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_debug_implementations,
    unreachable_pub
)]

#[path = "../support/mod.rs"]
mod support;

mod backpressure;
mod contexts;
mod copies;
mod cursors;
mod early_streams;
mod exports;
mod features;
mod fences;
mod images;
mod late_failures;
mod lost;
mod promotion;
mod promotion_failures;
mod quiesce;
mod resets;
mod resources;
mod rig;
mod scanouts;
mod scanouts_busy;
mod scanouts_stale;
mod shared;
mod shared_refused;
mod submit;
mod transfers;
