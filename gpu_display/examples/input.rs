//! A window that tells what is done in it.
//!
//! `cargo run -p gpu_display --features wayland,x11 --example input -- wayland 30`

mod support;

use std::io::Write;
use std::time::Instant;

use gpu_display::{Event, Presented};

use support::{Failure, from_arguments, picture, present, scanout, wait};

fn main() -> Result<(), Failure> {
    let (mut display, time) = from_arguments("Input")?;
    let start = Instant::now();
    let end = start.checked_add(time).unwrap_or(start);
    let request = scanout(&*display);
    let surface = display.create_surface(&request)?;
    let background = picture(request.width, request.height, |_, _| [90, 40, 60, 255])?;
    let mut shown = Presented::Busy;
    let mut out = std::io::stdout();
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
        while let Some(input) = display.next_input() {
            writeln!(out, "{:?}", input.event)?;
        }
    }
    Ok(())
}
