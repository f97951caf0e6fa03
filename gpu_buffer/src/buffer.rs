//! A buffer: memory for one picture, mapped as long as it lives.

use std::os::fd::BorrowedFd;

use vm_memory::VolatileSlice;

use crate::memory::Memory;
use crate::{Access, CpuAccess, Error, Layout};

/// Memory for one picture, mapped into this process and unmapped when dropped.
#[derive(Debug)]
pub struct Buffer {
    layout: Layout,
    memory: Memory,
}

impl Buffer {
    /// A buffer over `memory`, which has `layout.size()` bytes.
    pub(crate) fn new(layout: Layout, memory: Memory) -> Self {
        Self { layout, memory }
    }

    /// How the picture lies in the memory.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The `layout().size()` bytes of the picture. Another process or a device may change them at
    /// any time if it was given the [`Buffer::shared_fd`] or the [`Buffer::dma_buf`]. Where there is
    /// a dma-buf, read and write them in a turn: [`Buffer::begin_access`].
    pub fn memory(&self) -> VolatileSlice<'_> {
        self.memory.slice()
    }

    /// The memory file behind the memory, whose byte 0 is the first of [`Buffer::memory`]; `None` if
    /// the memory is private to this process or a device's.
    pub fn shared_fd(&self) -> Option<BorrowedFd<'_>> {
        self.memory.file()
    }

    /// The memory as a dma-buf, linear, its byte 0 the first of [`Buffer::memory`]; `None` if it was
    /// not made as one.
    pub fn dma_buf(&self) -> Option<BorrowedFd<'_>> {
        self.memory.dma_buf()
    }

    /// Begins a CPU's turn: what devices wrote before is seen, and what is written is seen by
    /// devices after it. Free where there is no dma-buf.
    ///
    /// # Errors
    /// [`Error::Busy`] if a device still uses the buffer ([`wait_idle`](crate::access::wait_idle)
    /// waits for it), [`Error::Sync`], [`Error::Wait`].
    pub fn begin_access(&self, access: Access) -> Result<CpuAccess<'_>, Error> {
        self.memory.begin(access)
    }
}
