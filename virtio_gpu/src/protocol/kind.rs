//! The 26 commands by number, with what is known about each before its body
//! is read.

use super::Features;
use super::wire;
use std::fmt;
use std::mem::size_of;

/// The queue a command belongs to (VIRTIO 1.4 §5.7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueKind {
    /// Queue 0.
    Control,
    /// Queue 1: `UPDATE_CURSOR` and `MOVE_CURSOR`.
    Cursor,
}

macro_rules! command_kinds {
    ($($variant:ident = $number:ident, $name:literal, $fixed:ty;)*) => {
        /// A command of VIRTIO 1.4 §5.7.6.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CommandKind {
            $(
                #[doc = concat!("`VIRTIO_GPU_CMD_", $name, "`")]
                $variant,
            )*
        }

        impl CommandKind {
            /// All 26, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The command of that number, None if there is none.
            #[must_use]
            pub fn from_wire(kind: u32) -> Option<Self> {
                match kind {
                    $(wire::$number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The command's number.
            #[must_use]
            pub fn to_wire(self) -> u32 {
                match self {
                    $(Self::$variant => wire::$number,)*
                }
            }

            /// The name of the specification, without `VIRTIO_GPU_CMD_`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Bytes of the request's fixed part, header included.
            #[must_use]
            pub fn fixed_size(self) -> usize {
                match self {
                    $(Self::$variant => size_of::<$fixed>(),)*
                }
            }
        }
    };
}

command_kinds! {
    GetDisplayInfo = CMD_GET_DISPLAY_INFO, "GET_DISPLAY_INFO", wire::Header;
    ResourceCreate2d = CMD_RESOURCE_CREATE_2D, "RESOURCE_CREATE_2D", wire::ResourceCreate2d;
    ResourceUnref = CMD_RESOURCE_UNREF, "RESOURCE_UNREF", wire::ResourceRequest;
    SetScanout = CMD_SET_SCANOUT, "SET_SCANOUT", wire::SetScanout;
    ResourceFlush = CMD_RESOURCE_FLUSH, "RESOURCE_FLUSH", wire::ResourceFlush;
    TransferToHost2d = CMD_TRANSFER_TO_HOST_2D, "TRANSFER_TO_HOST_2D", wire::TransferToHost2d;
    ResourceAttachBacking = CMD_RESOURCE_ATTACH_BACKING, "RESOURCE_ATTACH_BACKING", wire::ResourceAttachBacking;
    ResourceDetachBacking = CMD_RESOURCE_DETACH_BACKING, "RESOURCE_DETACH_BACKING", wire::ResourceRequest;
    GetCapsetInfo = CMD_GET_CAPSET_INFO, "GET_CAPSET_INFO", wire::GetCapsetInfo;
    GetCapset = CMD_GET_CAPSET, "GET_CAPSET", wire::GetCapset;
    GetEdid = CMD_GET_EDID, "GET_EDID", wire::GetEdid;
    ResourceAssignUuid = CMD_RESOURCE_ASSIGN_UUID, "RESOURCE_ASSIGN_UUID", wire::ResourceRequest;
    ResourceCreateBlob = CMD_RESOURCE_CREATE_BLOB, "RESOURCE_CREATE_BLOB", wire::ResourceCreateBlob;
    SetScanoutBlob = CMD_SET_SCANOUT_BLOB, "SET_SCANOUT_BLOB", wire::SetScanoutBlob;
    CtxCreate = CMD_CTX_CREATE, "CTX_CREATE", wire::CtxCreate;
    CtxDestroy = CMD_CTX_DESTROY, "CTX_DESTROY", wire::Header;
    CtxAttachResource = CMD_CTX_ATTACH_RESOURCE, "CTX_ATTACH_RESOURCE", wire::ResourceRequest;
    CtxDetachResource = CMD_CTX_DETACH_RESOURCE, "CTX_DETACH_RESOURCE", wire::ResourceRequest;
    ResourceCreate3d = CMD_RESOURCE_CREATE_3D, "RESOURCE_CREATE_3D", wire::ResourceCreate3d;
    TransferToHost3d = CMD_TRANSFER_TO_HOST_3D, "TRANSFER_TO_HOST_3D", wire::TransferHost3d;
    TransferFromHost3d = CMD_TRANSFER_FROM_HOST_3D, "TRANSFER_FROM_HOST_3D", wire::TransferHost3d;
    Submit3d = CMD_SUBMIT_3D, "SUBMIT_3D", wire::Submit3d;
    ResourceMapBlob = CMD_RESOURCE_MAP_BLOB, "RESOURCE_MAP_BLOB", wire::ResourceMapBlob;
    ResourceUnmapBlob = CMD_RESOURCE_UNMAP_BLOB, "RESOURCE_UNMAP_BLOB", wire::ResourceRequest;
    UpdateCursor = CMD_UPDATE_CURSOR, "UPDATE_CURSOR", wire::UpdateCursor;
    MoveCursor = CMD_MOVE_CURSOR, "MOVE_CURSOR", wire::UpdateCursor;
}

impl CommandKind {
    /// The queue the command must come on.
    #[must_use]
    pub fn queue(self) -> QueueKind {
        match self {
            Self::UpdateCursor | Self::MoveCursor => QueueKind::Cursor,
            _ => QueueKind::Control,
        }
    }

    /// The feature without which the command does not exist. Capability sets
    /// can always be asked for: a device without 3D counts none.
    #[must_use]
    pub fn required_feature(self) -> Option<Features> {
        match self {
            Self::GetDisplayInfo
            | Self::ResourceCreate2d
            | Self::ResourceUnref
            | Self::SetScanout
            | Self::ResourceFlush
            | Self::TransferToHost2d
            | Self::ResourceAttachBacking
            | Self::ResourceDetachBacking
            | Self::GetCapsetInfo
            | Self::GetCapset
            | Self::UpdateCursor
            | Self::MoveCursor => None,
            Self::GetEdid => Some(Features::EDID),
            Self::ResourceAssignUuid => Some(Features::RESOURCE_UUID),
            Self::ResourceCreateBlob
            | Self::SetScanoutBlob
            | Self::ResourceMapBlob
            | Self::ResourceUnmapBlob => Some(Features::RESOURCE_BLOB),
            Self::CtxCreate
            | Self::CtxDestroy
            | Self::CtxAttachResource
            | Self::CtxDetachResource
            | Self::ResourceCreate3d
            | Self::TransferToHost3d
            | Self::TransferFromHost3d
            | Self::Submit3d => Some(Features::VIRGL),
        }
    }
}

impl fmt::Display for CommandKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
