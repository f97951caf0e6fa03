//! A plain window in which the pointer looks like a ring.
//!
//! `cargo run -p gpu_display --features wayland,x11 --example cursor -- x11 10`

mod support;

use std::time::Instant;

use gpu_display::{Event, Hotspot, Position, Presented, Role, SurfaceRequest};

use support::{Failure, from_arguments, picture, present, scanout, wait};

/// Sides of the image, and the pixel in its middle.
const SIDE: u32 = 33;
const MIDDLE: u32 = 16;

fn main() -> Result<(), Failure> {
    let (mut display, time) = from_arguments("A cursor")?;
    let start = Instant::now();
    let end = start.checked_add(time).unwrap_or(start);
    let request = scanout(&*display);
    let surface = display.create_surface(&request)?;
    let background = picture(request.width, request.height, |_, _| [40, 60, 90, 255])?;
    let cursor = display.create_surface(&SurfaceRequest {
        role: Role::Cursor {
            parent: surface,
            hotspot: Hotspot {
                x: MIDDLE,
                y: MIDDLE,
            },
            position: Position { x: 100, y: 100 },
        },
        width: SIDE,
        height: SIDE,
    })?;
    let ring = picture(SIDE, SIDE, |x, y| {
        let square = |at: u32| at.abs_diff(MIDDLE).pow(2);
        match square(x).saturating_add(square(y)) {
            144..=256 => [255, 200, 0, 255],
            _ => [0; 4],
        }
    })?;
    let mut shown = Presented::Busy;
    present(&mut *display, cursor, &ring)?;
    while Instant::now() < end {
        if shown == Presented::Busy {
            shown = present(&mut *display, surface, &background)?;
        }
        for event in wait(&mut *display, end)? {
            match event {
                Event::Redraw { .. } => shown = Presented::Busy,
                Event::CloseRequested { .. } => return Ok(()),
                _ => {}
            }
        }
    }
    Ok(())
}
