//! Images in a window of the desktop: `gpu_display` hands the compositor their dma-bufs, and nobody
//! copies a pixel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_buffer::{Access, Allocator, DrmFourcc, ExportedImage, ImageRequest, Layout, Rect, Usage};
use gpu_display::{
    Display, DmaBuf, DmaBufPlane, Frame, Mode, Output, PixelSource, Presented, Role, SurfaceId,
    SurfaceRequest, WaylandConfig, WaylandDisplay,
};
use kms_probe::{Picture, pattern};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vm_memory::Bytes;

use crate::error::{Error, Result, explain};
use crate::source::Source;

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
const FORMAT: DrmFourcc = DrmFourcc::Xrgb8888;
/// How long a compositor may take to begin, and to show a frame.
const LIMIT: Duration = Duration::from_secs(60);

/// Shows `frames` patterns, each in an image of its own, says `ready`, and leaves the last one there
/// until somebody ends it.
pub(crate) fn run(source: &Source, frames: u32) -> Result<()> {
    let mut allocator = source.open()?;
    let mut display = open()?;
    let request = SurfaceRequest {
        role: Role::Scanout { output: 0 },
        width: WIDTH,
        height: HEIGHT,
    };
    let surface = display.create_surface(&request);
    let surface = surface.map_err(failed("make a window"))?;
    let mut shown = Vec::new();
    for seed in 1..=frames {
        let picture = Arc::new(draw(allocator.as_mut(), seed)?);
        show(&mut display, surface, &picture)?;
        shown.push(picture);
    }
    let done = display.statistics();
    println!(
        "ready: {} frames, {} of them read where they were drawn, {} bytes copied",
        done.frames, done.shared_frames, done.copied_bytes
    );
    loop {
        wait(&mut display, Instant::now() + LIMIT)?;
    }
}

fn open() -> Result<WaylandDisplay> {
    let output = Output {
        enabled: true,
        x: 0,
        y: 0,
        mode: Mode {
            width: WIDTH,
            height: HEIGHT,
            refresh_millihertz: 60_000,
        },
        width_mm: 0,
        height_mm: 0,
    };
    let config = WaylandConfig {
        socket: None,
        title: "buffer-probe".to_owned(),
        app_id: "buffer-probe".to_owned(),
        outputs: vec![output],
    };
    WaylandDisplay::new(config).map_err(failed("reach the compositor"))
}

/// An image with a pattern, as a compositor takes it.
fn draw(allocator: &mut dyn Allocator, seed: u32) -> Result<DmaBuf> {
    let request = ImageRequest {
        width: WIDTH,
        height: HEIGHT,
        format: FORMAT,
        usage: Usage::SCANOUT | Usage::RENDERING,
        modifiers: Vec::new(),
    };
    let image = allocator
        .create(&request)
        .map_err(Error::buffer("create"))?;
    {
        let all = image
            .map(0, Rect::from_size(WIDTH, HEIGHT), Access::Write)
            .map_err(Error::buffer("map"))?;
        let stride = usize::try_from(all.layout().stride()).unwrap_or(0);
        for (row, bytes) in bytes_of(&pattern(WIDTH, HEIGHT, seed)).enumerate() {
            all.memory()
                .write_slice(&bytes, row * stride)
                .map_err(|error| Error::Wrong(explain(&error)))?;
        }
    }
    let exported = image.export().map_err(Error::buffer("export"))?;
    Ok(of_image(exported))
}

/// A screen's pixels in the order of `FORMAT`, row by row.
pub(crate) fn bytes_of(picture: &Picture) -> impl Iterator<Item = Vec<u8>> {
    let bytes = |row: &[u32]| row.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
    picture.rows().map(bytes)
}

fn of_image(image: ExportedImage) -> DmaBuf {
    let planes = image.planes.into_iter().map(|plane| DmaBufPlane {
        fd: plane.fd,
        offset: u32::try_from(plane.place.offset).unwrap_or(u32::MAX),
        stride: plane.place.stride,
    });
    DmaBuf {
        width: image.width,
        height: image.height,
        format: image.format,
        modifier: image.modifier.into(),
        planes: planes.collect(),
    }
}

/// Presents all of a picture, and waits until the compositor says that it was seen.
fn show(display: &mut WaylandDisplay, surface: SurfaceId, picture: &Arc<DmaBuf>) -> Result<()> {
    let layout = Layout::packed(WIDTH, HEIGHT, FORMAT);
    let layout = layout.map_err(Error::buffer("lay a picture out"))?;
    let frame = Frame {
        pixels: PixelSource::DmaBuf(picture),
        layout,
        crop: layout.bounds(),
        damage: &[layout.bounds()],
    };
    let end = Instant::now() + LIMIT;
    let seen = display.statistics().presented_frames;
    loop {
        match display.present(surface, &frame) {
            Ok(Presented::Taken) => break,
            Ok(Presented::Busy) => wait(display, end)?,
            Err(error) => return Err(failed("present")(error)),
        }
    }
    while display.statistics().presented_frames == seen {
        wait(display, end)?;
    }
    Ok(())
}

/// Waits until something happens, at most until `end`.
fn wait(display: &mut WaylandDisplay, end: Instant) -> Result<()> {
    let now = Instant::now();
    if now >= end {
        return Err(Error::Wrong("the compositor shows nothing".to_owned()));
    }
    let due = display.deadline().map_or(end, |due| due.min(end));
    let timeout = due.saturating_duration_since(now);
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    if let Some(watched) = display.poll_fd() {
        let mut fds = [PollFd::new(watched.fd, PollFlags::POLLIN)];
        poll(&mut fds, timeout).map_err(|errno| Error::io("poll")(errno.into()))?;
    }
    let dispatched = display.dispatch(Instant::now());
    dispatched.map_err(failed("follow the compositor"))?;
    while display.next_event().is_some() {}
    Ok(())
}

fn failed(action: &'static str) -> impl FnOnce(gpu_display::DisplayError) -> Error {
    move |error| Error::Wrong(format!("cannot {action}: {}", explain(&error)))
}
