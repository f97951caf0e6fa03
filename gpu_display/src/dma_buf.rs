//! Pictures in the memory of a device: dma-bufs, which a compositor shows without a copy.

use std::os::fd::OwnedFd;

use gpu_buffer::DrmFourcc;

/// A picture in one or more dma-bufs. Its first row is the top one.
#[derive(Debug)]
pub struct DmaBuf {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format, of one plane or several.
    pub format: DrmFourcc,
    /// The layout of the pixels within the planes, one of `drm_fourcc.h`'s `DRM_FORMAT_MOD_*`: 0 is
    /// linear, and `DRM_FORMAT_MOD_INVALID` (2^56 - 1) leaves it to the driver.
    pub modifier: u64,
    /// The planes, in the format's order: one to [`DmaBuf::MAX_PLANES`].
    pub planes: Vec<DmaBufPlane>,
}

impl DmaBuf {
    /// The most planes that a format has.
    pub const MAX_PLANES: usize = 4;
}

/// One plane of a [`DmaBuf`].
#[derive(Debug)]
pub struct DmaBufPlane {
    /// The dma-buf. Several planes may be in the same one.
    pub fd: OwnedFd,
    /// Byte of the dma-buf at which the plane begins.
    pub offset: u32,
    /// Bytes from the start of one row to the start of the next.
    pub stride: u32,
}
