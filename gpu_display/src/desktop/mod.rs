//! What the displays with windows have in common: pure logic, no window system.
//!
//! An output is a window: it is made with the output's first surface and stays until the display is
//! dropped, black while the output has no surface.

mod blit;
mod copies;
mod modes;
mod retry;
mod shared;
mod size;

pub(crate) use blit::{Pixels, blit, opaque_format};
pub(crate) use copies::{Canvas, Copies};
pub(crate) use modes::Modes;
pub(crate) use retry::Retry;
pub(crate) use shared::{SharedBuffers, View, shareable};
pub(crate) use size::Size;
