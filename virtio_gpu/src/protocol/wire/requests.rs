//! The fixed part of each request (VIRTIO 1.4 §5.7.6.8 to §5.7.6.10).
//!
//! `GET_DISPLAY_INFO` and `CTX_DESTROY` are a bare [`Header`]. The
//! specification names the 3D commands of §5.7.6.9 but lays out only some; the
//! others are as Linux's `include/uapi/linux/virtio_gpu.h` has them.

use super::{Box3, CursorPosition, Header, Rect};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `virtio_gpu_resource_create_2d` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ResourceCreate2d {
    /// Type, fence and context.
    pub header: Header,
    /// The new resource's id, chosen by the driver.
    pub resource_id: U32,
    /// `FORMAT_*`.
    pub format: U32,
    /// Columns.
    pub width: U32,
    /// Rows.
    pub height: U32,
}

/// A header and a resource id, the layout of `virtio_gpu_resource_unref`,
/// `_resource_detach_backing`, `_resource_assign_uuid` (VIRTIO 1.4 §5.7.6.8),
/// `_ctx_resource` and `_resource_unmap_blob` (§5.7.6.9).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ResourceRequest {
    /// Type, fence and context.
    pub header: Header,
    /// The resource.
    pub resource_id: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_set_scanout` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SetScanout {
    /// Type, fence and context.
    pub header: Header,
    /// The part of the resource to show.
    pub rect: Rect,
    /// The scanout.
    pub scanout_id: U32,
    /// The resource, 0 to show nothing.
    pub resource_id: U32,
}

/// `virtio_gpu_resource_flush` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ResourceFlush {
    /// Type, fence and context.
    pub header: Header,
    /// What changed, in the resource's coordinates.
    pub rect: Rect,
    /// The resource.
    pub resource_id: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_transfer_to_host_2d` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TransferToHost2d {
    /// Type, fence and context.
    pub header: Header,
    /// What to write, in the resource's coordinates.
    pub rect: Rect,
    /// Byte of the backing that holds the rectangle's first pixel.
    pub offset: U64,
    /// The resource.
    pub resource_id: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_resource_attach_backing` (VIRTIO 1.4 §5.7.6.8); [`MemEntry`]s
/// follow.
///
/// [`MemEntry`]: super::MemEntry
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ResourceAttachBacking {
    /// Type, fence and context.
    pub header: Header,
    /// The resource.
    pub resource_id: U32,
    /// How many memory entries follow.
    pub nr_entries: U32,
}

/// `virtio_gpu_get_capset_info` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct GetCapsetInfo {
    /// Type, fence and context.
    pub header: Header,
    /// Place in the device's list, below `num_capsets`.
    pub capset_index: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_get_capset` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct GetCapset {
    /// Type, fence and context.
    pub header: Header,
    /// `CAPSET_*`.
    pub capset_id: U32,
    /// The version wanted.
    pub capset_version: U32,
}

/// `virtio_gpu_get_edid` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct GetEdid {
    /// Type, fence and context.
    pub header: Header,
    /// The scanout.
    pub scanout: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_resource_create_blob` (VIRTIO 1.4 §5.7.6.8); [`MemEntry`]s
/// follow.
///
/// [`MemEntry`]: super::MemEntry
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ResourceCreateBlob {
    /// Type, fence and context.
    pub header: Header,
    /// The new resource's id, chosen by the driver.
    pub resource_id: U32,
    /// `BLOB_MEM_*`.
    pub blob_mem: U32,
    /// `BLOB_FLAG_*` bits.
    pub blob_flags: U32,
    /// How many memory entries follow.
    pub nr_entries: U32,
    /// The context's object the blob is made of.
    pub blob_id: U64,
    /// Length in bytes.
    pub size: U64,
}

/// `virtio_gpu_set_scanout_blob` (VIRTIO 1.4 §5.7.6.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SetScanoutBlob {
    /// Type, fence and context.
    pub header: Header,
    /// The part of the framebuffer to show.
    pub rect: Rect,
    /// The scanout.
    pub scanout_id: U32,
    /// The blob, 0 to show nothing.
    pub resource_id: U32,
    /// Columns of the framebuffer in the blob.
    pub width: U32,
    /// Rows of the framebuffer in the blob.
    pub height: U32,
    /// `FORMAT_*`.
    pub format: U32,
    /// Not used.
    pub padding: U32,
    /// Bytes per row of each plane.
    pub strides: [U32; 4],
    /// First byte of each plane.
    pub offsets: [U32; 4],
}

/// `virtio_gpu_ctx_create` (VIRTIO 1.4 §5.7.6.9).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CtxCreate {
    /// Type, fence and context.
    pub header: Header,
    /// Length of the name.
    pub nlen: U32,
    /// Capset id in the low 8 bits, with the feature `CONTEXT_INIT`.
    pub context_init: U32,
    /// A name for logs.
    pub debug_name: [u8; 64],
}

/// `virtio_gpu_resource_create_3d` (VIRTIO 1.4 §5.7.6.9).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ResourceCreate3d {
    /// Type, fence and context.
    pub header: Header,
    /// The new resource's id, chosen by the driver.
    pub resource_id: U32,
    /// Gallium texture target.
    pub target: U32,
    /// Gallium format.
    pub format: U32,
    /// Gallium bind flags.
    pub bind: U32,
    /// Columns.
    pub width: U32,
    /// Rows.
    pub height: U32,
    /// Slices.
    pub depth: U32,
    /// Layers.
    pub array_size: U32,
    /// Highest mipmap level.
    pub last_level: U32,
    /// Samples per pixel.
    pub nr_samples: U32,
    /// `RESOURCE_FLAG_*` bits.
    pub flags: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_transfer_host_3d`, of both directions (VIRTIO 1.4 §5.7.6.9).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TransferHost3d {
    /// Type, fence and context.
    pub header: Header,
    /// The texels to copy.
    pub region: Box3,
    /// First byte of the backing.
    pub offset: U64,
    /// The resource.
    pub resource_id: U32,
    /// Mipmap level.
    pub level: U32,
    /// Bytes per row in the backing, 0 for the renderer's own.
    pub stride: U32,
    /// Bytes per layer in the backing, 0 for the renderer's own.
    pub layer_stride: U32,
}

/// `virtio_gpu_cmd_submit` (VIRTIO 1.4 §5.7.6.9); the command stream follows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Submit3d {
    /// Type, fence and context.
    pub header: Header,
    /// Bytes of the command stream.
    pub size: U32,
    /// Not used.
    pub padding: U32,
}

/// `virtio_gpu_resource_map_blob` (VIRTIO 1.4 §5.7.6.9).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ResourceMapBlob {
    /// Type, fence and context.
    pub header: Header,
    /// The resource.
    pub resource_id: U32,
    /// Not used.
    pub padding: U32,
    /// Where in the host-visible window, in bytes.
    pub offset: U64,
}

/// `virtio_gpu_update_cursor`, also of `MOVE_CURSOR` (VIRTIO 1.4 §5.7.6.10).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct UpdateCursor {
    /// Type, fence and context.
    pub header: Header,
    /// Where the image's top-left pixel goes.
    pub position: CursorPosition,
    /// The 64x64 image, 0 to hide the cursor.
    pub resource_id: U32,
    /// Hot spot in the image, from the left.
    pub hot_x: U32,
    /// Hot spot in the image, from the top.
    pub hot_y: U32,
    /// Not used.
    pub padding: U32,
}
