//! The responses that carry data (VIRTIO 1.4 §5.7.6.8, §5.7.6.9).
//!
//! `OK_NODATA` and every error are a bare [`Header`]; `OK_CAPSET` is a header
//! and the bytes of the capability set.

use super::{Header, Rect};
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `virtio_gpu_display_one`: one scanout (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct DisplayOne {
    /// Preferred place and size.
    pub rect: Rect,
    /// Not 0 when a display is connected.
    pub enabled: U32,
    /// None are defined.
    pub flags: U32,
}

/// `virtio_gpu_resp_display_info` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct DisplayInfo {
    /// Type, fence and context.
    pub header: Header,
    /// Every scanout, connected or not.
    pub pmodes: [DisplayOne; 16],
}

/// `virtio_gpu_resp_capset_info` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CapsetInfo {
    /// Type, fence and context.
    pub header: Header,
    /// `CAPSET_*`.
    pub capset_id: U32,
    /// Highest version.
    pub capset_max_version: U32,
    /// Most bytes a capability set takes.
    pub capset_max_size: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_resp_edid` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Edid {
    /// Type, fence and context.
    pub header: Header,
    /// How many bytes of `edid` are valid.
    pub size: U32,
    /// Not used.
    pub padding: U32,
    /// The EDID's blocks.
    pub edid: [u8; 1024],
}

/// `virtio_gpu_resp_resource_uuid` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ResourceUuid {
    /// Type, fence and context.
    pub header: Header,
    /// The UUID.
    pub uuid: [u8; 16],
}

/// `virtio_gpu_resp_map_info` (VIRTIO 1.4 §5.7.6.9).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct MapInfo {
    /// Type, fence and context.
    pub header: Header,
    /// `MAP_CACHE_*`.
    pub map_info: U32,
    /// Not used.
    pub padding: U32,
}
