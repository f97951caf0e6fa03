//! Frames: what a device hands to a surface to show.

use std::sync::Arc;

use gpu_buffer::{Buffer, Layout, Rect};
use vm_memory::VolatileSlice;

use crate::{DisplayError, SurfaceRequest};

/// Where a frame's pixels are.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PixelSource<'a> {
    /// Memory of this process, which the display copies from before `present` returns.
    Memory(VolatileSlice<'a>),
    /// A buffer that the display may keep a reference to. For as long as it does, the pixels stay as
    /// they are: what is drawn next is drawn elsewhere, at the price of a copy of the picture.
    Buffer(&'a Arc<Buffer>),
}

impl<'a> PixelSource<'a> {
    /// The memory of the pixels.
    pub fn memory(&self) -> VolatileSlice<'a> {
        match self {
            Self::Memory(memory) => *memory,
            Self::Buffer(buffer) => buffer.memory(),
        }
    }
}

/// New pixels for a surface.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Where the pixels are.
    pub pixels: PixelSource<'a>,
    /// How they lie there.
    pub layout: Layout,
    /// The part of the layout that the surface shows; of exactly the surface's size.
    pub crop: Rect,
    /// What changed since the surface's last frame, in pixels from the surface's top-left corner.
    /// No rectangle is empty or leaves the surface.
    pub damage: &'a [Rect],
}

impl Frame<'_> {
    /// Checks that the frame keeps what its fields promise, for a surface made by `surface`.
    /// Every display does this before it takes a frame.
    ///
    /// # Errors
    /// [`DisplayError::FrameSize`], [`DisplayError::Damage`], [`DisplayError::Pixels`].
    pub fn check(&self, surface: &SurfaceRequest) -> Result<(), DisplayError> {
        if (self.crop.width, self.crop.height) != (surface.width, surface.height) {
            return Err(DisplayError::FrameSize {
                width: self.crop.width,
                height: self.crop.height,
                surface_width: surface.width,
                surface_height: surface.height,
            });
        }
        let span = self.layout.span(&self.crop).ok_or_else(|| {
            DisplayError::Pixels(gpu_buffer::Error::OutsidePicture {
                rect: self.crop,
                width: self.layout.width(),
                height: self.layout.height(),
            })
        })?;
        let available = u64::try_from(self.pixels.memory().len()).unwrap_or(u64::MAX);
        if span.end > available {
            return Err(DisplayError::Pixels(gpu_buffer::Error::SourceTooShort {
                needed: span.end,
                available,
            }));
        }
        let bounds = Rect::from_size(surface.width, surface.height);
        match self
            .damage
            .iter()
            .find(|rect| rect.is_empty() || !bounds.contains(rect))
        {
            Some(&rect) => Err(DisplayError::Damage { rect }),
            None => Ok(()),
        }
    }
}
