//! Copies from resource to resource, and of bytes in the stream.

use super::Stream;
use crate::Box3;

const RESOURCE_INLINE_WRITE: u8 = 9;
const BLIT: u8 = 16;
const RESOURCE_COPY_REGION: u8 = 17;

const ALL_CHANNELS: u32 = 0xf;

/// A copy that may scale; first level of both resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blit {
    /// Where it goes.
    pub target: u32,
    /// The target's format.
    pub target_format: u32,
    /// The texels that are written.
    pub target_region: Box3,
    /// Where it comes from.
    pub source: u32,
    /// The source's format.
    pub source_format: u32,
    /// The texels that are read.
    pub source_region: Box3,
}

/// A copy of the same size; first level of both resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyRegion {
    /// Where it goes.
    pub target: u32,
    /// First texel that is written: column, row, layer.
    pub at: [u32; 3],
    /// Where it comes from.
    pub source: u32,
    /// The texels that are read.
    pub source_region: Box3,
}

/// Bytes for the first level of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlineWrite<'a> {
    /// Where they go.
    pub target: u32,
    /// The texels, or bytes of a buffer, that are written.
    pub region: Box3,
    /// Bytes from row to row, 0 for those of the level.
    pub stride: u32,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl Stream {
    /// Adds a [`Blit`].
    pub fn blit(&mut self, blit: &Blit) -> &mut Self {
        let mut arguments = vec![ALL_CHANNELS, 0, 0];
        arguments.extend([blit.target, 0, blit.target_format]);
        arguments.extend(words(&blit.target_region));
        arguments.extend([blit.source, 0, blit.source_format]);
        arguments.extend(words(&blit.source_region));
        self.command(BLIT, 0, &arguments)
    }

    /// Adds a [`CopyRegion`].
    pub fn copy_region(&mut self, copy: &CopyRegion) -> &mut Self {
        let mut arguments = vec![copy.target, 0];
        arguments.extend(copy.at);
        arguments.extend([copy.source, 0]);
        arguments.extend(words(&copy.source_region));
        self.command(RESOURCE_COPY_REGION, 0, &arguments)
    }

    /// Adds an [`InlineWrite`].
    pub fn inline_write(&mut self, write: &InlineWrite<'_>) -> &mut Self {
        let mut arguments = vec![write.target, 0, 0, write.stride, 0];
        arguments.extend(words(&write.region));
        arguments.extend(write.bytes.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        }));
        self.command(RESOURCE_INLINE_WRITE, 0, &arguments)
    }
}

fn words(region: &Box3) -> [u32; 6] {
    [
        region.x,
        region.y,
        region.z,
        region.width,
        region.height,
        region.depth,
    ]
}
