//! The demonstration.

use std::path::Path;
use std::time::Instant;

use kms_probe::{Scene, pointer, pointer_position};

use crate::card::Card;
use crate::commands::announce;
use crate::commands::flip::flip_to;
use crate::error::Result;

/// Draws frame after frame until the program is killed.
pub(crate) fn animate(path: &Path, label: &str) -> Result<()> {
    let card = Card::open(path)?;
    let screen = card.screen(0, None)?;
    let (width, height) = screen.size();
    let scene = Scene::new(width, height, label);
    let start = Instant::now();
    let mut shown = card.buffer(&scene.frame(0.0))?;
    let mut hidden = card.buffer(&scene.frame(0.0))?;
    card.show(&screen, &shown)?;
    let image = card.cursor_buffer(&pointer())?;
    card.set_cursor_image(&screen, Some(&image), (0, 0))?;
    for frame in 1_u32.. {
        let seconds = start.elapsed().as_secs_f32();
        card.paint(&mut hidden, &scene.frame(seconds))?;
        flip_to(&card, &screen, &hidden)?;
        let (x, y) = pointer_position(width, height, seconds);
        let pixel = |value: u32| i32::try_from(value).unwrap_or(0);
        card.move_cursor_to(&screen, (pixel(x), pixel(y)))?;
        std::mem::swap(&mut shown, &mut hidden);
        if frame == 3 {
            announce();
        }
        if frame.is_multiple_of(20) {
            println!("{frame} frames in {seconds:.1} s");
        }
    }
    Ok(())
}
