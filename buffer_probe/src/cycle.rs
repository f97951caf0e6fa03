//! Images that come and go: afterwards nothing is left of them.

use std::fs;

use gpu_buffer::{
    Access, Allocator, BufferRequest, DrmFourcc, Error as BufferError, ImageRequest, Layout, Rect,
};
use vm_memory::Bytes;

use crate::error::{Error, Result};
use crate::source::Source;

/// Four pages of pixels.
const SIDE: u32 = 64;
/// Libraries keep a few things from the first uses.
const WARM_UP: u32 = 16;

/// What the kernel calls the files of buffers.
const OF_BUFFERS: [&str; 3] = ["dmabuf", "memfd", "/dev/dri/"];

/// Memory may come and go elsewhere; a thousand images are four times as much.
const NOISE_KIB: u64 = 8 << 10;

/// What images can leave behind.
#[derive(Debug, Clone, Copy)]
struct Holdings {
    descriptors: usize,
    mappings: usize,
    /// This process's memory, and the memory of files and of drivers' objects on the whole machine.
    kibibytes: u64,
}

impl Holdings {
    fn count() -> Result<Self> {
        let descriptors = fs::read_dir("/proc/self/fd").map_err(Error::io("count descriptors"))?;
        let mappings =
            fs::read_to_string("/proc/self/maps").map_err(Error::io("count mappings"))?;
        Ok(Self {
            descriptors: descriptors.count(),
            // The heap may grow, split and merge as it likes.
            mappings: mappings
                .lines()
                .filter(|line| OF_BUFFERS.iter().any(|name| line.contains(name)))
                .count(),
            kibibytes: line_of("/proc/self/status", "VmRSS:")?
                + line_of("/proc/meminfo", "Shmem:")?,
        })
    }

    fn is_no_more_than(&self, before: &Self) -> bool {
        (self.descriptors, self.mappings) == (before.descriptors, before.mappings)
            && self.kibibytes <= before.kibibytes + NOISE_KIB
    }
}

/// The number in a line such as `VmRSS:   1234 kB`.
fn line_of(file: &'static str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file).map_err(Error::io(file))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Error::Wrong(format!("{file} has no {name}")))
}

/// Makes, draws, exports and drops `count` images.
pub(crate) fn run(source: &Source, count: u32) -> Result<()> {
    let mut allocator = source.open()?;
    repeat(source, allocator.as_mut(), WARM_UP)?;
    let before = Holdings::count()?;
    repeat(source, allocator.as_mut(), count)?;
    let after = Holdings::count()?;
    println!("{count} cycles: {before:?} before, {after:?} after");
    if after.is_no_more_than(&before) {
        Ok(())
    } else {
        Err(Error::Wrong("something was left behind".to_owned()))
    }
}

fn repeat(source: &Source, allocator: &mut dyn Allocator, count: u32) -> Result<()> {
    let request = ImageRequest {
        width: SIDE,
        height: SIDE,
        format: DrmFourcc::Xrgb8888,
        usage: source.usage(),
        modifiers: Vec::new(),
    };
    for _ in 0..count {
        let image = allocator
            .create(&request)
            .map_err(Error::buffer("create"))?;
        let column = image
            .map(0, Rect::new(0, 0, 1, SIDE), Access::Write)
            .map_err(Error::buffer("map"))?;
        // A pixel of each page, so that it costs memory.
        let stride = usize::try_from(column.layout().stride()).unwrap_or(0);
        for row in [0, 16, 32, 48] {
            column
                .memory()
                .write_slice(&[0x5a], row * stride)
                .map_err(|error| Error::Wrong(error.to_string()))?;
        }
        drop(column);
        image.export().map_err(Error::buffer("export"))?;
        drop(image);
        stays_mapped(source, allocator)?;
    }
    Ok(())
}

/// A buffer that stays mapped as long as it lives, where the driver allows that.
fn stays_mapped(source: &Source, allocator: &mut dyn Allocator) -> Result<()> {
    let layout = Layout::packed(SIDE, SIDE, DrmFourcc::Xrgb8888);
    let layout = layout.map_err(Error::buffer("lay a picture out"))?;
    match allocator.allocate(&BufferRequest { layout }) {
        Err(BufferError::Map { .. }) if source.mapped_by().is_some() => Ok(()),
        Err(error) => Err(Error::buffer("allocate")(error)),
        Ok(_) => Ok(()),
    }
}
