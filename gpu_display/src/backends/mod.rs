//! The displays.

pub mod headless;
