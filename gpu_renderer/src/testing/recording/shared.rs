//! Memory files that stand for dma-bufs.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use gpu_buffer::Layout;
use vm_memory::{FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

use crate::{DmaBuf, RenderError};

/// Whether textures are in memory that others can be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sharing {
    #[default]
    No,
    Yes,
}

/// Texels in a file that somebody else made.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) layout: Layout,
    mapping: MmapRegion,
}

impl Imported {
    /// The picture, of the size and format of `texels`. Only one linear plane
    /// from the beginning of its file can be taken.
    pub(super) fn new(texels: &Layout, picture: &DmaBuf) -> Result<Self, RenderError> {
        let refused = RenderError::Impossible("a picture that cannot be imported");
        let [plane] = picture.planes.as_slice() else {
            return Err(refused);
        };
        let (width, height) = (texels.width(), texels.height());
        let layout = Layout::with_stride(width, height, plane.stride, texels.format());
        let layout = layout.map_err(|_| refused.clone())?;
        let bytes = usize::try_from(layout.size()).map_err(|_| refused.clone())?;
        if plane.offset != 0 || picture.modifier.is_some_and(|modifier| modifier != 0) {
            return Err(refused);
        }
        let file = plane.fd.try_clone().map(File::from);
        let file = file.map_err(|_| refused.clone())?;
        let mapping = MmapRegion::from_file(FileOffset::new(file, 0), bytes);
        let mapping = mapping.map_err(|_| refused)?;
        Ok(Self { layout, mapping })
    }

    pub(super) fn memory(&self) -> VolatileSlice<'_> {
        self.mapping.as_volatile_slice()
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.mapping.file_offset().map(|file| file.file().as_fd())
    }
}
