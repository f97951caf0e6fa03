//! What a renderer's resources are made of, and copies to and from them.

use std::sync::Arc;

use gpu_buffer::{Buffer, Rect};

use crate::{ContextId, ResourceId};

/// A texture or buffer to make; numbers are Gallium's, as in VIRTIO 1.4
/// §5.7.6.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceArgs {
    /// Texture target: 0 is a buffer, 2 a 2D texture.
    pub target: u32,
    /// Pixel format.
    pub format: u32,
    /// What it will be bound as.
    pub bind: u32,
    /// Width in texels, or bytes of a buffer.
    pub width: u32,
    /// Height in texels.
    pub height: u32,
    /// Depth in slices.
    pub depth: u32,
    /// Layers.
    pub array_size: u32,
    /// Highest mipmap level.
    pub last_level: u32,
    /// Samples per texel, 0 for no multisampling.
    pub samples: u32,
    /// `VIRGL_RESOURCE_*` flags; 1 says that the first row is the top one.
    pub flags: u32,
}

/// A block of texels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Box3 {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// First slice or layer.
    pub z: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Slices or layers.
    pub depth: u32,
}

/// Which way a [`Transfer`] copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the backing into the resource.
    ToHost,
    /// From the resource into the backing.
    FromHost,
}

/// A copy between a resource and its backing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// The context that the resource has to be attached to, `None` for the
    /// renderer's own.
    pub context: Option<ContextId>,
    /// The resource.
    pub resource: ResourceId,
    /// Mipmap level.
    pub level: u32,
    /// Bytes per row in the backing, 0 for the level's own.
    pub stride: u32,
    /// Bytes per layer in the backing, 0 for the level's own.
    pub layer_stride: u32,
    /// The texels to copy.
    pub region: Box3,
    /// Byte of the backing that holds the first texel.
    pub offset: u64,
}

/// A copy out of a 2D resource into a buffer, to be shown.
#[derive(Clone, Debug)]
pub struct ReadBack {
    /// The resource, a 2D texture of four bytes a texel.
    pub resource: ResourceId,
    /// The texel that the buffer's first pixel shows, from the left.
    pub x: u32,
    /// The texel that the buffer's first pixel shows, from the top.
    pub y: u32,
    /// What to copy, in the buffer's pixels.
    pub rects: Vec<Rect>,
    /// Where it goes, in the resource's own format. Lent: it comes back with
    /// the completion, and nobody looks at it before.
    pub target: Arc<Buffer>,
}

/// A picture to put into a 2D resource of the same size and format.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The resource.
    pub resource: ResourceId,
    /// Its new contents.
    pub pixels: Arc<Buffer>,
}
