//! A cursor on a plain background.

use std::path::Path;

use kms_probe::{Picture, cursor_image};

use crate::card::Card;
use crate::commands::stay;
use crate::error::Result;

/// Shows the cursor with its image's upper left corner at `position`.
pub(crate) fn cursor(
    path: &Path,
    position: (i32, i32),
    hotspot: (i32, i32),
    seed: u32,
    hide: bool,
) -> Result<()> {
    let card = Card::open(path)?;
    let screen = card.screen(0, None)?;
    let (width, height) = screen.size();
    let buffer = card.buffer(&Picture::from_fn(width, height, |_, _| 0x0020_3040))?;
    card.show(&screen, &buffer)?;
    let image = card.cursor_buffer(&cursor_image(seed))?;
    card.set_cursor_image(&screen, Some(&image), hotspot)?;
    card.move_cursor_to(&screen, position)?;
    if hide {
        card.set_cursor_image(&screen, None, (0, 0))?;
    }
    stay()
}
