//! Frames: what a device hands to a surface to show.

use std::sync::Arc;

use gpu_buffer::{Buffer, Layout, Rect};
use vm_memory::VolatileSlice;

use crate::{DisplayError, DmaBuf, SurfaceRequest};

/// Where a frame's pixels are.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PixelSource<'a> {
    /// Memory of this process, which the display copies from before `present` returns.
    Memory(VolatileSlice<'a>),
    /// A buffer that the display may keep a reference to. For as long as it does, the pixels stay as
    /// they are: what is drawn next is drawn elsewhere, at the price of a copy of the picture. Only where
    /// others were given the memory, who may draw there at any time, a picture can be torn.
    Buffer(&'a Arc<Buffer>),
    /// A picture in a device's memory, of which the display may keep a reference. What is drawn
    /// there meanwhile may be seen: a guest that flips pages draws elsewhere. Of the frame's layout only width and height count, and they
    /// are the dma-buf's. A display that cannot show it says [`DisplayError::DmaBufRefused`];
    /// whoever drew it presents a copy of its pixels then.
    DmaBuf(&'a Arc<DmaBuf>),
}

impl<'a> PixelSource<'a> {
    /// Whether the pixels are in a device's memory.
    pub fn is_dma_buf(&self) -> bool {
        matches!(self, Self::DmaBuf(_))
    }

    /// The memory of the pixels; empty for a dma-buf, which is in no process's memory.
    pub fn memory(&self) -> VolatileSlice<'a> {
        match self {
            Self::Memory(memory) => *memory,
            Self::Buffer(buffer) => buffer.memory(),
            Self::DmaBuf(_) => VolatileSlice::from(&mut [][..]),
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
    /// Checks that the frame keeps what its fields promise, for a surface made by `surface`, and
    /// that its pixels can be read. Every display does this before it takes a frame; one that takes
    /// dma-bufs does [`Frame::check_shape`] with those.
    ///
    /// # Errors
    /// [`DisplayError::FrameSize`], [`DisplayError::Damage`], [`DisplayError::Pixels`],
    /// [`DisplayError::DmaBufRefused`].
    pub fn check(&self, surface: &SurfaceRequest) -> Result<(), DisplayError> {
        self.check_shape(surface)?;
        if let PixelSource::DmaBuf(buffer) = self.pixels {
            return Err(DisplayError::DmaBufRefused {
                format: buffer.format,
                modifier: buffer.modifier,
            });
        }
        let needed = self
            .layout
            .span(&self.crop)
            .map_or(u64::MAX, |span| span.end);
        let available = u64::try_from(self.pixels.memory().len()).unwrap_or(u64::MAX);
        if needed > available {
            return Err(gpu_buffer::Error::SourceTooShort { needed, available }.into());
        }
        Ok(())
    }

    /// Checks the sizes: crop, damage, and those of a dma-buf.
    ///
    /// # Errors
    /// [`DisplayError::FrameSize`], [`DisplayError::Damage`], [`DisplayError::Pixels`].
    pub fn check_shape(&self, surface: &SurfaceRequest) -> Result<(), DisplayError> {
        if (self.crop.width, self.crop.height) != (surface.width, surface.height) {
            return Err(DisplayError::FrameSize {
                width: self.crop.width,
                height: self.crop.height,
                surface_width: surface.width,
                surface_height: surface.height,
            });
        }
        let (width, height) = match self.pixels {
            PixelSource::DmaBuf(buffer) => (buffer.width, buffer.height),
            _ => (self.layout.width(), self.layout.height()),
        };
        let picture = Rect::from_size(width, height);
        if self.crop.is_empty()
            || !picture.contains(&self.crop)
            || !self.layout.bounds().contains(&self.crop)
        {
            return Err(DisplayError::Pixels(gpu_buffer::Error::OutsidePicture {
                rect: self.crop,
                width,
                height,
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
