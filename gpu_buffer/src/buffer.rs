//! A buffer: memory for one picture.

use std::os::fd::{AsFd, BorrowedFd};

use vm_memory::{MmapRegion, VolatileMemory, VolatileSlice};

use crate::Layout;

/// Memory for one picture, mapped into this process and unmapped when dropped.
#[derive(Debug)]
pub struct Buffer {
    layout: Layout,
    mapping: MmapRegion,
}

impl Buffer {
    /// A buffer over `mapping`, which an allocator made `layout.size()` bytes long.
    pub(crate) fn new(layout: Layout, mapping: MmapRegion) -> Self {
        Self { layout, mapping }
    }

    /// How the picture lies in the memory.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The `layout().size()` bytes of the picture. Another process may change them at any time if
    /// it was given the [`Buffer::shared_fd`].
    pub fn memory(&self) -> VolatileSlice<'_> {
        self.mapping.as_volatile_slice()
    }

    /// The file behind the memory, whose byte 0 is the first of [`Buffer::memory`]; `None` if the
    /// memory is private to this process.
    pub fn shared_fd(&self) -> Option<BorrowedFd<'_>> {
        self.mapping.file_offset().map(|file| file.file().as_fd())
    }
}
