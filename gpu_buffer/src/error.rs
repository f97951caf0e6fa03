//! What can go wrong with buffers, layouts and copies.

use std::io;

use drm_fourcc::DrmFourcc;
use thiserror::Error;

use crate::Rect;

/// An error of this crate. None of them leaves a buffer half written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The pixel format is none of those that the function knows: see [`format`](crate::format).
    #[error("the pixel format {format} is not supported")]
    UnsupportedFormat {
        /// The format that was asked for.
        format: DrmFourcc,
    },
    /// A picture must have at least one pixel.
    #[error("a picture of {width}x{height} pixels is empty")]
    EmptyPicture {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// One row of the picture has more bytes than a stride can say.
    #[error("a row of {width} pixels of {bytes_per_pixel} bytes does not fit a 32-bit stride")]
    RowTooLong {
        /// Width in pixels.
        width: u32,
        /// Bytes of one pixel.
        bytes_per_pixel: u32,
    },
    /// The rows would overlap.
    #[error("a stride of {stride} bytes is shorter than a row of {row_bytes} bytes")]
    StrideTooShort {
        /// Bytes from the start of one row to the start of the next.
        stride: u32,
        /// Bytes of one row's pixels.
        row_bytes: u32,
    },
    /// A picture of this format has another number of planes.
    #[error("{format} has {expected} planes, not {got}")]
    PlaneCount {
        /// The format.
        format: DrmFourcc,
        /// How many planes it has.
        expected: usize,
        /// How many were described.
        got: usize,
    },
    /// The picture has no plane of this number.
    #[error("there is no plane {index} of {planes}")]
    NoSuchPlane {
        /// The number that was asked for, from 0.
        index: usize,
        /// How many planes there are.
        planes: usize,
    },
    /// The picture has more bytes than this process could ever map.
    #[error("a buffer of {bytes} bytes is beyond the address space")]
    BufferTooLarge {
        /// Bytes of the whole buffer.
        bytes: u64,
    },
    /// The rectangle is empty, or not all of it lies in the picture.
    #[error("{rect:?} is empty or leaves the picture of {width}x{height} pixels")]
    OutsidePicture {
        /// The rectangle that was asked for.
        rect: Rect,
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
    },
    /// Part of a guest-physical range is not backed by memory, or the range wraps.
    #[error("guest range {address:#x}+{length:#x} is not guest memory")]
    Unmapped {
        /// Guest-physical address of the whole range.
        address: u64,
        /// Length of the whole range in bytes.
        length: u32,
    },
    /// The host has no memory for a copy.
    #[error("no memory for {bytes} bytes")]
    NoMemory {
        /// How much is missing.
        bytes: u64,
    },
    /// A list of ranges holds more bytes than can be counted, or more ranges than there is memory for.
    #[error("the scatter list is too long")]
    ScatterListTooLong,
    /// A copy would read beyond the end of its source. Nothing was written.
    #[error("the copy reads up to byte {needed}, its source has {available}")]
    SourceTooShort {
        /// One past the last byte that the copy reads; `u64::MAX` where that does not fit.
        needed: u64,
        /// Bytes in the source.
        available: u64,
    },
    /// A copy would write beyond the end of its destination. Nothing was written.
    #[error("the copy writes up to byte {needed}, its destination has {available}")]
    DestinationTooShort {
        /// One past the last byte that the copy writes.
        needed: u64,
        /// Bytes in the destination.
        available: u64,
    },
    /// The kernel made no memory file.
    #[error("cannot create a memory file")]
    CreateMemfd(#[source] io::Error),
    /// The kernel did not give the memory file its size.
    #[error("cannot give a memory file {bytes} bytes")]
    ResizeMemfd {
        /// The size that was asked for.
        bytes: u64,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel did not seal the memory file.
    #[error("cannot seal a memory file")]
    SealMemfd(#[source] io::Error),
    /// The kernel did not map the memory.
    #[error("cannot map {bytes} bytes")]
    Map {
        /// Bytes to map.
        bytes: u64,
        /// The kernel's answer.
        source: io::Error,
    },
}
