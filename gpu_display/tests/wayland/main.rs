//! The Wayland display against a compositor in this process, and against Weston.
#![cfg(feature = "wayland")]
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
mod compositor;
mod cursors;
mod desk;
mod dma_bufs;
mod faults;
mod inputs;
mod liar;
mod pixels;
mod presentations;
mod sharing;
mod sizes;
mod weston;
mod windows;
