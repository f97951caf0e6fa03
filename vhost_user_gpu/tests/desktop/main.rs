//! The daemon with windows on real desktops: Weston and Xvfb.
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

#[path = "../support/mod.rs"]
mod support;

mod choice;
mod faults;
mod input;
mod screen;
mod wayland;
mod weston;
mod x11;
mod xvfb;
