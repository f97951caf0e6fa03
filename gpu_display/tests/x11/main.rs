//! The X11 display against Xvfb, looked at through another connection.
#![cfg(feature = "x11")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../common/mod.rs"]
mod common;
mod cursors;
mod desk;
mod dma_bufs;
mod examples;
mod fake;
mod faults;
mod inputs;
mod liar;
mod pixels;
mod windows;
mod xvfb;
