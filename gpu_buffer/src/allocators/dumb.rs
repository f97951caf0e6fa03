//! Dumb buffers: what every display driver of the kernel makes, for a CPU to draw into.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use drm::control::Device as _;
use drm::control::dumbbuffer::DumbBuffer;
use drm::{Device as _, DriverCapability};
use drm_fourcc::DrmFourcc;
use nix::errno::Errno;

use crate::allocator::grant;
use crate::memory::{Memory, dma_buf_size};
use crate::render_node::DrmNode;
use crate::{
    Access, Allocator, Buffer, BufferRequest, Error, Image, ImageLayout, ImageRequest, Layout,
    PlanePlace, Usage, planes_of,
};

const NAME: &str = "dumb";

/// Makes dumb buffers on a card's primary node, `/dev/dri/cardN`.
///
/// A buffer is exported at once and its handle given back: what remains is a dma-buf, which needs
/// neither the node nor this allocator.
#[derive(Debug)]
pub struct DumbAllocator {
    card: Card,
    /// What its buffers are good for.
    grants: Usage,
}

#[derive(Debug)]
struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// A handle that is given back when dropped.
struct Handle<'a> {
    card: &'a Card,
    buffer: DumbBuffer,
}

impl Drop for Handle<'_> {
    fn drop(&mut self) {
        // It was made on this card; if the card has gone, so has the handle.
        let _ = self.card.destroy_dumb_buffer(self.buffer);
    }
}

impl DumbAllocator {
    /// An allocator over `node`, which may be in use by a display server: nothing of the display is
    /// touched.
    ///
    /// # Errors
    /// [`Error::WrongDevice`] if the driver has no dumb buffers. A render node refuses every buffer.
    pub fn new(node: DrmNode) -> Result<Self, Error> {
        let (path, file) = node.into_parts();
        let card = Card(file);
        // Whoever opens a card first becomes its master, which keeps display servers away.
        let _ = card.release_master_lock();
        let displays = Usage::SCANOUT | Usage::CURSOR | Usage::LINEAR;
        let refused = |source| Error::WrongDevice {
            path,
            wanted: "a card with dumb buffers",
            source,
        };
        let grants = match card.get_driver_capability(DriverCapability::DumbBuffer) {
            Ok(0) => return Err(refused(ErrorKind::Unsupported.into())),
            Ok(_) => displays,
            // The question is for displays. A driver that has none, such as vgem, may have buffers.
            Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => Usage::LINEAR,
            Err(error) => return Err(refused(error)),
        };
        Ok(Self { card, grants })
    }

    /// A dma-buf that holds the picture, and the stride of its rows.
    fn make(&self, picture: &Picture) -> Result<(OwnedFd, u32), Error> {
        // The one depth that every driver has; what the bytes mean is said to whoever shows them.
        const WORD: u32 = 4;
        let size = (picture.row_bytes.div_ceil(WORD), picture.rows);
        let buffer = self
            .card
            .create_dumb_buffer(size, picture.format, WORD.saturating_mul(8))
            .map_err(|source| Error::Refused {
                allocator: NAME,
                width: picture.width,
                height: picture.height,
                format: picture.format,
                source,
            })?;
        let handle = Handle {
            card: &self.card,
            buffer,
        };
        let stride = drm::buffer::Buffer::pitch(&handle.buffer);
        let flags = drm::CLOEXEC | drm::RDWR;
        let dma_buf = self
            .card
            .buffer_to_prime_fd(drm::buffer::Buffer::handle(&handle.buffer), flags)
            .map_err(|source| Error::Export { plane: 0, source })?;
        Ok((dma_buf, stride))
    }
}

/// A picture, and the rows of bytes that it takes.
struct Picture {
    width: u32,
    height: u32,
    format: DrmFourcc,
    row_bytes: u32,
    rows: u32,
}

impl Allocator for DumbAllocator {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        let wanted = &request.layout;
        let packed = Layout::packed(wanted.width(), wanted.height(), wanted.format())?;
        let (dma_buf, stride) = self.make(&Picture {
            width: wanted.width(),
            height: wanted.height(),
            format: wanted.format(),
            row_bytes: packed.stride(),
            rows: wanted.height(),
        })?;
        let layout = Layout::with_stride(wanted.width(), wanted.height(), stride, wanted.format())?;
        Ok(Buffer::new(layout, memory(dma_buf, layout.size())?))
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, Error> {
        let usage = grant(NAME, self.grants, request)?;
        let packed = ImageLayout::packed(request.width, request.height, request.format)?;
        let too_many = || Error::BufferTooLarge {
            bytes: packed.size(),
        };
        // All planes below each other, their rows equally far apart.
        let heights = packed.planes().iter().map(|plane| plane.layout().height());
        let rows = heights.clone().try_fold(0_u32, u32::checked_add);
        let longest = packed.planes().iter().map(|plane| plane.layout().stride());
        let (dma_buf, stride) = self.make(&Picture {
            width: request.width,
            height: request.height,
            format: request.format,
            row_bytes: longest.max().unwrap_or(0),
            rows: rows.ok_or_else(too_many)?,
        })?;
        let mut offset = 0_u64;
        let mut places = Vec::with_capacity(planes_of(request.format).map_or(0, <[_]>::len));
        for height in heights {
            places.push(PlanePlace { offset, stride });
            let bytes = u64::from(height).checked_mul(u64::from(stride));
            offset = bytes
                .and_then(|bytes| offset.checked_add(bytes))
                .ok_or_else(too_many)?;
        }
        let layout =
            ImageLayout::from_places(request.width, request.height, request.format, &places)?;
        let memory = memory(dma_buf, layout.size())?;
        Ok(Image::of_memory(layout, usage, memory))
    }
}

fn memory(dma_buf: OwnedFd, bytes: u64) -> Result<Memory, Error> {
    let available = dma_buf_size(dma_buf.as_fd())?;
    if available < bytes {
        return Err(Error::FileTooShort {
            needed: bytes,
            available,
        });
    }
    Memory::of_dma_buf(dma_buf, bytes, Access::Write)
}
