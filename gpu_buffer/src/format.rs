//! Pixel formats: the eight 32-bit formats of virtio-gpu, named by their DRM fourcc.
//!
//! A DRM fourcc names the channels of a little-endian 32-bit word from its most significant byte
//! down (`drm_fourcc.h`), so in memory they stand in the opposite order: `AR24` is B, G, R, A.

use drm_fourcc::DrmFourcc;

/// Where each channel of a 32-bit pixel stands in memory: byte positions `0..4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelOrder {
    /// Byte of the red channel.
    pub red: usize,
    /// Byte of the green channel.
    pub green: usize,
    /// Byte of the blue channel.
    pub blue: usize,
    /// Byte of the alpha channel; `None` where the fourth byte means nothing.
    pub alpha: Option<usize>,
}

/// The channel order of `format`, or `None` if it is not one of the eight 32-bit RGB formats.
pub const fn channel_order(format: DrmFourcc) -> Option<ChannelOrder> {
    let (red, green, blue, alpha) = match format {
        DrmFourcc::Argb8888 => (2, 1, 0, Some(3)),
        DrmFourcc::Xrgb8888 => (2, 1, 0, None),
        DrmFourcc::Abgr8888 => (0, 1, 2, Some(3)),
        DrmFourcc::Xbgr8888 => (0, 1, 2, None),
        DrmFourcc::Bgra8888 => (1, 2, 3, Some(0)),
        DrmFourcc::Bgrx8888 => (1, 2, 3, None),
        DrmFourcc::Rgba8888 => (3, 2, 1, Some(0)),
        DrmFourcc::Rgbx8888 => (3, 2, 1, None),
        _ => return None,
    };
    Some(ChannelOrder {
        red,
        green,
        blue,
        alpha,
    })
}

/// Bytes of one pixel of `format`, or `None` if the format is not supported.
pub const fn bytes_per_pixel(format: DrmFourcc) -> Option<u32> {
    match channel_order(format) {
        Some(_) => Some(4),
        None => None,
    }
}

/// The format whose fourth byte is alpha where that of `format` means nothing; `format` itself if it
/// has alpha already or is not one of the eight.
pub const fn with_alpha(format: DrmFourcc) -> DrmFourcc {
    match format {
        DrmFourcc::Xrgb8888 => DrmFourcc::Argb8888,
        DrmFourcc::Xbgr8888 => DrmFourcc::Abgr8888,
        DrmFourcc::Bgrx8888 => DrmFourcc::Bgra8888,
        DrmFourcc::Rgbx8888 => DrmFourcc::Rgba8888,
        other => other,
    }
}
