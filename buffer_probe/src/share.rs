//! Images of every format: made, drawn from scattered memory, read back, and checked by a second
//! process that gets nothing but the exported descriptor.

use std::process::{Command, Stdio};

use gpu_buffer::{
    Access, Allocator, BufferRequest, DrmFourcc, Error as BufferError, ExportedImage, Image,
    ImageRequest, Layout, Rect, ScatterList, Scattered,
};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::error::{Error, Result, explain};
use crate::pattern::{byte, compare, plane_layout, rows};
use crate::source::Source;

/// Every allocator must be able to make these.
const NEEDED: [DrmFourcc; 2] = [DrmFourcc::Xrgb8888, DrmFourcc::Argb8888];
/// Allocators over memory must; a driver may refuse them.
const OTHERS: [DrmFourcc; 9] = [
    DrmFourcc::Xbgr8888,
    DrmFourcc::Abgr8888,
    DrmFourcc::Rgb565,
    DrmFourcc::R8,
    DrmFourcc::Gr88,
    DrmFourcc::Nv12,
    DrmFourcc::P010,
    DrmFourcc::Yuv420,
    DrmFourcc::Yvu420,
];
const WIDTH: u32 = 200;
const HEIGHT: u32 = 120;

/// Tries every format, and a buffer that stays mapped.
pub(crate) fn run(source: &Source) -> Result<()> {
    let mut allocator = source.open()?;
    for format in NEEDED {
        share(source, allocator.as_mut(), format)?;
    }
    for format in OTHERS {
        match share(source, allocator.as_mut(), format) {
            Err(Error::Buffer {
                source: refused @ BufferError::Refused { .. },
                ..
            }) if source.mapped_by().is_some() => println!("refused: {}", explain(&refused)),
            other => other?,
        }
    }
    stays_mapped(source, allocator.as_mut())
}

fn share(source: &Source, allocator: &mut dyn Allocator, format: DrmFourcc) -> Result<()> {
    let request = ImageRequest {
        width: WIDTH,
        height: HEIGHT,
        format,
        usage: source.usage(),
        modifiers: Vec::new(),
    };
    let image = allocator
        .create(&request)
        .map_err(Error::buffer(format!("create {format}")))?;
    for plane in 0..image.layout().planes().len() {
        draw(&image, plane)?;
        compare(&image, plane, plane_layout(&image, plane)?.bounds())?;
        compare(&image, plane, Rect::new(17, 5, 31, 40))?;
    }
    let exported = image.export().map_err(Error::buffer("export"))?;
    println!(
        "shared {format}: {:?}, {:?}, {} bytes",
        image.usage(),
        image.modifier(),
        image.layout().size()
    );
    // It goes on without the image: what was exported keeps the memory.
    drop(image);
    match source.mapped_by() {
        // Loading the driver again takes seconds in a guest.
        Some(_) if !NEEDED.contains(&format) => Ok(()),
        mapped_by => have_checked(&exported, mapped_by),
    }
}

/// Draws a plane from memory that lies in pieces, in three rectangles.
pub(crate) fn draw(image: &Image, plane: usize) -> Result<()> {
    let layout = *plane_layout(image, plane)?;
    let (width, height) = (layout.width(), layout.height());
    let rectangles = [
        Rect::new(0, 0, width / 2, height / 3),
        Rect::new(width / 2, 0, width - width / 2, height / 3),
        Rect::new(0, height / 3, width, height - height / 3),
    ];
    for rect in rectangles {
        let bytes = rows(plane, &layout, rect);
        let (memory, list) = scatter(&bytes)?;
        let stride = rect.width * layout.bytes_per_pixel();
        let scattered = Scattered {
            list: &list,
            offset: 0,
            stride: stride.into(),
        };
        image
            .write(plane, rect, &scattered)
            .map_err(Error::buffer(format!("write plane {plane}")))?;
        drop(memory);
    }
    Ok(())
}

/// The bytes in pieces of 1000 that lie in memory in the opposite order.
fn scatter(bytes: &[u8]) -> Result<(GuestMemoryMmap, ScatterList)> {
    const PIECE: usize = 1000;
    let wrong = |error: &dyn std::error::Error| Error::Wrong(explain(error));
    let size = bytes.len().next_multiple_of(4096);
    let memory: GuestMemoryMmap =
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), size)]).map_err(|error| wrong(&error))?;
    let mut end = u64::try_from(size).unwrap_or(0);
    let mut entries = Vec::new();
    for piece in bytes.chunks(PIECE) {
        let length = u32::try_from(piece.len()).unwrap_or(0);
        end -= u64::from(length);
        memory
            .write_slice(piece, GuestAddress(end))
            .map_err(|error| wrong(&error))?;
        entries.push((end, length));
    }
    let list = ScatterList::resolve(&memory, entries.into_iter())
        .map_err(Error::buffer("resolve the scattered memory"))?;
    Ok((memory, list))
}

/// A buffer that stays mapped: zero at first, drawn in a turn, and checked by a second process.
fn stays_mapped(source: &Source, allocator: &mut dyn Allocator) -> Result<()> {
    let layout = Layout::packed(WIDTH, HEIGHT, DrmFourcc::Xrgb8888)
        .map_err(Error::buffer("lay a picture out"))?;
    let buffer = match allocator.allocate(&BufferRequest { layout }) {
        Ok(buffer) => buffer,
        Err(refused @ BufferError::Map { .. }) if source.mapped_by().is_some() => {
            println!("not to be mapped for good: {}", explain(&refused));
            return Ok(());
        }
        Err(error) => return Err(Error::buffer("allocate")(error)),
    };
    let layout = *buffer.layout();
    let memory = buffer.memory();
    {
        let _turn = buffer
            .begin_access(Access::Write)
            .map_err(Error::buffer("begin a turn"))?;
        let mut bytes = vec![1_u8; memory.len()];
        memory.copy_to(&mut bytes[..]);
        if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
            return Err(Error::Wrong(format!(
                "byte {at} of a fresh buffer is not 0"
            )));
        }
        for y in 0..HEIGHT {
            for x in 0..WIDTH * 4 {
                let at = usize::try_from(y * layout.stride() + x).unwrap_or(0);
                memory
                    .write_slice(&[byte(0, x, y)], at)
                    .map_err(|error| Error::Wrong(error.to_string()))?;
            }
        }
    }
    let fd = buffer.dma_buf().or_else(|| buffer.shared_fd());
    let fd = fd.ok_or_else(|| Error::Wrong("nothing to share".to_owned()))?;
    let exported = ExportedImage {
        width: WIDTH,
        height: HEIGHT,
        format: DrmFourcc::Xrgb8888,
        modifier: gpu_buffer::DrmModifier::Linear,
        planes: vec![gpu_buffer::ExportedPlane {
            fd: fd.try_clone_to_owned().map_err(Error::io("duplicate"))?,
            place: gpu_buffer::PlanePlace {
                offset: 0,
                stride: layout.stride(),
            },
        }],
    };
    println!("shared a mapped buffer, stride {}", layout.stride());
    have_checked(&exported, source.mapped_by())
}

/// Starts this program again with the first plane's descriptor as its input.
fn have_checked(exported: &ExportedImage, mapped_by: Option<&str>) -> Result<()> {
    let program = std::env::current_exe().map_err(Error::io("find this program"))?;
    let first = exported.planes.first();
    let first = first.ok_or_else(|| Error::Wrong("an image without planes".to_owned()))?;
    let fd = first.fd.try_clone().map_err(Error::io("duplicate"))?;
    let mut command = Command::new(program);
    command
        .arg("check")
        .args(["--size", &format!("{}x{}", exported.width, exported.height)])
        .args(["--fourcc", &format!("{}", exported.format)])
        .args(["--modifier", &u64::from(exported.modifier).to_string()]);
    if let Some(driver) = mapped_by {
        command.args(["--gbm", driver]);
    }
    for plane in &exported.planes {
        command.arg(format!("{}:{}", plane.place.offset, plane.place.stride));
    }
    let output = command
        .stdin(Stdio::from(fd))
        .output()
        .map_err(Error::io("start the second process"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        println!("  {said}");
        Ok(())
    } else {
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Wrong(format!(
            "the second process: {}: {said} {complaint}",
            output.status
        )))
    }
}
