//! Images that come and go: afterwards nothing is left of them.

use std::fs;

use gpu_buffer::{
    Access, Allocator, BufferRequest, DrmFourcc, Error as BufferError, ImageRequest, Layout, Rect,
};

use crate::error::{Error, Result};
use crate::source::Source;

/// Libraries keep a few things from the first uses.
const WARM_UP: u32 = 16;

/// What the kernel calls the files of buffers.
const OF_BUFFERS: [&str; 3] = ["dmabuf", "memfd", "/dev/dri/"];

/// What a process has that it can leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holdings {
    descriptors: usize,
    mappings: usize,
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
        })
    }
}

/// Makes, draws, exports and drops `count` images.
pub(crate) fn run(source: &Source, count: u32) -> Result<()> {
    let mut allocator = source.open()?;
    repeat(source, allocator.as_mut(), WARM_UP)?;
    let before = Holdings::count()?;
    repeat(source, allocator.as_mut(), count)?;
    let after = Holdings::count()?;
    println!("{count} cycles: {before:?} before, {after:?} after");
    if before == after {
        Ok(())
    } else {
        Err(Error::Wrong("something was left behind".to_owned()))
    }
}

fn repeat(source: &Source, allocator: &mut dyn Allocator, count: u32) -> Result<()> {
    let request = ImageRequest {
        width: 64,
        height: 64,
        format: DrmFourcc::Xrgb8888,
        usage: source.usage(),
        modifiers: Vec::new(),
    };
    for _ in 0..count {
        let image = allocator
            .create(&request)
            .map_err(Error::buffer("create"))?;
        image
            .map(0, Rect::new(1, 2, 3, 4), Access::Write)
            .map_err(Error::buffer("map"))?;
        image.export().map_err(Error::buffer("export"))?;
        drop(image);
        stays_mapped(source, allocator)?;
    }
    Ok(())
}

/// A buffer that stays mapped as long as it lives, where the driver allows that.
fn stays_mapped(source: &Source, allocator: &mut dyn Allocator) -> Result<()> {
    let layout = Layout::packed(64, 64, DrmFourcc::Xrgb8888);
    let layout = layout.map_err(Error::buffer("lay a picture out"))?;
    match allocator.allocate(&BufferRequest { layout }) {
        Err(BufferError::Map { .. }) if source.mapped_by().is_some() => Ok(()),
        Err(error) => Err(Error::buffer("allocate")(error)),
        Ok(_) => Ok(()),
    }
}
