//! What can go wrong with buffers, layouts and copies.

use std::io;
use std::path::PathBuf;

use drm_fourcc::{DrmFourcc, DrmModifier};
use thiserror::Error;

use crate::{Rect, Usage};

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
    /// The memory is private to this process: no other can be given it.
    #[error("the memory is private and cannot be shared")]
    NotShareable,
    /// An allocator cannot make what is asked for.
    #[error("{allocator} makes nothing for {usage:?}")]
    UnsupportedUse {
        /// Which allocator.
        allocator: &'static str,
        /// The use that it has nothing for.
        usage: Usage,
    },
    /// An allocator makes linear memory only, and the request does not take that.
    #[error("{allocator} makes linear memory only")]
    UnsupportedModifiers {
        /// Which allocator.
        allocator: &'static str,
    },
    /// The driver refused to make a buffer.
    #[error("{allocator} cannot make {width}x{height} pixels of {format}")]
    Refused {
        /// Which allocator.
        allocator: &'static str,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Pixel format.
        format: DrmFourcc,
        /// The driver's answer.
        source: io::Error,
    },
    /// The driver gave no file descriptor for a plane.
    #[error("cannot export plane {plane}")]
    Export {
        /// Which plane, from 0.
        plane: usize,
        /// The driver's answer.
        source: io::Error,
    },
    /// A plane is not laid out in a way that a CPU can use.
    #[error("plane {plane} cannot be mapped")]
    NotMappable {
        /// Which plane, from 0.
        plane: usize,
    },
    /// A device file could not be opened.
    #[error("cannot open {}", path.display())]
    OpenDevice {
        /// Which file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file is not the device that it was taken for.
    #[error("{} is not {wanted}", path.display())]
    WrongDevice {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// The kernel's or the library's answer.
        source: io::Error,
    },
    /// There is no node of a GPU that serves.
    #[error("no {kind}: {reason}")]
    NoNode {
        /// What was looked for.
        kind: &'static str,
        /// Why each of those that are there does not serve.
        reason: String,
    },
    /// The kernel makes no dma-buf of these pages.
    #[error("cannot make a dma-buf of memory pages")]
    Udmabuf(#[source] io::Error),
    /// The kernel takes no more at once.
    #[error(
        "{bytes} bytes in {ranges} ranges are more than udmabuf takes: {byte_limit} in {range_limit}"
    )]
    UdmabufLimit {
        /// Bytes that were to become a dma-buf.
        bytes: u64,
        /// In how many ranges they are.
        ranges: usize,
        /// The most bytes.
        byte_limit: u64,
        /// The most ranges.
        range_limit: usize,
    },
    /// A dma-buf is made of whole pages.
    #[error("bytes {offset}+{length} of a memory file are not whole pages")]
    NotWholePages {
        /// Where the range begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// A file descriptor is neither a dma-buf nor a memory file.
    #[error("the file is neither a dma-buf nor a memory file")]
    NotABuffer,
    /// A memory file of somebody else could be made shorter while it is read, which is a SIGBUS.
    #[error("the memory file is not sealed against shrinking")]
    NotSealed,
    /// A memory file of huge pages ends the process where there are none left, or where one is taken
    /// out of it, and no seal forbids that.
    #[error("the memory file is made of huge pages")]
    HugePages,
    /// A file has fewer bytes than the picture said to be in it.
    #[error("the picture ends at byte {needed}, its file at byte {available}")]
    FileTooShort {
        /// One past the picture's last byte.
        needed: u64,
        /// The file's size.
        available: u64,
    },
    /// The size of a file could not be found out.
    #[error("cannot find out the size of a buffer")]
    Size(#[source] io::Error),
    /// Only a linear picture can be mapped without the driver that made it.
    #[error("a picture with the modifier {modifier:?} is not linear")]
    NotLinear {
        /// How it is laid out.
        modifier: DrmModifier,
    },
    /// The memory was imported for reading.
    #[error("the memory is for reading only")]
    ReadOnly,
    /// A device still works on the buffer.
    #[error("a device still uses the buffer")]
    Busy,
    /// The kernel could not say whether a device still works on a buffer.
    #[error("cannot wait for a buffer")]
    Wait(#[source] io::Error),
    /// The caches could not be brought in line with a device's view.
    #[error("cannot synchronise a dma-buf")]
    Sync(#[source] io::Error),
    /// The owner of the memory took it away while it was mapped; what was read since is zero.
    #[error("the memory was taken away by its owner")]
    Dead,
    /// The handler that keeps the process alive when memory is taken away could not be installed.
    #[error("cannot handle SIGBUS")]
    Guard(#[source] io::Error),
    /// More memory is guarded than the handler can look through.
    #[error("more than {limit} mappings are guarded against SIGBUS")]
    TooManyGuards {
        /// The most that can be guarded.
        limit: usize,
    },
    /// The program was built without this.
    #[error("not built in")]
    NotBuiltIn,
    /// No allocator serves.
    #[error("no allocator: {reasons}")]
    NoAllocator {
        /// Why each does not.
        reasons: String,
    },
}

/// An error and what caused it, in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
