//! Surfaces: what a device shows on an output, or as a cursor over it.

use std::fmt;

use crate::DisplayError;

/// The name of a surface. A display never gives the same name to two surfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SurfaceId(u64);

impl fmt::Display for SurfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a display takes the names of its surfaces from.
#[derive(Debug, Default)]
pub struct SurfaceIds {
    used: u64,
}

impl SurfaceIds {
    /// A name that was never given before.
    ///
    /// # Errors
    /// [`DisplayError::OutOfSurfaceIds`] after 2^64 - 1 surfaces.
    pub fn allocate(&mut self) -> Result<SurfaceId, DisplayError> {
        self.used = self
            .used
            .checked_add(1)
            .ok_or(DisplayError::OutOfSurfaceIds)?;
        Ok(SurfaceId(self.used))
    }
}

/// A point of an output, in pixels from its top-left corner. It may lie outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Pixels to the right.
    pub x: i32,
    /// Pixels down.
    pub y: i32,
}

/// The point of a cursor's image that points, in pixels from the image's top-left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hotspot {
    /// Pixels to the right.
    pub x: u32,
    /// Pixels down.
    pub y: u32,
}

/// What a surface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The picture of an output. An output has at most one.
    Scanout {
        /// Number of the output.
        output: u32,
    },
    /// An image over a scanout, its top-left pixel at `position`. What lies beyond the scanout is
    /// not shown.
    Cursor {
        /// The scanout surface below.
        parent: SurfaceId,
        /// Which pixel of the image points: for displays that let their own system move the
        /// image with its pointer.
        hotspot: Hotspot,
        /// Where the image's top-left pixel is.
        position: Position,
    },
}

/// What a surface must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurfaceRequest {
    /// What it is for.
    pub role: Role,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}
