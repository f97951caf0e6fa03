//! Page flips, each waited for.

use std::path::Path;

use drm::control::{Device as _, Event, PageFlipFlags};
use kms_probe::pattern;

use crate::card::{Buffer, Card, Screen, Size};
use crate::commands::stay;
use crate::error::{Error, Result};

/// Shows frames 0 to `frames - 1`, frame n being pattern n, and stays on the last.
pub(crate) fn flip(path: &Path, size: Option<Size>, frames: u32) -> Result<()> {
    let card = Card::open(path)?;
    let screen = card.screen(0, size)?;
    let (width, height) = screen.size();
    let mut shown = card.buffer(&pattern(width, height, 0))?;
    let mut hidden = card.buffer(&pattern(width, height, 0))?;
    card.show(&screen, &shown)?;
    for frame in 1..frames {
        card.paint(&mut hidden, &pattern(width, height, frame))?;
        flip_to(&card, &screen, &hidden)?;
        std::mem::swap(&mut shown, &mut hidden);
    }
    stay()
}

/// Flips to a buffer and waits until the device shows it.
pub(crate) fn flip_to(card: &Card, screen: &Screen, buffer: &Buffer) -> Result<()> {
    card.page_flip(screen.crtc, buffer.framebuffer, PageFlipFlags::EVENT, None)
        .map_err(Error::io("flip"))?;
    loop {
        let mut events = card
            .receive_events()
            .map_err(Error::io("wait for a flip"))?;
        if events.any(|event| matches!(event, Event::PageFlip(_))) {
            return Ok(());
        }
    }
}
