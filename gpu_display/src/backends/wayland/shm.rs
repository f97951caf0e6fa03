//! Pictures in memory that the compositor reads: wl_shm.

use std::os::fd::BorrowedFd;

use gpu_buffer::{Allocator, Buffer, BufferRequest, DrmFourcc, Layout, MemfdAllocator, Rect};
use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::{wl_shm, wl_shm_pool::WlShmPool};
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, delegate_noop};

use super::link::Link;
use super::state::State;
use crate::desktop::Canvas;
use crate::{DisplayError, SurfaceId};

/// Names a buffer: whose it is, and which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BufferName {
    pub(super) owner: Owner,
    pub(super) number: u64,
}

/// Who shows a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The window of an output.
    Window(u32),
    /// A cursor.
    Cursor(SurfaceId, CursorPlace),
    /// Nobody waits for it to be released.
    Nobody,
}

/// Where a cursor is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CursorPlace {
    /// Over its window.
    Overlay,
    /// As a pointer.
    Pointer,
}

/// A picture inside a memory file.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFile<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// How the whole picture lies in the file, from its first byte on.
    pub(super) layout: &'a Layout,
    /// The part to show.
    pub(super) crop: Rect,
    /// How its pixels are to be taken.
    pub(super) format: DrmFourcc,
}

/// Makes a buffer of a picture in a file. `None` if the protocol cannot say where it is.
pub(super) fn create_buffer(
    link: &mut Link,
    picture: &InFile<'_>,
    name: BufferName,
) -> Option<WlBuffer> {
    let span = picture.layout.span(&picture.crop)?;
    let number = |value: u64| i32::try_from(value).ok();
    let size = number(picture.layout.size())?;
    let offset = number(span.first)?;
    let stride = number(span.stride)?;
    let width = number(u64::from(picture.crop.width))?;
    let height = number(u64::from(picture.crop.height))?;
    let format = shm_format(picture.format)?;
    // A row's stride is counted to its end, even for the last one.
    let needed = i64::from(stride)
        .checked_mul(i64::from(height))?
        .checked_add(i64::from(offset))?;
    if needed > i64::from(size) {
        return None;
    }
    let shm = link.globals.shm.clone()?;
    let pool = shm.create_pool(picture.fd, size, &link.queue, ());
    let buffer = pool.create_buffer(offset, width, height, stride, format, &link.queue, name);
    // The compositor keeps the memory for as long as there is the buffer.
    pool.destroy();
    link.count(&buffer);
    Some(buffer)
}

/// The protocol's name of a format: DRM's code, but for two.
fn shm_format(format: DrmFourcc) -> Option<wl_shm::Format> {
    match format {
        DrmFourcc::Argb8888 => Some(wl_shm::Format::Argb8888),
        DrmFourcc::Xrgb8888 => Some(wl_shm::Format::Xrgb8888),
        other => wl_shm::Format::try_from(other as u32).ok(),
    }
}

/// A buffer of our own. The compositor forgets it when it is dropped.
#[derive(Debug)]
pub(super) struct ShmBuffer {
    memory: Buffer,
    proxy: WlBuffer,
    number: u64,
}

impl ShmBuffer {
    /// A buffer of zeros.
    ///
    /// # Errors
    /// [`DisplayError::Pixels`], [`DisplayError::OutOfMemory`].
    pub(super) fn new(
        link: &mut Link,
        layout: Layout,
        name: BufferName,
    ) -> Result<Self, DisplayError> {
        let memory = MemfdAllocator.allocate(&BufferRequest { layout })?;
        let out_of_memory = || DisplayError::OutOfMemory {
            bytes: layout.size(),
        };
        let picture = InFile {
            fd: memory.shared_fd().ok_or_else(out_of_memory)?,
            layout: &layout,
            crop: layout.bounds(),
            format: layout.format(),
        };
        let proxy = create_buffer(link, &picture, name).ok_or_else(out_of_memory)?;
        Ok(Self {
            memory,
            proxy,
            number: name.number,
        })
    }

    pub(super) fn proxy(&self) -> &WlBuffer {
        &self.proxy
    }
}

impl Canvas for ShmBuffer {
    fn memory(&self) -> &Buffer {
        &self.memory
    }

    fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for ShmBuffer {
    fn drop(&mut self) {
        self.proxy.destroy();
    }
}

/// A buffer of somebody else's memory. The compositor forgets it when this is dropped.
#[derive(Debug)]
pub(super) struct Told(pub(super) WlBuffer);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

impl Dispatch<WlBuffer, BufferName> for State {
    fn event(
        state: &mut Self,
        proxy: &WlBuffer,
        event: wl_buffer::Event,
        name: &BufferName,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_buffer::Event::Release = event
            && proxy.is_alive()
        {
            state.release(proxy, *name);
        }
    }
}

delegate_noop!(State: ignore WlShmPool);
