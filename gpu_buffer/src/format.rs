//! Pixel formats, named by their DRM fourcc: how many planes they have and what a pixel of each is.
//!
//! A DRM fourcc names the channels of a little-endian word from its most significant byte down
//! (`drm_fourcc.h`), so in memory they stand in the opposite order: `AR24` is B, G, R, A.

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

/// Bytes of one pixel of `format`, or `None` if the format is not supported or has several planes
/// ([`planes_of`] knows those).
pub const fn bytes_per_pixel(format: DrmFourcc) -> Option<u32> {
    match format {
        DrmFourcc::R8 => Some(1),
        DrmFourcc::R16 | DrmFourcc::Gr88 | DrmFourcc::Rgb565 => Some(2),
        DrmFourcc::Gr1616 => Some(4),
        _ => match channel_order(format) {
            Some(_) => Some(4),
            None => None,
        },
    }
}

/// One plane of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlaneFormat {
    /// The single-plane format that the samples of the plane have: `R8` for the luminance of `NV12`,
    /// `GR88` for its pairs of chrominance. EGL and Vulkan name planes the same way.
    pub format: DrmFourcc,
    /// Pixels of the picture that share one sample, in a row.
    pub horizontal_subsampling: u32,
    /// Rows of the picture that share one row of samples.
    pub vertical_subsampling: u32,
}

const fn full(format: DrmFourcc) -> PlaneFormat {
    PlaneFormat {
        format,
        horizontal_subsampling: 1,
        vertical_subsampling: 1,
    }
}

const fn quarter(format: DrmFourcc) -> PlaneFormat {
    PlaneFormat {
        format,
        horizontal_subsampling: 2,
        vertical_subsampling: 2,
    }
}

/// The planes of `format`, in the order of `drm_fourcc.h`: `YU12` is Y, Cb, Cr and `YV12` is Y, Cr,
/// Cb. `None` if the format is not supported.
pub const fn planes_of(format: DrmFourcc) -> Option<&'static [PlaneFormat]> {
    const NV12: &[PlaneFormat] = &[full(DrmFourcc::R8), quarter(DrmFourcc::Gr88)];
    const P010: &[PlaneFormat] = &[full(DrmFourcc::R16), quarter(DrmFourcc::Gr1616)];
    const YUV420: &[PlaneFormat] = &[
        full(DrmFourcc::R8),
        quarter(DrmFourcc::R8),
        quarter(DrmFourcc::R8),
    ];
    macro_rules! single {
        ($($name:ident),*) => {
            match format {
                $(DrmFourcc::$name => Some(const { &[full(DrmFourcc::$name)] }),)*
                _ => None,
            }
        };
    }
    match format {
        DrmFourcc::Nv12 => Some(NV12),
        DrmFourcc::P010 => Some(P010),
        DrmFourcc::Yuv420 | DrmFourcc::Yvu420 => Some(YUV420),
        _ => single!(
            Argb8888, Xrgb8888, Abgr8888, Xbgr8888, Bgra8888, Bgrx8888, Rgba8888, Rgbx8888, Rgb565,
            R8, R16, Gr88, Gr1616
        ),
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
