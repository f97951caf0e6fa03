//! The displays.

pub mod embedded;
pub mod headless;
#[cfg(feature = "wayland")]
pub mod wayland;
#[cfg(feature = "x11")]
pub mod x11;
