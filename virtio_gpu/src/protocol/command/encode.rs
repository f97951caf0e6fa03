//! A [`Request`] to bytes: the driver's side, for tests and conformance runs.

use super::{
    Command, CursorPosition, CursorUpdate, Request, ResourceCreate2d, ResourceCreate3d,
    ResourceCreateBlob, SetScanoutBlob, Transfer3d,
};
use crate::protocol::wire;
use crate::protocol::{RequestHeader, ResourceId};
use gpu_buffer::Rect;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

impl Request<'_> {
    /// The request's bytes; the header's `kind` is replaced by the command's.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.command.encode(&self.header)
    }
}

impl Command<'_> {
    /// The bytes of a request with this command. The `kind` of `header` does
    /// not count; a name longer than 64 bytes is cut.
    #[must_use]
    pub fn encode(&self, header: &RequestHeader) -> Vec<u8> {
        let header = RequestHeader {
            kind: self.kind().to_wire(),
            ..*header
        }
        .to_wire();
        match self {
            Self::GetDisplayInfo | Self::CtxDestroy => header.as_bytes().to_vec(),
            Self::ResourceCreate2d(create) => create_2d(header, create),
            Self::ResourceUnref { resource }
            | Self::ResourceDetachBacking { resource }
            | Self::ResourceAssignUuid { resource }
            | Self::CtxAttachResource { resource }
            | Self::CtxDetachResource { resource }
            | Self::ResourceUnmapBlob { resource } => wire::ResourceRequest {
                header,
                resource_id: resource.0.into(),
                padding: U32::ZERO,
            }
            .as_bytes()
            .to_vec(),
            Self::SetScanout {
                rect,
                scanout,
                resource,
            } => wire::SetScanout {
                header,
                rect: wire_rect(rect),
                scanout_id: scanout.0.into(),
                resource_id: optional(*resource),
            }
            .as_bytes()
            .to_vec(),
            Self::ResourceFlush { rect, resource } => wire::ResourceFlush {
                header,
                rect: wire_rect(rect),
                resource_id: resource.0.into(),
                padding: U32::ZERO,
            }
            .as_bytes()
            .to_vec(),
            Self::TransferToHost2d {
                rect,
                offset,
                resource,
            } => wire::TransferToHost2d {
                header,
                rect: wire_rect(rect),
                offset: (*offset).into(),
                resource_id: resource.0.into(),
                padding: U32::ZERO,
            }
            .as_bytes()
            .to_vec(),
            Self::ResourceAttachBacking { resource, entries } => {
                let fixed = wire::ResourceAttachBacking {
                    header,
                    resource_id: resource.0.into(),
                    nr_entries: count(entries),
                };
                [fixed.as_bytes(), entries.as_bytes()].concat()
            }
            Self::GetCapsetInfo { index } => wire::GetCapsetInfo {
                header,
                capset_index: (*index).into(),
                padding: U32::ZERO,
            }
            .as_bytes()
            .to_vec(),
            Self::GetCapset { id, version } => wire::GetCapset {
                header,
                capset_id: (*id).into(),
                capset_version: (*version).into(),
            }
            .as_bytes()
            .to_vec(),
            Self::GetEdid { scanout } => wire::GetEdid {
                header,
                scanout: scanout.0.into(),
                padding: U32::ZERO,
            }
            .as_bytes()
            .to_vec(),
            Self::ResourceCreateBlob(create) => create_blob(header, create),
            Self::SetScanoutBlob(set) => set_scanout_blob(header, set),
            Self::CtxCreate { name, context_init } => ctx_create(header, name, *context_init),
            Self::ResourceCreate3d(create) => create_3d(header, create),
            Self::TransferToHost3d(transfer) | Self::TransferFromHost3d(transfer) => {
                transfer_3d(header, transfer)
            }
            Self::Submit3d { commands } => {
                let fixed = wire::Submit3d {
                    header,
                    size: count(commands),
                    padding: U32::ZERO,
                };
                [fixed.as_bytes(), commands].concat()
            }
            Self::ResourceMapBlob { resource, offset } => wire::ResourceMapBlob {
                header,
                resource_id: resource.0.into(),
                padding: U32::ZERO,
                offset: (*offset).into(),
            }
            .as_bytes()
            .to_vec(),
            Self::UpdateCursor(update) => update_cursor(header, update),
            Self::MoveCursor { position } => update_cursor(
                header,
                &CursorUpdate {
                    position: *position,
                    resource: None,
                    hot_x: 0,
                    hot_y: 0,
                },
            ),
        }
    }
}

fn create_2d(header: wire::Header, create: &ResourceCreate2d) -> Vec<u8> {
    wire::ResourceCreate2d {
        header,
        resource_id: create.resource.0.into(),
        format: create.format.into(),
        width: create.width.into(),
        height: create.height.into(),
    }
    .as_bytes()
    .to_vec()
}

fn create_blob(header: wire::Header, create: &ResourceCreateBlob<'_>) -> Vec<u8> {
    let fixed = wire::ResourceCreateBlob {
        header,
        resource_id: create.resource.0.into(),
        blob_mem: create.memory.into(),
        blob_flags: create.flags.into(),
        nr_entries: count(create.entries),
        blob_id: create.blob_id.into(),
        size: create.size.into(),
    };
    [fixed.as_bytes(), create.entries.as_bytes()].concat()
}

fn set_scanout_blob(header: wire::Header, set: &SetScanoutBlob) -> Vec<u8> {
    wire::SetScanoutBlob {
        header,
        rect: wire_rect(&set.rect),
        scanout_id: set.scanout.0.into(),
        resource_id: optional(set.resource),
        width: set.width.into(),
        height: set.height.into(),
        format: set.format.into(),
        padding: U32::ZERO,
        strides: set.strides.map(U32::new),
        offsets: set.offsets.map(U32::new),
    }
    .as_bytes()
    .to_vec()
}

fn ctx_create(header: wire::Header, name: &[u8], context_init: u32) -> Vec<u8> {
    let mut debug_name = [0; wire::CONTEXT_NAME_CAPACITY];
    for (slot, byte) in debug_name.iter_mut().zip(name) {
        *slot = *byte;
    }
    let name = name.get(..debug_name.len()).unwrap_or(name);
    wire::CtxCreate {
        header,
        nlen: count(name),
        context_init: context_init.into(),
        debug_name,
    }
    .as_bytes()
    .to_vec()
}

fn create_3d(header: wire::Header, create: &ResourceCreate3d) -> Vec<u8> {
    wire::ResourceCreate3d {
        header,
        resource_id: create.resource.0.into(),
        target: create.target.into(),
        format: create.format.into(),
        bind: create.bind.into(),
        width: create.width.into(),
        height: create.height.into(),
        depth: create.depth.into(),
        array_size: create.array_size.into(),
        last_level: create.last_level.into(),
        nr_samples: create.samples.into(),
        flags: create.flags.into(),
        padding: U32::ZERO,
    }
    .as_bytes()
    .to_vec()
}

fn transfer_3d(header: wire::Header, transfer: &Transfer3d) -> Vec<u8> {
    wire::TransferHost3d {
        header,
        region: wire::Box3 {
            x: transfer.region.x.into(),
            y: transfer.region.y.into(),
            z: transfer.region.z.into(),
            width: transfer.region.width.into(),
            height: transfer.region.height.into(),
            depth: transfer.region.depth.into(),
        },
        offset: transfer.offset.into(),
        resource_id: transfer.resource.0.into(),
        level: transfer.level.into(),
        stride: transfer.stride.into(),
        layer_stride: transfer.layer_stride.into(),
    }
    .as_bytes()
    .to_vec()
}

fn update_cursor(header: wire::Header, update: &CursorUpdate) -> Vec<u8> {
    wire::UpdateCursor {
        header,
        position: wire_position(&update.position),
        resource_id: optional(update.resource),
        hot_x: update.hot_x.into(),
        hot_y: update.hot_y.into(),
        padding: U32::ZERO,
    }
    .as_bytes()
    .to_vec()
}

fn wire_rect(rect: &Rect) -> wire::Rect {
    wire::Rect {
        x: rect.x.into(),
        y: rect.y.into(),
        width: rect.width.into(),
        height: rect.height.into(),
    }
}

fn wire_position(position: &CursorPosition) -> wire::CursorPosition {
    wire::CursorPosition {
        scanout_id: position.scanout.0.into(),
        x: position.x.cast_unsigned().into(),
        y: position.y.cast_unsigned().into(),
        padding: U32::ZERO,
    }
}

fn optional(resource: Option<ResourceId>) -> U32 {
    resource.map_or(U32::ZERO, |resource| resource.0.into())
}

/// The length as the wire counts it. A longer slice cannot be told, and no
/// descriptor chain could carry it.
fn count<T>(items: &[T]) -> U32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX).into()
}
