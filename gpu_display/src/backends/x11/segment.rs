//! Pictures in memory that the X server reads: MIT-SHM, with descriptors.

use std::os::fd::BorrowedFd;
use std::sync::mpsc::Sender;

use gpu_buffer::{Allocator, Buffer, BufferRequest, Layout, MemfdAllocator, Rect};
use x11rb_protocol::protocol::shm;

use super::client::{Client, Dead};
use super::extensions::Extension;
use super::server::{Server, Way};
use crate::DisplayError;
use crate::desktop::Canvas;

/// Memory that the server knows. It forgets it when this is dropped.
#[derive(Debug)]
pub(super) struct Segment {
    /// The server's name of the memory.
    pub(super) id: u32,
    /// And of the picture in it, if that is shown as a pixmap.
    pub(super) pixmap: Option<u32>,
    graveyard: Sender<Dead>,
}

/// A picture inside a memory file.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFile<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// How the whole picture lies in the file, from its first byte on.
    pub(super) layout: &'a Layout,
    /// The part to show.
    pub(super) crop: Rect,
}

impl Segment {
    /// Tells the server of a picture, which it is to show in a window. `None` if the protocol cannot say
    /// where it is, or there are no descriptors.
    pub(super) fn new(
        client: &mut Client,
        server: &Server,
        window: u32,
        picture: &InFile<'_>,
    ) -> Option<Self> {
        let opcode = client.extensions.opcode(Extension::Shm)?;
        let layout = picture.layout;
        let stride = layout.stride();
        // An image is told by how many pixels its rows have, a pixmap has no others.
        if !stride.is_multiple_of(layout.bytes_per_pixel()) {
            return None;
        }
        let in_row = stride.checked_div(layout.bytes_per_pixel())?;
        u16::try_from(in_row.max(layout.height())).ok()?;
        if server.way == Way::Present && in_row != picture.crop.width {
            return None;
        }
        let shm_fd = picture.fd.try_clone_to_owned().ok()?;
        let id = client.new_id()?;
        let request = shm::AttachFdRequest {
            shmseg: id,
            shm_fd,
            // Pixmaps are made only of memory that could be written.
            read_only: server.way != Way::Present,
        };
        client.send(request.serialize(opcode));
        let mut segment = Self {
            id,
            pixmap: None,
            graveyard: client.graveyard(),
        };
        if server.way == Way::Present {
            let pixmap = client.new_id()?;
            segment.pixmap = Some(pixmap);
            let offset = layout.span(&picture.crop)?.first;
            let request = shm::CreatePixmapRequest {
                pid: pixmap,
                drawable: window,
                width: u16::try_from(picture.crop.width).ok()?,
                height: u16::try_from(picture.crop.height).ok()?,
                depth: server.depth,
                shmseg: id,
                offset: u32::try_from(offset).ok()?,
            };
            client.send(request.serialize(opcode));
        }
        Some(segment)
    }

    /// The number under which the server gives it back.
    pub(super) fn number(&self) -> u64 {
        u64::from(self.pixmap.unwrap_or(self.id))
    }
}

impl Drop for Segment {
    /// There is nobody to tell once the connection is gone.
    fn drop(&mut self) {
        if let Some(pixmap) = self.pixmap {
            let _ = self.graveyard.send(Dead::Pixmap(pixmap));
        }
        let _ = self.graveyard.send(Dead::Segment(self.id));
    }
}

/// A buffer of our own.
#[derive(Debug)]
pub(super) struct ShmBuffer {
    memory: Buffer,
    pub(super) segment: Segment,
}

impl ShmBuffer {
    /// A buffer of zeros.
    ///
    /// # Errors
    /// [`DisplayError::Pixels`], [`DisplayError::OutOfMemory`].
    pub(super) fn new(
        client: &mut Client,
        server: &Server,
        window: u32,
        layout: Layout,
    ) -> Result<Self, DisplayError> {
        let memory = MemfdAllocator.allocate(&BufferRequest { layout })?;
        let out_of_memory = || DisplayError::OutOfMemory {
            bytes: layout.size(),
        };
        let picture = InFile {
            fd: memory.shared_fd().ok_or_else(out_of_memory)?,
            layout: &layout,
            crop: layout.bounds(),
        };
        let segment = Segment::new(client, server, window, &picture).ok_or_else(out_of_memory)?;
        Ok(Self { memory, segment })
    }
}

impl Canvas for ShmBuffer {
    fn memory(&self) -> &Buffer {
        &self.memory
    }

    fn number(&self) -> u64 {
        self.segment.number()
    }
}
