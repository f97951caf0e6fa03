//! The bytes of VIRTIO 1.4 §5.7: structures and numbers exactly as they travel.
//!
//! [`command`](super::command), [`response`](super::response) and
//! [`config`](super::config) are the callers; a driver or a test that wants
//! the raw layout may use it too. Every structure is little endian, has
//! alignment 1 and can be viewed over any byte slice that is long enough, so
//! nothing here may assume that a value is in range.

mod numbers;
mod replies;
mod requests;

pub use numbers::*;
pub use replies::*;
pub use requests::*;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `virtio_gpu_ctrl_hdr`, the first 24 bytes of every request and response
/// (VIRTIO 1.4 §5.7.6.7).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Which command (`CMD_*`) or response (`RESP_*`) follows.
    pub kind: U32,
    /// `FLAG_*` bits.
    pub flags: U32,
    /// The fence to signal; meaningful with [`FLAG_FENCE`] only.
    pub fence_id: U64,
    /// Rendering context of a 3D command.
    pub ctx_id: U32,
    /// Timeline within the context; meaningful with [`FLAG_INFO_RING_IDX`] only.
    pub ring_idx: u8,
    /// Not used.
    pub padding: [u8; 3],
}

/// `virtio_gpu_rect`: a rectangle in pixels (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct Rect {
    /// Left edge.
    pub x: U32,
    /// Top edge.
    pub y: U32,
    /// Columns.
    pub width: U32,
    /// Rows.
    pub height: U32,
}

/// `virtio_gpu_box`: a block of texels, of the transfers of VIRTIO 1.4 §5.7.6.9
/// (laid out in Linux's `virtio_gpu.h` only).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct Box3 {
    /// Left edge.
    pub x: U32,
    /// Top edge.
    pub y: U32,
    /// First slice or layer.
    pub z: U32,
    /// Columns.
    pub width: U32,
    /// Rows.
    pub height: U32,
    /// Slices or layers.
    pub depth: U32,
}

/// `virtio_gpu_mem_entry`: one range of guest memory behind a resource
/// (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct MemEntry {
    /// Guest-physical address of the first byte.
    pub addr: U64,
    /// Length in bytes.
    pub length: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_cursor_pos`: where the cursor is (VIRTIO 1.4 §5.7.6.10).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct CursorPosition {
    /// The scanout whose cursor it is.
    pub scanout_id: U32,
    /// Pixels from the left; two's complement, as Linux sends it.
    pub x: U32,
    /// Pixels from the top; two's complement, as Linux sends it.
    pub y: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_config` with the field of `BLOB_ALIGNMENT` (VIRTIO 1.4 §5.7.4).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct Config {
    /// `EVENT_*` bits that wait for the driver.
    pub events_read: U32,
    /// Bits written here clear the same bits of `events_read`.
    pub events_clear: U32,
    /// Scanouts of the device, 1 to 16.
    pub num_scanouts: U32,
    /// Capability sets of the device.
    pub num_capsets: U32,
    /// Alignment of blob sizes and mapping offsets in bytes.
    pub blob_alignment: U32,
}
