//! Requests: bytes to typed commands, without allocation.
//!
//! A [`Command`] borrows its trailing array from the request. Ids, formats,
//! rectangles and sizes are as the guest sent them: any value is possible,
//! and the state tracker is the judge.

mod decode;
mod encode;
mod error;

pub use decode::decode;
pub use error::{DecodeError, Rejected};

use super::wire;
use super::{CommandKind, ContextId, Features, QueueKind, RequestHeader, ResourceId, ScanoutId};
use gpu_buffer::Rect;

/// A request: its header and its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Type, fence and context.
    pub header: RequestHeader,
    /// The command.
    pub command: Command<'a>,
}

/// One of the 26 commands. The context of a 3D command is in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Ask for the size and place of every scanout (VIRTIO 1.4 §5.7.6.8).
    GetDisplayInfo,
    /// Create a 2D image (§5.7.6.8).
    ResourceCreate2d(ResourceCreate2d),
    /// Destroy a resource (§5.7.6.8).
    ResourceUnref {
        /// The resource.
        resource: ResourceId,
    },
    /// Show a resource on a scanout (§5.7.6.8).
    SetScanout {
        /// The part of the resource to show, in pixels.
        rect: Rect,
        /// The scanout.
        scanout: ScanoutId,
        /// The resource, None to show nothing.
        resource: Option<ResourceId>,
    },
    /// Bring new pixels to every scanout that shows the resource (§5.7.6.8).
    ResourceFlush {
        /// What changed, in the resource's coordinates.
        rect: Rect,
        /// The resource.
        resource: ResourceId,
    },
    /// Copy from the backing into a 2D resource (§5.7.6.8).
    TransferToHost2d {
        /// What to write, in the resource's coordinates.
        rect: Rect,
        /// Byte of the backing that holds the rectangle's first pixel.
        offset: u64,
        /// The resource.
        resource: ResourceId,
    },
    /// Put guest memory behind a resource (§5.7.6.8).
    ResourceAttachBacking {
        /// The resource.
        resource: ResourceId,
        /// The guest's pages, in order.
        entries: &'a [wire::MemEntry],
    },
    /// Take the guest memory away (§5.7.6.8).
    ResourceDetachBacking {
        /// The resource.
        resource: ResourceId,
    },
    /// Ask for an entry of the list of capability sets (§5.7.6.8).
    GetCapsetInfo {
        /// Place in the list, from 0.
        index: u32,
    },
    /// Ask for a capability set (§5.7.6.8).
    GetCapset {
        /// `wire::CAPSET_*`.
        id: u32,
        /// The version wanted.
        version: u32,
    },
    /// Ask for a scanout's EDID (§5.7.6.8).
    GetEdid {
        /// The scanout.
        scanout: ScanoutId,
    },
    /// Give a resource a UUID (§5.7.6.8).
    ResourceAssignUuid {
        /// The resource.
        resource: ResourceId,
    },
    /// Create a resource of plain memory (§5.7.6.8).
    ResourceCreateBlob(ResourceCreateBlob<'a>),
    /// Show part of a blob on a scanout (§5.7.6.8).
    SetScanoutBlob(SetScanoutBlob),
    /// Create the header's context (§5.7.6.9).
    CtxCreate {
        /// A name for logs: at most 64 bytes of any value but 0.
        name: &'a [u8],
        /// Capset id in the low 8 bits, 0 for the device's choice.
        context_init: u32,
    },
    /// Destroy the header's context (§5.7.6.9).
    CtxDestroy,
    /// Let the header's context use a resource (§5.7.6.9).
    CtxAttachResource {
        /// The resource.
        resource: ResourceId,
    },
    /// Take a resource from the header's context (§5.7.6.9).
    CtxDetachResource {
        /// The resource.
        resource: ResourceId,
    },
    /// Create a texture or buffer of the renderer (§5.7.6.9).
    ResourceCreate3d(ResourceCreate3d),
    /// Copy from the backing into a 3D resource (§5.7.6.9).
    TransferToHost3d(Transfer3d),
    /// Copy from a 3D resource into the backing (§5.7.6.9).
    TransferFromHost3d(Transfer3d),
    /// Execute a command stream in the header's context (§5.7.6.9).
    Submit3d {
        /// The stream, opaque here.
        commands: &'a [u8],
    },
    /// Map a blob into the host-visible window (§5.7.6.9).
    ResourceMapBlob {
        /// The blob.
        resource: ResourceId,
        /// Where in the window, in bytes.
        offset: u64,
    },
    /// Unmap a blob from the host-visible window (§5.7.6.9).
    ResourceUnmapBlob {
        /// The blob.
        resource: ResourceId,
    },
    /// Change the cursor's image and place (§5.7.6.10).
    UpdateCursor(CursorUpdate),
    /// Change the cursor's place only (§5.7.6.10).
    MoveCursor {
        /// Where the cursor goes.
        position: CursorPosition,
    },
}

/// The new image of `RESOURCE_CREATE_2D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceCreate2d {
    /// The id the driver chose.
    pub resource: ResourceId,
    /// `wire::FORMAT_*`, see [`format`](super::format).
    pub format: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The new resource of `RESOURCE_CREATE_BLOB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceCreateBlob<'a> {
    /// The id the driver chose.
    pub resource: ResourceId,
    /// `wire::BLOB_MEM_*`.
    pub memory: u32,
    /// `wire::BLOB_FLAG_*` bits.
    pub flags: u32,
    /// The object of the header's context that the blob is made of.
    pub blob_id: u64,
    /// Length in bytes.
    pub size: u64,
    /// The guest's pages, in order; none for an object of the renderer.
    pub entries: &'a [wire::MemEntry],
}

/// The framebuffer of `SET_SCANOUT_BLOB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetScanoutBlob {
    /// The part of the framebuffer to show, in pixels.
    pub rect: Rect,
    /// The scanout.
    pub scanout: ScanoutId,
    /// The blob, None to show nothing.
    pub resource: Option<ResourceId>,
    /// Width of the framebuffer in pixels.
    pub width: u32,
    /// Height of the framebuffer in pixels.
    pub height: u32,
    /// `wire::FORMAT_*`.
    pub format: u32,
    /// Bytes per row of each plane.
    pub strides: [u32; 4],
    /// First byte of each plane in the blob.
    pub offsets: [u32; 4],
}

/// The new resource of `RESOURCE_CREATE_3D`; numbers are Gallium's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceCreate3d {
    /// The id the driver chose.
    pub resource: ResourceId,
    /// Texture target.
    pub target: u32,
    /// Format; those of 2D resources have the same numbers here.
    pub format: u32,
    /// Bind flags.
    pub bind: u32,
    /// Width in texels, or bytes of a buffer.
    pub width: u32,
    /// Height in texels.
    pub height: u32,
    /// Depth in slices.
    pub depth: u32,
    /// Layers.
    pub array_size: u32,
    /// Highest mipmap level.
    pub last_level: u32,
    /// Samples per pixel, 0 for no multisampling.
    pub samples: u32,
    /// `wire::RESOURCE_FLAG_*` bits.
    pub flags: u32,
}

/// A copy between backing and 3D resource, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer3d {
    /// The texels to copy.
    pub region: Box3,
    /// First byte of the backing.
    pub offset: u64,
    /// The resource.
    pub resource: ResourceId,
    /// Mipmap level.
    pub level: u32,
    /// Bytes per row in the backing, 0 for the renderer's own.
    pub stride: u32,
    /// Bytes per layer in the backing, 0 for the renderer's own.
    pub layer_stride: u32,
}

/// A block of texels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Box3 {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// First slice or layer.
    pub z: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Slices or layers.
    pub depth: u32,
}

/// Where the cursor's image begins, in pixels of the scanout. Negative is past
/// the left or top edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CursorPosition {
    /// The scanout.
    pub scanout: ScanoutId,
    /// From the left.
    pub x: i32,
    /// From the top.
    pub y: i32,
}

/// The new cursor of `UPDATE_CURSOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorUpdate {
    /// Where the cursor goes.
    pub position: CursorPosition,
    /// The image, 64x64 pixels; None hides the cursor.
    pub resource: Option<ResourceId>,
    /// Hot spot in the image, in pixels from the left.
    pub hot_x: u32,
    /// Hot spot in the image, in pixels from the top.
    pub hot_y: u32,
}

impl Command<'_> {
    /// Which of the 26 it is.
    #[must_use]
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::GetDisplayInfo => CommandKind::GetDisplayInfo,
            Self::ResourceCreate2d(_) => CommandKind::ResourceCreate2d,
            Self::ResourceUnref { .. } => CommandKind::ResourceUnref,
            Self::SetScanout { .. } => CommandKind::SetScanout,
            Self::ResourceFlush { .. } => CommandKind::ResourceFlush,
            Self::TransferToHost2d { .. } => CommandKind::TransferToHost2d,
            Self::ResourceAttachBacking { .. } => CommandKind::ResourceAttachBacking,
            Self::ResourceDetachBacking { .. } => CommandKind::ResourceDetachBacking,
            Self::GetCapsetInfo { .. } => CommandKind::GetCapsetInfo,
            Self::GetCapset { .. } => CommandKind::GetCapset,
            Self::GetEdid { .. } => CommandKind::GetEdid,
            Self::ResourceAssignUuid { .. } => CommandKind::ResourceAssignUuid,
            Self::ResourceCreateBlob(_) => CommandKind::ResourceCreateBlob,
            Self::SetScanoutBlob(_) => CommandKind::SetScanoutBlob,
            Self::CtxCreate { .. } => CommandKind::CtxCreate,
            Self::CtxDestroy => CommandKind::CtxDestroy,
            Self::CtxAttachResource { .. } => CommandKind::CtxAttachResource,
            Self::CtxDetachResource { .. } => CommandKind::CtxDetachResource,
            Self::ResourceCreate3d(_) => CommandKind::ResourceCreate3d,
            Self::TransferToHost3d(_) => CommandKind::TransferToHost3d,
            Self::TransferFromHost3d(_) => CommandKind::TransferFromHost3d,
            Self::Submit3d { .. } => CommandKind::Submit3d,
            Self::ResourceMapBlob { .. } => CommandKind::ResourceMapBlob,
            Self::ResourceUnmapBlob { .. } => CommandKind::ResourceUnmapBlob,
            Self::UpdateCursor(_) => CommandKind::UpdateCursor,
            Self::MoveCursor { .. } => CommandKind::MoveCursor,
        }
    }

    /// The name of the specification, for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The queue the command must come on.
    #[must_use]
    pub fn queue(&self) -> QueueKind {
        self.kind().queue()
    }

    /// The feature without which the command does not exist; see
    /// [`CommandKind::required_feature`]. What a field of the command needs
    /// besides (`context_init`, blob memory) is the state tracker's to judge.
    #[must_use]
    pub fn required_feature(&self) -> Option<Features> {
        self.kind().required_feature()
    }
}

impl Request<'_> {
    /// The context of the header.
    #[must_use]
    pub fn context(&self) -> ContextId {
        self.header.context
    }
}
