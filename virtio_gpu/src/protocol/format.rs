//! Pixel formats: numbers of the wire to DRM fourcc codes and back
//! (VIRTIO 1.4 §5.7.6.8).
//!
//! The wire names bytes in the order they lie in memory, DRM names the parts
//! of a little-endian word from its top, so the names read reversed.

use super::wire;
use drm_fourcc::DrmFourcc;

const TABLE: [(u32, DrmFourcc); 8] = [
    (wire::FORMAT_B8G8R8A8, DrmFourcc::Argb8888),
    (wire::FORMAT_B8G8R8X8, DrmFourcc::Xrgb8888),
    (wire::FORMAT_A8R8G8B8, DrmFourcc::Bgra8888),
    (wire::FORMAT_X8R8G8B8, DrmFourcc::Bgrx8888),
    (wire::FORMAT_R8G8B8A8, DrmFourcc::Abgr8888),
    (wire::FORMAT_X8B8G8R8, DrmFourcc::Rgbx8888),
    (wire::FORMAT_A8B8G8R8, DrmFourcc::Rgba8888),
    (wire::FORMAT_R8G8B8X8, DrmFourcc::Xbgr8888),
];

/// The fourcc of a format number, None if it is not one of the eight formats
/// of a 2D resource or scanout. All eight take 4 bytes a pixel.
#[must_use]
pub fn from_wire(format: u32) -> Option<DrmFourcc> {
    TABLE
        .iter()
        .find(|(number, _)| *number == format)
        .map(|(_, fourcc)| *fourcc)
}

/// The format number of a fourcc, None if the wire has no such format.
#[must_use]
pub fn to_wire(fourcc: DrmFourcc) -> Option<u32> {
    TABLE
        .iter()
        .find(|(_, code)| *code == fourcc)
        .map(|(number, _)| *number)
}
