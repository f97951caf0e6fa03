//! Buffers of a GPU's driver, by libgbm: to be drawn into, displayed, and imported elsewhere.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use drm_fourcc::DrmModifier;
use gbm::{BufferObject, BufferObjectFlags, Device};
use vm_memory::VolatileSlice;

pub(crate) use super::gbm_map::GbmTurn;
use crate::access::wait_idle;
use crate::image::ExportedImage;
use crate::memory::{Memory, dma_buf_size};
use crate::render_node::DrmNode;
use crate::{
    Access, Allocator, Buffer, BufferRequest, Error, Image, ImageLayout, ImageRequest, Layout,
    PlanePlace, Rect, Usage,
};

const NAME: &str = "gbm";

/// How long a driver may take to clear new memory.
const CLEARED: Duration = Duration::from_secs(1);

/// Makes images on a GPU's node.
///
/// Its images keep the node open. libgbm is for one thread: move the allocator there before it makes
/// its first image. Modifiers with planes beyond those of the format (compression) are not taken.
#[derive(Debug)]
pub struct GbmAllocator {
    device: Device<Arc<File>>,
}

/// A buffer object, and the node it needs for its end.
#[derive(Debug)]
pub(crate) struct GbmObject {
    // Dropped first.
    object: BufferObject<()>,
    _node: Arc<File>,
}

impl GbmAllocator {
    /// An allocator over `node`.
    ///
    /// # Errors
    /// [`Error::WrongDevice`] if no driver of libgbm is for it.
    pub fn new(node: DrmNode) -> Result<Self, Error> {
        let (path, file) = node.into_parts();
        let device = Device::new(Arc::new(file)).map_err(|source| Error::WrongDevice {
            path,
            wanted: "a device with a GBM driver",
            source,
        })?;
        Ok(Self { device })
    }

    /// The driver's part of libgbm that is used.
    pub fn backend(&self) -> &str {
        self.device.backend_name()
    }

    /// An image of somebody else's dma-bufs, which the driver checks once more. Their sizes must
    /// hold what the planes say if the image is linear; only the driver knows where it is not.
    ///
    /// # Errors
    /// Those of [`ImageLayout::from_places`], [`Error::NotABuffer`], [`Error::FileTooShort`],
    /// [`Error::Refused`].
    pub fn import(&self, exported: &ExportedImage, usage: Usage) -> Result<Image, Error> {
        let places: Vec<PlanePlace> = exported.planes.iter().map(|plane| plane.place).collect();
        let (width, height, format) = (exported.width, exported.height, exported.format);
        let layout = ImageLayout::from_places(width, height, format, &places)?;
        for (plane, described) in exported.planes.iter().zip(layout.planes()) {
            if !crate::access::is_dma_buf(plane.fd.as_fd()) {
                return Err(Error::NotABuffer);
            }
            let available = dma_buf_size(plane.fd.as_fd())?;
            if exported.modifier == DrmModifier::Linear && available < described.end() {
                return Err(Error::FileTooShort {
                    needed: described.end(),
                    available,
                });
            }
        }
        let refused = |source| Error::Refused {
            allocator: NAME,
            width,
            height,
            format,
            source,
        };
        let too_far = |_| refused(io::ErrorKind::InvalidInput.into());
        let (mut fds, mut strides, mut offsets) = ([None; 4], [0; 4], [0; 4]);
        let slots = fds.iter_mut().zip(&mut strides).zip(&mut offsets);
        for (((fd, stride), offset), plane) in slots.zip(&exported.planes) {
            *fd = Some(plane.fd.as_fd());
            *stride = i32::try_from(plane.place.stride).map_err(too_far)?;
            *offset = i32::try_from(plane.place.offset).map_err(too_far)?;
        }
        let count = u32::try_from(exported.planes.len()).map_err(too_far)?;
        let says_nothing = match exported.modifier {
            DrmModifier::Invalid => true,
            // Left out, a driver may take the picture as tiled. One without modifiers takes it so only.
            DrmModifier::Linear => self
                .device
                .format_modifier_plane_count(format, DrmModifier::Linear)
                .is_none(),
            _ => false,
        };
        let object = match &exported.planes[..] {
            [plane] if says_nothing && plane.place.offset == 0 => {
                self.device.import_buffer_object_from_dma_buf(
                    plane.fd.as_fd(),
                    width,
                    height,
                    plane.place.stride,
                    format,
                    flags(usage),
                )
            }
            _ => self
                .device
                .import_buffer_object_from_dma_buf_with_modifiers(
                    count,
                    fds,
                    width,
                    height,
                    format,
                    flags(usage),
                    strides,
                    offsets,
                    exported.modifier,
                ),
        };
        let object = self.own(object.map_err(refused)?);
        Ok(Image::of_gbm(layout, exported.modifier, usage, object))
    }

    fn own(&self, object: BufferObject<()>) -> GbmObject {
        GbmObject {
            object,
            _node: Arc::clone(&self.device),
        }
    }

    fn object(&self, request: &ImageRequest, usage: Usage) -> io::Result<BufferObject<()>> {
        let (width, height, format) = (request.width, request.height, request.format);
        if request.modifiers.is_empty() {
            return self
                .device
                .create_buffer_object(width, height, format, flags(usage));
        }
        // The modifiers say whether it is linear.
        let usage = usage.difference(Usage::LINEAR);
        self.device.create_buffer_object_with_modifiers2(
            width,
            height,
            format,
            request.modifiers.iter().copied(),
            flags(usage),
        )
    }

    /// A linear object as memory that stays mapped; the object itself is not needed for that.
    fn memory(&self, layout: &Layout) -> Result<(Memory, Layout), Error> {
        let request = ImageRequest {
            width: layout.width(),
            height: layout.height(),
            format: layout.format(),
            usage: Usage::LINEAR,
            modifiers: Vec::new(),
        };
        let object = self.object(&request, Usage::LINEAR);
        let object = self.own(object.map_err(|source| refused(&request, source))?);
        let places = object.places()?;
        let place = places.first().ok_or(Error::NotMappable { plane: 0 })?;
        if place.offset != 0 {
            return Err(Error::NotMappable { plane: 0 });
        }
        let layout = Layout::with_stride(
            layout.width(),
            layout.height(),
            place.stride,
            layout.format(),
        )?;
        let dma_buf = object.export(0)?;
        let available = dma_buf_size(dma_buf.as_fd())?;
        let needed = layout.size();
        if available < needed {
            return Err(Error::FileTooShort { needed, available });
        }
        let memory = Memory::of_dma_buf(dma_buf, needed, Access::Write)?;
        Ok((memory, layout))
    }
}

impl Allocator for GbmAllocator {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        let (memory, layout) = self.memory(&request.layout)?;
        if let Some(dma_buf) = memory.dma_buf() {
            // The driver may still be at clearing it.
            wait_idle(dma_buf, Access::Write, CLEARED)?;
        }
        {
            let _turn = memory.begin(Access::Write)?;
            clear(&memory.slice());
        }
        Ok(Buffer::new(layout, memory))
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, Error> {
        ImageLayout::packed(request.width, request.height, request.format)?;
        let mut usage = request.usage;
        let mut object = self.object(request, usage);
        if object.is_err() && usage.contains(Usage::SCANOUT) {
            usage.remove(Usage::SCANOUT);
            object = self.object(request, usage);
        }
        let object = self.own(object.map_err(|source| refused(request, source))?);
        let layout = ImageLayout::from_places(
            request.width,
            request.height,
            request.format,
            &object.places()?,
        )?;
        let modifier = match object.object.modifier() {
            // A driver without modifiers does not say what it was asked for.
            DrmModifier::Invalid if usage.contains(Usage::LINEAR) => DrmModifier::Linear,
            modifier => modifier,
        };
        Ok(Image::of_gbm(layout, modifier, usage, object))
    }
}

impl GbmObject {
    pub(crate) fn export(&self, plane: usize) -> Result<OwnedFd, Error> {
        let index = i32::try_from(plane).map_err(|_| Error::NotMappable { plane })?;
        self.object.fd_for_plane(index).map_err(|_| Error::Export {
            plane,
            source: io::Error::last_os_error(),
        })
    }

    /// Maps `rect` of a plane of this object, which lies as `layout` says.
    pub(crate) fn map(
        &self,
        layout: &ImageLayout,
        plane: usize,
        rect: Rect,
        access: Access,
    ) -> Result<GbmTurn<'_>, Error> {
        // libgbm maps the first plane whatever one wants.
        if plane != 0 {
            return Err(Error::NotMappable { plane });
        }
        GbmTurn::begin(&self.object, layout.plane(0)?.layout(), rect, access)
    }

    fn places(&self) -> Result<Vec<PlanePlace>, Error> {
        let planes = i32::try_from(self.object.plane_count());
        let planes = planes.map_err(|_| Error::NotMappable { plane: 0 })?;
        let place = |plane| PlanePlace {
            offset: self.object.offset(plane).into(),
            stride: self.object.stride_for_plane(plane),
        };
        Ok((0..planes).map(place).collect())
    }
}

fn refused(request: &ImageRequest, source: io::Error) -> Error {
    Error::Refused {
        allocator: NAME,
        width: request.width,
        height: request.height,
        format: request.format,
        source,
    }
}

fn flags(usage: Usage) -> BufferObjectFlags {
    let pairs = [
        (Usage::SCANOUT, BufferObjectFlags::SCANOUT),
        (Usage::CURSOR, BufferObjectFlags::CURSOR),
        (Usage::RENDERING, BufferObjectFlags::RENDERING),
        (Usage::LINEAR, BufferObjectFlags::LINEAR),
    ];
    let wanted = pairs.into_iter().filter(|(use_, _)| usage.contains(*use_));
    wanted.fold(BufferObjectFlags::empty(), |all, (_, flag)| all | flag)
}

/// Drivers hand out memory again without clearing it.
fn clear(memory: &VolatileSlice<'_>) {
    const ZEROES: [u8; 4096] = [0; 4096];
    let mut rest = *memory;
    while !rest.is_empty() {
        rest.copy_from(&ZEROES[..]);
        let Ok(after) = rest.offset(rest.len().min(ZEROES.len())) else {
            return;
        };
        rest = after;
    }
}
