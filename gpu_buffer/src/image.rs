//! An image: a picture of any format in whatever memory suits its use, mapped only for a CPU's turn.

use std::marker::PhantomData;
#[cfg(feature = "gbm")]
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use drm_fourcc::{DrmFourcc, DrmModifier};
use vm_memory::VolatileSlice;

use crate::access::wait_idle;
use crate::memory::Memory;
use crate::plane_copy::{Scattered, read_plane, write_plane};
use crate::{Access, CpuAccess, Error, ImageLayout, Layout, PlanePlace, Rect, Usage};

#[cfg(feature = "gbm")]
use crate::allocators::gbm::{GbmObject, GbmTurn};

/// A picture of one or more planes.
///
/// It may be an object of a driver's library, which lives and dies on the thread that made it: only
/// what is exported goes to others.
///
/// ```compile_fail
/// fn goes_to_another_thread<T: Send>() {}
/// goes_to_another_thread::<gpu_buffer::Image>();
/// ```
#[derive(Debug)]
pub struct Image {
    layout: ImageLayout,
    modifier: DrmModifier,
    usage: Usage,
    storage: Storage,
    stays_on_its_thread: PhantomData<*const ()>,
}

#[derive(Debug)]
enum Storage {
    /// One memory for all planes, or one for each.
    Memory(Vec<Memory>),
    #[cfg(feature = "gbm")]
    Gbm(GbmObject),
}

/// An image to be given to another process or library.
#[derive(Debug)]
pub struct ExportedImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format, of one plane or several.
    pub format: DrmFourcc,
    /// How samples lie within the planes.
    pub modifier: DrmModifier,
    /// The planes, in the order of [`planes_of`](crate::planes_of).
    pub planes: Vec<ExportedPlane>,
}

/// One plane of an [`ExportedImage`].
#[derive(Debug)]
pub struct ExportedPlane {
    /// A dma-buf, or a memory file where the allocator makes no other. Planes may be in the same.
    pub fd: OwnedFd,
    /// Where in it the plane is.
    pub place: PlanePlace,
}

impl Image {
    /// A linear image in one memory.
    pub(crate) fn of_memory(layout: ImageLayout, usage: Usage, memory: Memory) -> Self {
        Self::of_memories(layout, usage, vec![memory])
    }

    /// A linear image in one memory for each plane.
    pub(crate) fn of_memories(layout: ImageLayout, usage: Usage, memories: Vec<Memory>) -> Self {
        Self {
            layout,
            modifier: DrmModifier::Linear,
            usage,
            storage: Storage::Memory(memories),
            stays_on_its_thread: PhantomData,
        }
    }

    #[cfg(feature = "gbm")]
    pub(crate) fn of_gbm(
        layout: ImageLayout,
        modifier: DrmModifier,
        usage: Usage,
        object: GbmObject,
    ) -> Self {
        Self {
            layout,
            modifier,
            usage,
            storage: Storage::Gbm(object),
            stays_on_its_thread: PhantomData,
        }
    }

    /// Where its planes lie. Offsets and strides are the driver's: only those of a linear image say
    /// where a sample is.
    pub fn layout(&self) -> &ImageLayout {
        &self.layout
    }

    /// How samples lie within the planes; `Invalid` if only the driver knows.
    pub fn modifier(&self) -> DrmModifier {
        self.modifier
    }

    /// What the image is good for: what was asked for, except [`Usage::SCANOUT`] where the allocator
    /// had to do without it.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// A descriptor of one plane's memory, the receiver's own.
    ///
    /// # Errors
    /// [`Error::NoSuchPlane`], [`Error::NotShareable`], [`Error::Export`].
    pub fn export_plane(&self, plane: usize) -> Result<OwnedFd, Error> {
        self.layout.plane(plane)?;
        match &self.storage {
            Storage::Memory(memories) => memory_of(memories, plane)?.export(plane),
            #[cfg(feature = "gbm")]
            Storage::Gbm(object) => object.export(plane),
        }
    }

    /// All that another process needs to use the image.
    ///
    /// # Errors
    /// [`Error::NotShareable`], [`Error::Export`].
    pub fn export(&self) -> Result<ExportedImage, Error> {
        let planes = self.layout.planes().iter().enumerate();
        let planes: Result<Vec<ExportedPlane>, Error> = planes
            .map(|(index, plane)| {
                Ok(ExportedPlane {
                    fd: self.export_plane(index)?,
                    place: PlanePlace {
                        offset: plane.offset(),
                        stride: plane.layout().stride(),
                    },
                })
            })
            .collect();
        Ok(ExportedImage {
            width: self.layout.width(),
            height: self.layout.height(),
            format: self.layout.format(),
            modifier: self.modifier,
            planes: planes?,
        })
    }

    /// Waits until no device does anything with the image that `access` must not see, at most for
    /// `limit`; returns whether that is so.
    ///
    /// # Errors
    /// [`Error::Wait`], [`Error::Export`].
    pub fn wait_idle(&self, access: Access, limit: Duration) -> Result<bool, Error> {
        match &self.storage {
            Storage::Memory(memories) => {
                let start = Instant::now();
                for dma_buf in memories.iter().filter_map(Memory::dma_buf) {
                    let left = limit.saturating_sub(start.elapsed());
                    if !wait_idle(dma_buf, access, left)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            #[cfg(feature = "gbm")]
            Storage::Gbm(object) => wait_idle(object.export(0)?.as_fd(), access, limit),
        }
    }

    /// Begins a CPU's turn on the rectangle `rect` of a plane, in its samples
    /// ([`Plane::samples_of`](crate::Plane::samples_of) translates pixels). The driver may copy for
    /// it, there and back: keep to what is needed. libgbm waits for the GPU itself, without a limit;
    /// for all other memory [`Error::Busy`] comes instead.
    ///
    /// # Errors
    /// [`Error::NoSuchPlane`], [`Error::OutsidePicture`], [`Error::ReadOnly`], [`Error::Busy`],
    /// [`Error::NotMappable`], [`Error::Map`], [`Error::Sync`], [`Error::Wait`], [`Error::Dead`].
    pub fn map(&self, plane: usize, rect: Rect, access: Access) -> Result<MappedPlane<'_>, Error> {
        let described = self.layout.plane(plane)?;
        let samples = described.layout();
        let span = samples.span(&rect).ok_or(Error::OutsidePicture {
            rect,
            width: samples.width(),
            height: samples.height(),
        })?;
        match &self.storage {
            Storage::Memory(memories) => {
                let memory = memory_of(memories, plane)?;
                let first = described.offset().saturating_add(span.first);
                let bytes = span.end.saturating_sub(span.first);
                let layout = Layout::with_stride(
                    rect.width,
                    rect.height,
                    samples.stride(),
                    samples.format(),
                )?;
                let turn = memory.begin(access)?;
                let not_mappable = || Error::NotMappable { plane };
                let first = usize::try_from(first).map_err(|_| not_mappable())?;
                let bytes = usize::try_from(bytes).map_err(|_| not_mappable())?;
                let slice = memory.slice().subslice(first, bytes);
                Ok(MappedPlane {
                    memory: slice.map_err(|_| not_mappable())?,
                    layout,
                    turn: Turn::Memory { memory, _cpu: turn },
                })
            }
            #[cfg(feature = "gbm")]
            Storage::Gbm(object) => {
                let turn = object.map(&self.layout, plane, rect, access)?;
                Ok(MappedPlane {
                    memory: turn.memory(),
                    layout: *turn.layout(),
                    turn: Turn::Gbm { _turn: turn },
                })
            }
        }
    }

    /// Copies scattered memory into the rectangle `rect` of a plane, in its samples.
    ///
    /// # Errors
    /// Those of [`Image::map`] and [`write_plane`]; [`Error::Dead`].
    pub fn write(&self, plane: usize, rect: Rect, source: &Scattered<'_>) -> Result<(), Error> {
        let mapped = self.map(plane, rect, Access::Write)?;
        let layout = *mapped.layout();
        write_plane(source, &mapped.memory(), &layout, layout.bounds())?;
        mapped.check()
    }

    /// Copies the rectangle `rect` of a plane, in its samples, to the start of `destination`, its
    /// rows `stride` bytes apart there.
    ///
    /// # Errors
    /// Those of [`Image::map`] and [`read_plane`]; [`Error::Dead`].
    pub fn read(
        &self,
        plane: usize,
        rect: Rect,
        destination: &VolatileSlice<'_>,
        stride: u64,
    ) -> Result<(), Error> {
        let mapped = self.map(plane, rect, Access::Read)?;
        let layout = *mapped.layout();
        read_plane(
            &mapped.memory(),
            &layout,
            layout.bounds(),
            destination,
            stride,
        )?;
        mapped.check()
    }
}

/// The memory of a plane: its own, or the one that all share.
fn memory_of(memories: &[Memory], plane: usize) -> Result<&Memory, Error> {
    memories
        .get(plane)
        .or_else(|| memories.last())
        .ok_or(Error::NotMappable { plane })
}

/// A rectangle of a plane in a CPU's turn, which ends when this is dropped.
#[derive(Debug)]
pub struct MappedPlane<'a> {
    memory: VolatileSlice<'a>,
    layout: Layout,
    turn: Turn<'a>,
}

#[derive(Debug)]
enum Turn<'a> {
    Memory {
        memory: &'a Memory,
        _cpu: CpuAccess<'a>,
    },
    #[cfg(feature = "gbm")]
    Gbm { _turn: GbmTurn<'a> },
}

impl MappedPlane<'_> {
    /// The memory from the rectangle's first sample to its last. It must not be written in a turn
    /// that was begun with [`Access::Read`]: the page may be protected.
    pub fn memory(&self) -> VolatileSlice<'_> {
        self.memory
    }

    /// Says whether all that was read and written was really there, where the owner of the memory
    /// could take it away ([`Unsealed::Guard`](crate::Unsealed::Guard)).
    ///
    /// # Errors
    /// [`Error::Dead`].
    pub fn check(&self) -> Result<(), Error> {
        match &self.turn {
            Turn::Memory { memory, .. } if memory.is_dead() => Err(Error::Dead),
            _ => Ok(()),
        }
    }

    /// How the rectangle lies in it; the gap after the last row may be missing.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}
