//! Pictures in memory that the compositor reads: wl_shm.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use gpu_buffer::{Allocator, Buffer, BufferRequest, DrmFourcc, Layout, MemfdAllocator, Rect};
use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::{wl_shm, wl_shm_pool::WlShmPool};
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, delegate_noop};

use super::link::Link;
use super::state::State;
use crate::desktop::{Pixels, blit};
use crate::{DisplayError, Lease, SurfaceId, Swapchain};

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

impl Drop for ShmBuffer {
    fn drop(&mut self) {
        self.proxy.destroy();
    }
}

/// Buffers that take turns in carrying copies of a picture.
#[derive(Debug)]
pub(super) struct Copies {
    owner: Owner,
    layout: Option<Layout>,
    chain: Swapchain<ShmBuffer>,
    /// With the compositor.
    lent: BTreeMap<u64, Lease<ShmBuffer>>,
    last_number: u64,
}

impl Copies {
    pub(super) fn new(owner: Owner) -> Self {
        Self {
            owner,
            layout: None,
            chain: Swapchain::new(Rect::default(), Swapchain::<ShmBuffer>::MAX_BUFFERS),
            lent: BTreeMap::new(),
            last_number: 0,
        }
    }

    /// A number that none of the owner's buffers has.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number = self.last_number.wrapping_add(1);
        self.last_number
    }

    /// Buffers that the compositor has.
    pub(super) fn in_flight(&self) -> usize {
        self.lent.len()
    }

    /// The picture changed there, whether or not a buffer of this carries it.
    pub(super) fn damage(&mut self, rect: Rect) {
        self.chain.damage(rect);
    }

    /// The picture is another one.
    pub(super) fn damage_all(&mut self) {
        if let Some(layout) = self.layout {
            self.chain.damage(layout.bounds());
        }
    }

    /// Brings a free buffer up to date with the picture at `crop` of `source`, makes it the
    /// compositor's, and returns it with the number of bytes that were copied. `None` if all
    /// buffers are with the compositor.
    ///
    /// # Errors
    /// [`DisplayError::Pixels`], [`DisplayError::OutOfMemory`].
    pub(super) fn fill(
        &mut self,
        link: &mut Link,
        source: &Pixels<'_>,
        crop: Rect,
        format: DrmFourcc,
    ) -> Result<Option<(WlBuffer, u64)>, DisplayError> {
        let layout = Layout::packed(crop.width, crop.height, format)?;
        if self.layout != Some(layout) {
            self.layout = Some(layout);
            self.chain.resize(layout.bounds());
        }
        let name = BufferName {
            owner: self.owner,
            number: self.next_number(),
        };
        let lease = self.chain.acquire(|| ShmBuffer::new(link, layout, name))?;
        let Some(mut lease) = lease else {
            return Ok(None);
        };
        let mut copied: u64 = 0;
        let mut failed = None;
        for rect in lease.stale.take().rects() {
            let from = Rect {
                x: crop.x.saturating_add(rect.x),
                y: crop.y.saturating_add(rect.y),
                ..*rect
            };
            match blit(source, from, &lease.buffer.memory, *rect) {
                Ok(bytes) => copied = copied.saturating_add(bytes),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.chain.release(lease);
            self.damage_all();
            return Err(error);
        }
        let proxy = lease.buffer.proxy.clone();
        self.lent.insert(lease.buffer.number, lease);
        Ok(Some((proxy, copied)))
    }

    /// The compositor has done with a buffer; whether it had it.
    pub(super) fn release(&mut self, number: u64) -> bool {
        let Some(lease) = self.lent.remove(&number) else {
            return false;
        };
        // One of an earlier size is dropped here.
        drop(self.chain.release(lease));
        true
    }

    /// Forgets all buffers: there is no compositor, or the surface is gone.
    pub(super) fn clear(&mut self) {
        *self = Self {
            last_number: self.last_number,
            ..Self::new(self.owner)
        };
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
