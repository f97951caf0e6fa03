//! The displays.

pub mod headless;
#[cfg(feature = "wayland")]
pub mod wayland;
