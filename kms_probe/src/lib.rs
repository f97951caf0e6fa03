//! The pictures that the guest's programs draw, so that the host can compute what it must see.
//!
//! Everything here is a pure function of its arguments: the guest paints the result into a
//! framebuffer, the host compares the screen with it.

#![forbid(unsafe_code)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sides are at most 16384 pixels, and overflow checks stay on in every profile"
)]

mod canvas;
mod cursor;
mod font;
mod pattern;
mod picture;
mod scene;

pub use canvas::{Canvas, text_dots};
pub use cursor::{CURSOR_SIDE, cursor_image};
pub use pattern::{Damage, damage, pattern};
pub use picture::{Picture, Rectangle};
pub use scene::{Scene, pointer, pointer_position};
