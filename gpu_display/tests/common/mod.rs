//! What the tests of the headless display share.
#![allow(dead_code, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use gpu_buffer::{DrmFourcc, Layout, Rect};
use gpu_display::{
    Display, DisplayError, Frame, Headless, HeadlessConfig, Hotspot, Mode, Output, PixelSource,
    Position, Presented, Role, SurfaceId, SurfaceRequest,
};
use vm_memory::VolatileSlice;

pub(crate) type Pixel = [u8; 4];

pub(crate) const BLACK: Pixel = [0, 0, 0, 255];
pub(crate) const RED: Pixel = [255, 0, 0, 255];
pub(crate) const GREEN: Pixel = [0, 255, 0, 255];
pub(crate) const BLUE: Pixel = [0, 0, 255, 255];

/// Runs an example of the crate; `None`, and a line that says so, where none was built.
pub(crate) fn example(name: &str) -> Option<Command> {
    // Beside the folder that this test is in.
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    if !path.is_file() {
        eprintln!("skipped: the examples were not built");
        return None;
    }
    Some(Command::new(path))
}

/// Keeps a picture of a screen, of red, green and blue, as a file of this name in the folder that
/// `$GPU_DISPLAY_PICTURES` names; the README shows them.
pub(crate) fn keep_picture(name: &str, width: usize, pixels: &[[u8; 3]]) {
    let Some(folder) = std::env::var_os("GPU_DISPLAY_PICTURES") else {
        return;
    };
    let file = File::create(Path::new(&folder).join(name)).unwrap();
    let height = pixels.len() / width;
    let (width, height) = (u32::try_from(width), u32::try_from(height));
    let mut encoder = png::Encoder::new(file, width.unwrap(), height.unwrap());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels.as_flattened()).unwrap();
}

/// Pixels that a device presents.
pub(crate) struct Source {
    pub(crate) layout: Layout,
    pub(crate) bytes: Vec<u8>,
}

impl Source {
    /// Pixels of red, green, blue and alpha as bytes in memory.
    pub(crate) fn new(width: u32, height: u32, pixel: impl Fn(u32, u32) -> Pixel) -> Self {
        let layout = Layout::packed(width, height, DrmFourcc::Abgr8888).unwrap();
        let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let bytes = points.flat_map(|(x, y)| pixel(x, y)).collect();
        Self { layout, bytes }
    }

    pub(crate) fn plain(width: u32, height: u32, pixel: Pixel) -> Self {
        Self::new(width, height, |_, _| pixel)
    }

    pub(crate) fn present(
        &mut self,
        display: &mut dyn Display,
        surface: SurfaceId,
        crop: Rect,
        damage: &[Rect],
    ) -> Result<Presented, DisplayError> {
        let frame = Frame {
            pixels: PixelSource::Memory(VolatileSlice::from(&mut self.bytes[..])),
            layout: self.layout,
            crop,
            damage,
        };
        display.present(surface, &frame)
    }

    /// Shows all of it.
    pub(crate) fn show(&mut self, display: &mut dyn Display, surface: SurfaceId) {
        let whole = self.layout.bounds();
        let presented = self.present(display, surface, whole, &[whole]).unwrap();
        assert_eq!(presented, Presented::Taken);
    }
}

pub(crate) fn output(width: u32, height: u32) -> Output {
    Output {
        enabled: true,
        x: 0,
        y: 0,
        mode: Mode {
            width,
            height,
            refresh_millihertz: 60_000,
        },
        width_mm: 300,
        height_mm: 200,
    }
}

pub(crate) fn headless(directory: Option<&Path>) -> Headless {
    Headless::new(HeadlessConfig {
        outputs: vec![output(640, 480), output(800, 600)],
        directory: directory.map(Path::to_owned),
    })
    .unwrap()
}

pub(crate) fn scanout(output: u32, width: u32, height: u32) -> SurfaceRequest {
    SurfaceRequest {
        role: Role::Scanout { output },
        width,
        height,
    }
}

pub(crate) fn cursor(
    parent: SurfaceId,
    hotspot: (u32, u32),
    position: (i32, i32),
) -> SurfaceRequest {
    SurfaceRequest {
        role: Role::Cursor {
            parent,
            hotspot: Hotspot {
                x: hotspot.0,
                y: hotspot.1,
            },
            position: at(position.0, position.1),
        },
        width: 2,
        height: 2,
    }
}

pub(crate) fn at(x: i32, y: i32) -> Position {
    Position { x, y }
}

/// Asserts that the picture has the size and has the colour that `expected` says everywhere.
#[track_caller]
pub(crate) fn assert_picture(
    display: &Headless,
    output: u32,
    (width, height): (u32, u32),
    expected: impl Fn(u32, u32) -> Pixel,
) {
    let picture = display.picture(output).unwrap();
    assert_eq!((picture.width, picture.height), (width, height));
    assert_eq!(
        picture.pixels.len() as u64,
        u64::from(width) * u64::from(height) * 4
    );
    for y in 0..height {
        for x in 0..width {
            assert_eq!(picture.pixel(x, y), Some(expected(x, y)), "pixel {x},{y}");
        }
    }
}
