//! Dumb buffers: what every display driver of the kernel makes, for a CPU to draw into.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use drm::control::Device as _;
use drm::control::dumbbuffer::DumbBuffer;
use drm::{ClientCapability, Device as _, DriverCapability};
use drm_fourcc::DrmFourcc;

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
    /// [`Error::WrongDevice`] if the driver has no dumb buffers or the node is for rendering only.
    pub fn new(node: DrmNode) -> Result<Self, Error> {
        let (path, file) = node.into_parts();
        let card = Card(file);
        // Whoever opens a card first becomes its master, which keeps display servers away.
        let _ = card.release_master_lock();
        // A question that a render node refuses and a card does not.
        let primary = card.set_client_capability(ClientCapability::UniversalPlanes, true);
        let able = card.get_driver_capability(DriverCapability::DumbBuffer);
        match (primary, able) {
            (Ok(()), Ok(1..)) => Ok(Self { card }),
            (Err(source), _) | (_, Err(source)) => Err(Error::WrongDevice {
                path,
                wanted: "a card's primary node",
                source,
            }),
            (Ok(()), Ok(0)) => Err(Error::WrongDevice {
                path,
                wanted: "a card with dumb buffers",
                source: std::io::ErrorKind::Unsupported.into(),
            }),
        }
    }

    /// A dma-buf of `rows` rows of `width` pixels, and their stride.
    fn make(&self, place: &Rows, format: DrmFourcc) -> Result<(OwnedFd, u32), Error> {
        let refused = |source| Error::Refused {
            allocator: NAME,
            width: place.width,
            height: place.rows,
            format,
            source,
        };
        let bits = place.bytes_per_pixel.saturating_mul(8);
        let buffer = self
            .card
            .create_dumb_buffer((place.width, place.rows), format, bits)
            .map_err(refused)?;
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

/// Pixels for which the kernel is asked.
struct Rows {
    width: u32,
    rows: u32,
    bytes_per_pixel: u32,
}

impl Allocator for DumbAllocator {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        let wanted = &request.layout;
        let rows = Rows {
            width: wanted.width(),
            rows: wanted.height(),
            bytes_per_pixel: wanted.bytes_per_pixel(),
        };
        let (dma_buf, stride) = self.make(&rows, wanted.format())?;
        let layout = Layout::with_stride(wanted.width(), wanted.height(), stride, wanted.format())?;
        Ok(Buffer::new(layout, memory(dma_buf, layout.size())?))
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, Error> {
        let grants = Usage::SCANOUT | Usage::CURSOR | Usage::LINEAR;
        let usage = grant(NAME, grants, request)?;
        let packed = ImageLayout::packed(request.width, request.height, request.format)?;
        let too_many = || Error::BufferTooLarge {
            bytes: packed.size(),
        };
        // One buffer of the first plane's samples, all planes below each other in it.
        let first = packed.plane(0)?.layout();
        let heights = packed.planes().iter().map(|plane| plane.layout().height());
        let rows = heights
            .clone()
            .try_fold(0_u32, u32::checked_add)
            .ok_or_else(too_many)?;
        // A chrominance row of an odd picture is a sample longer than its luminance.
        let longest = packed.planes().iter().map(|plane| plane.layout().stride());
        let bytes_per_pixel = first.bytes_per_pixel();
        let width = longest.max().unwrap_or(0).div_ceil(bytes_per_pixel.max(1));
        let place = Rows {
            width,
            rows,
            bytes_per_pixel,
        };
        let (dma_buf, stride) = self.make(&place, request.format)?;
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
