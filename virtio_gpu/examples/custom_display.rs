//! A display of one's own: this one shows the guest's screen as letters on a terminal.
//!
//! `cargo run -p virtio_gpu --example custom_display`
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use std::error::Error;
use std::time::Instant;

use gpu_buffer::Rect;
use gpu_display::{
    CursorView, DisplayError, Embedded, Frame, Mode, Output, Presented, SurfaceId, Viewer,
};
use virtio_gpu::protocol::{Command, ResourceCreate2d, ResourceId, ScanoutId};
use virtio_gpu::testing::{Driver, entry, guest_memory};
use virtio_gpu::{Activation, Device, QueueIndex};
use vm_memory::Bytes;

const WIDTH: u32 = 24;
const HEIGHT: u32 = 8;
const IMAGE: ResourceId = ResourceId(1);

fn main() -> Result<(), Box<dyn Error>> {
    for line in run()? {
        println!("{line}");
    }
    Ok(())
}

/// The guest draws a disc; what the display shows of it.
pub fn run() -> Result<Vec<String>, Box<dyn Error>> {
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
    let display = Embedded::new(vec![output], Terminal::default());
    let mut device = Device::builder(display).build()?;
    let memory = guest_memory(32 << 20);
    let mut driver = Driver::new(memory.clone());
    let _ = device.activate(Activation {
        features: device.features(),
        memory,
        control: driver.ring(QueueIndex::Control).setup(),
        cursor: driver.ring(QueueIndex::Cursor).setup(),
    })?;
    driver.write(Driver::FREE, &disc());
    let whole = Rect::from_size(WIDTH, HEIGHT);
    let entries = [entry(Driver::FREE, WIDTH * HEIGHT * 4)];
    for command in [
        Command::ResourceCreate2d(ResourceCreate2d {
            resource: IMAGE,
            format: 2, // VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
            width: WIDTH,
            height: HEIGHT,
        }),
        Command::ResourceAttachBacking {
            resource: IMAGE,
            entries: &entries,
        },
        Command::TransferToHost2d {
            rect: whole,
            offset: 0,
            resource: IMAGE,
        },
        Command::SetScanout {
            rect: whole,
            scanout: ScanoutId(0),
            resource: Some(IMAGE),
        },
        Command::ResourceFlush {
            rect: whole,
            resource: IMAGE,
        },
    ] {
        driver.send(&command, None);
    }
    while device
        .process_queue(QueueIndex::Control, Instant::now())
        .more
    {}
    Ok(device.display().viewer().lines.clone())
}

fn disc() -> Vec<u8> {
    let inside = |x: i32, y: i32| (x - 12).pow(2) + (2 * y - 8).pow(2) < 60;
    (0..8)
        .flat_map(|y| (0..24).flat_map(move |x| if inside(x, y) { [255; 4] } else { [0; 4] }))
        .collect()
}

/// Lines of text: light pixels are `#`, dark ones are `.`.
#[derive(Debug, Default)]
struct Terminal {
    lines: Vec<String>,
}

impl Viewer for Terminal {
    fn show(&mut self, _output: u32, frame: &Frame<'_>) -> Result<Presented, DisplayError> {
        // Only what changed has to be looked at; this display is small and looks at everything.
        let memory = frame.pixels.memory();
        let letter = |x: u32, y: u32| {
            let pixel = Rect::new(frame.crop.x + x, frame.crop.y + y, 1, 1);
            let at = frame.layout.span(&pixel).map_or(0, |span| span.first);
            let mut green = [0];
            let read = memory.read_slice(&mut green, usize::try_from(at + 1).unwrap_or(0));
            match read {
                Ok(()) if green[0] > 127 => '#',
                _ => '.',
            }
        };
        self.lines = (0..frame.crop.height)
            .map(|y| (0..frame.crop.width).map(|x| letter(x, y)).collect())
            .collect();
        Ok(Presented::Taken)
    }

    fn blank(&mut self, _output: u32) {
        self.lines.clear();
    }

    fn show_cursor(
        &mut self,
        _cursor: SurfaceId,
        _view: &CursorView,
        _image: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        Ok(Presented::Taken)
    }

    fn move_cursor(&mut self, _cursor: SurfaceId, _view: &CursorView) {}

    fn hide_cursor(&mut self, _cursor: SurfaceId) {}
}
