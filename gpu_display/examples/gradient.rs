//! A gradient that moves, and follows the size of its window.
//!
//! `cargo run -p gpu_display --features wayland,x11 --example gradient -- wayland 10`

mod support;

use std::time::Instant;

use gpu_display::{Event, Presented};

use support::{Failure, from_arguments, picture, present, scanout, wait};

fn main() -> Result<(), Failure> {
    let (mut display, time) = from_arguments("A gradient")?;
    let start = Instant::now();
    let end = start.checked_add(time).unwrap_or(start);
    let mut request = scanout(&*display);
    let surface = display.create_surface(&request)?;
    let mut frames: u32 = 0;
    while Instant::now() < end {
        let step = frames;
        let gradient = |x: u32, y: u32| {
            let part = |at: u32| at.wrapping_add(step).to_le_bytes()[0];
            [part(x), part(y), part(x ^ y), 255]
        };
        let picture = picture(request.width, request.height, gradient)?;
        // Frames come as fast as the display shows them, and no faster.
        while present(&mut *display, surface, &picture)? == Presented::Busy && Instant::now() < end
        {
            let events = wait(&mut *display, end)?;
            if events.contains(&Event::CloseRequested { surface }) {
                return Ok(());
            }
            if events.contains(&Event::OutputsChanged) {
                request = scanout(&*display);
                display.configure_surface(surface, &request)?;
                break;
            }
        }
        frames = frames.saturating_add(1);
    }
    println!("{frames} frames");
    Ok(())
}
