//! Pictures in a device's memory, shared between what renders and what shows.

use std::os::fd::OwnedFd;

use gpu_buffer::DrmFourcc;

/// A picture in dma-bufs. Its first row is the top one.
#[derive(Debug)]
pub struct DmaBuf {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format, as the driver keeps it: it may order the channels
    /// otherwise than the resource that it is of.
    pub fourcc: DrmFourcc,
    /// How the pixels are arranged, `None` if only the driver knows.
    pub modifier: Option<u64>,
    /// One to four planes.
    pub planes: Vec<Plane>,
}

/// One plane of a [`DmaBuf`].
#[derive(Debug)]
pub struct Plane {
    /// The dma-buf.
    pub fd: OwnedFd,
    /// Bytes from row to row.
    pub stride: u32,
    /// Byte of the first row.
    pub offset: u32,
}
