//! A picture of which only parts are announced as changed.

use std::path::Path;

use drm::control::{ClipRect, Device as _};
use kms_probe::Rectangle;

use crate::card::Card;
use crate::commands::stay;
use crate::error::{Error, Result};

/// Draws the first picture, changes rectangles in memory, and announces all but one.
pub(crate) fn damage(path: &Path) -> Result<()> {
    let card = Card::open(path)?;
    let screen = card.screen(0, None)?;
    let (width, height) = screen.size();
    let damage = kms_probe::damage(width, height);
    let mut buffer = card.buffer(&damage.before)?;
    card.show(&screen, &buffer)?;

    let mut memory = damage.expected();
    memory.copy_rectangle(&damage.after, damage.silent);
    card.paint(&mut buffer, &memory)?;
    for rectangle in &damage.announced {
        // One call each: the kernel announces several rectangles as the one around them all.
        card.dirty_framebuffer(buffer.framebuffer, &[clip(*rectangle)])
            .map_err(Error::io("announce a change"))?;
    }
    stay()
}

fn clip(rectangle: Rectangle) -> ClipRect {
    let edge = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    ClipRect::new(
        edge(rectangle.x),
        edge(rectangle.y),
        edge(rectangle.x + rectangle.width),
        edge(rectangle.y + rectangle.height),
    )
}
