//! What the examples share: a window to choose on the command line, and a loop that waits for it.
#![allow(dead_code)]

use std::error::Error;
use std::time::{Duration, Instant};

use gpu_buffer::{Allocator, Buffer, BufferRequest, DrmFourcc, Layout, MemfdAllocator};
use gpu_display::{
    Display, Event, Frame, InputSource, Mode, Output, PixelSource, Presented, Role, SurfaceId,
    SurfaceRequest, WaylandConfig, WaylandDisplay, X11Config, X11Display,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::sync::Arc;
use vm_memory::Bytes;

/// A display with windows.
pub(crate) trait Window: Display + InputSource {}
impl<D: Display + InputSource> Window for D {}

pub(crate) type Failure = Box<dyn Error>;

/// The display that the first argument names (`wayland`, `wayland=SOCKET`, `x11` or `x11=:N`), and
/// how many seconds to stay, which the second one says.
pub(crate) fn from_arguments(title: &str) -> Result<(Box<dyn Window>, Duration), Failure> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "wayland".to_owned());
    let seconds: f32 = arguments.next().map_or(Ok(10.0), |text| text.parse())?;
    let mode = Mode {
        width: 640,
        height: 480,
        refresh_millihertz: 60_000,
    };
    let output = Output {
        enabled: true,
        x: 0,
        y: 0,
        mode,
        width_mm: 0,
        height_mm: 0,
    };
    let (title, outputs) = (title.to_owned(), vec![output]);
    let (kind, place) = match name.split_once('=') {
        Some((kind, place)) => (kind, Some(place)),
        None => (&*name, None),
    };
    let display: Box<dyn Window> = match kind {
        "wayland" => Box::new(WaylandDisplay::new(WaylandConfig {
            socket: place.map(Into::into),
            app_id: "gpu_display".to_owned(),
            title,
            outputs,
        })?),
        "x11" => Box::new(X11Display::new(X11Config {
            display: place.map(str::to_owned),
            class: "gpu_display".to_owned(),
            title,
            outputs,
        })?),
        _ => return Err(format!("{name}: wayland, wayland=SOCKET, x11 or x11=:N").into()),
    };
    Ok((display, Duration::from_secs_f32(seconds)))
}

/// A scanout of the size that the output prefers.
pub(crate) fn scanout(display: &dyn Window) -> SurfaceRequest {
    let mode = display.outputs().first().map(|output| output.mode);
    let (width, height) = mode.map_or((640, 480), |mode| (mode.width, mode.height));
    SurfaceRequest {
        role: Role::Scanout { output: 0 },
        width,
        height,
    }
}

/// A picture in shared memory: red, green, blue and alpha of each place.
pub(crate) fn picture(
    width: u32,
    height: u32,
    pixel: impl Fn(u32, u32) -> [u8; 4],
) -> Result<Arc<Buffer>, Failure> {
    let layout = Layout::packed(width, height, DrmFourcc::Abgr8888)?;
    let buffer = MemfdAllocator.allocate(&BufferRequest { layout })?;
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels: Vec<u8> = places.flat_map(|(x, y)| pixel(x, y)).collect();
    buffer.memory().write_slice(&pixels, 0)?;
    Ok(Arc::new(buffer))
}

/// Shows all of a picture, if the display takes it now.
pub(crate) fn present(
    display: &mut dyn Window,
    surface: SurfaceId,
    picture: &Arc<Buffer>,
) -> Result<Presented, Failure> {
    let layout = *picture.layout();
    let frame = Frame {
        pixels: PixelSource::Buffer(picture),
        layout,
        crop: layout.bounds(),
        damage: &[layout.bounds()],
    };
    Ok(display.present(surface, &frame)?)
}

/// Waits until something happens, at most until `end`, and says what did.
pub(crate) fn wait(display: &mut dyn Window, end: Instant) -> Result<Vec<Event>, Failure> {
    let due = display.deadline().map_or(end, |due| due.min(end));
    let timeout = due.saturating_duration_since(Instant::now());
    let timeout = u16::try_from(timeout.as_millis()).unwrap_or(u16::MAX);
    if let Some(watched) = display.poll_fd() {
        let mut fds = [PollFd::new(watched.fd, PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(timeout.saturating_add(1)))?;
    }
    display.dispatch(Instant::now())?;
    Ok(std::iter::from_fn(|| display.next_event()).collect())
}
