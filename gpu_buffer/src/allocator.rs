//! Where buffers come from.

use std::fmt::Debug;

use bitflags::bitflags;
use drm_fourcc::{DrmFourcc, DrmModifier};

use crate::{Buffer, Error, Image, ImageLayout, Layout};

/// What a new buffer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferRequest {
    /// How its picture lies in memory.
    pub layout: Layout,
}

bitflags! {
    /// What an image is for.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Usage: u32 {
        /// A display controller reads it. This alone is a wish: an allocator that cannot grant it
        /// tries without it, and [`Image::usage`] says so.
        const SCANOUT = 1;
        /// A display controller reads it as a cursor.
        const CURSOR = 1 << 1;
        /// A GPU draws into it.
        const RENDERING = 1 << 2;
        /// Its rows follow each other: everybody can map it.
        const LINEAR = 1 << 3;
    }
}

/// What a new image must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRequest {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format, of one plane or several.
    pub format: DrmFourcc,
    /// What it is for.
    pub usage: Usage,
    /// The modifiers that everybody who will use it understands; empty leaves it to the allocator.
    pub modifiers: Vec<DrmModifier>,
}

/// A source of memory for pictures.
pub trait Allocator: Debug {
    /// Makes a buffer: one that stays mapped, that any thread can use, and that reads as zero,
    /// whatever was in its memory before. Its rows may be further apart than asked for, where a
    /// driver decides that: see [`Buffer::layout`].
    ///
    /// # Errors
    /// Out of memory or of file descriptors, with the kernel's answer as the source;
    /// [`Error::BufferTooLarge`]. An allocator over a device: [`Error::Refused`], and
    /// [`Error::Map`] where the device's memory cannot stay mapped.
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error>;

    /// Makes an image by what it is for; the allocator decides how it lies in memory, and maps it
    /// when it is to be read or written. What is in it at first is undefined.
    ///
    /// # Errors
    /// Those of [`Allocator::allocate`] and of [`ImageLayout::packed`], [`Error::UnsupportedUse`],
    /// [`Error::UnsupportedModifiers`].
    fn create(&mut self, request: &ImageRequest) -> Result<Image, Error>;
}

/// What an allocator of linear memory has for `request`, when it can promise `grants`.
pub(crate) fn grant(
    allocator: &'static str,
    grants: Usage,
    request: &ImageRequest,
) -> Result<Usage, Error> {
    let missing = request.usage.difference(grants | Usage::SCANOUT);
    if !missing.is_empty() {
        return Err(Error::UnsupportedUse {
            allocator,
            usage: missing,
        });
    }
    if !request.modifiers.is_empty() && !request.modifiers.contains(&DrmModifier::Linear) {
        return Err(Error::UnsupportedModifiers { allocator });
    }
    Ok(request.usage & grants)
}

/// Rows as far apart as most devices want them that import memory.
pub(crate) fn importable_layout(request: &ImageRequest) -> Result<ImageLayout, Error> {
    const STRIDE_ALIGNMENT: u32 = 256;
    ImageLayout::aligned(
        request.width,
        request.height,
        request.format,
        STRIDE_ALIGNMENT,
    )
}
