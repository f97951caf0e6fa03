//! Bytes to a [`Request`]. Counts are believed as far as bytes are there;
//! bytes past the command, padding and unknown flags are ignored.

use super::{
    Box3, Command, CursorPosition, CursorUpdate, DecodeError, Rejected, Request, ResourceCreate2d,
    ResourceCreate3d, ResourceCreateBlob, SetScanoutBlob, Transfer3d,
};
use crate::protocol::wire::{self, MemEntry};
use crate::protocol::{CommandKind, RequestHeader, ResourceId, ScanoutId};
use gpu_buffer::Rect;
use std::mem::size_of;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Reads a request from the readable bytes of a descriptor chain.
///
/// # Errors
/// [`Rejected`] with the [`DecodeError`], and with the header as soon as there
/// are 24 bytes.
pub fn decode(bytes: &[u8]) -> Result<Request<'_>, Rejected> {
    let Ok((header, _)) = wire::Header::ref_from_prefix(bytes) else {
        return Err(Rejected {
            header: None,
            error: DecodeError::ShortHeader {
                length: bytes.len(),
            },
        });
    };
    let header = RequestHeader::from_wire(header);
    match decode_command(header.kind, bytes) {
        Ok(command) => Ok(Request { header, command }),
        Err(error) => Err(Rejected {
            header: Some(header),
            error,
        }),
    }
}

fn decode_command(kind: u32, bytes: &[u8]) -> Result<Command<'_>, DecodeError> {
    let kind = CommandKind::from_wire(kind).ok_or(DecodeError::UnknownCommand { kind })?;
    let body = Body { kind, bytes };
    Ok(match kind {
        CommandKind::GetDisplayInfo => Command::GetDisplayInfo,
        CommandKind::ResourceCreate2d => Command::ResourceCreate2d(body.create_2d()?),
        CommandKind::ResourceUnref => Command::ResourceUnref {
            resource: body.resource()?,
        },
        CommandKind::SetScanout => body.set_scanout()?,
        CommandKind::ResourceFlush => body.flush()?,
        CommandKind::TransferToHost2d => body.transfer_2d()?,
        CommandKind::ResourceAttachBacking => body.attach_backing()?,
        CommandKind::ResourceDetachBacking => Command::ResourceDetachBacking {
            resource: body.resource()?,
        },
        CommandKind::GetCapsetInfo => Command::GetCapsetInfo {
            index: body.fixed::<wire::GetCapsetInfo>()?.0.capset_index.get(),
        },
        CommandKind::GetCapset => {
            let (fixed, _) = body.fixed::<wire::GetCapset>()?;
            Command::GetCapset {
                id: fixed.capset_id.get(),
                version: fixed.capset_version.get(),
            }
        }
        CommandKind::GetEdid => Command::GetEdid {
            scanout: ScanoutId(body.fixed::<wire::GetEdid>()?.0.scanout.get()),
        },
        CommandKind::ResourceAssignUuid => Command::ResourceAssignUuid {
            resource: body.resource()?,
        },
        CommandKind::ResourceCreateBlob => Command::ResourceCreateBlob(body.create_blob()?),
        CommandKind::SetScanoutBlob => Command::SetScanoutBlob(body.set_scanout_blob()?),
        CommandKind::CtxCreate => body.ctx_create()?,
        CommandKind::CtxDestroy => Command::CtxDestroy,
        CommandKind::CtxAttachResource => Command::CtxAttachResource {
            resource: body.resource()?,
        },
        CommandKind::CtxDetachResource => Command::CtxDetachResource {
            resource: body.resource()?,
        },
        CommandKind::ResourceCreate3d => Command::ResourceCreate3d(body.create_3d()?),
        CommandKind::TransferToHost3d => Command::TransferToHost3d(body.transfer_3d()?),
        CommandKind::TransferFromHost3d => Command::TransferFromHost3d(body.transfer_3d()?),
        CommandKind::Submit3d => body.submit_3d()?,
        CommandKind::ResourceMapBlob => {
            let (fixed, _) = body.fixed::<wire::ResourceMapBlob>()?;
            Command::ResourceMapBlob {
                resource: ResourceId(fixed.resource_id.get()),
                offset: fixed.offset.get(),
            }
        }
        CommandKind::ResourceUnmapBlob => Command::ResourceUnmapBlob {
            resource: body.resource()?,
        },
        CommandKind::UpdateCursor => Command::UpdateCursor(body.update_cursor()?),
        CommandKind::MoveCursor => Command::MoveCursor {
            position: body.update_cursor()?.position,
        },
    })
}

/// A request whose command is known.
#[derive(Clone, Copy)]
struct Body<'a> {
    kind: CommandKind,
    bytes: &'a [u8],
}

impl<'a> Body<'a> {
    /// The fixed part, and the bytes after it.
    fn fixed<T>(self) -> Result<(&'a T, &'a [u8]), DecodeError>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned,
    {
        T::ref_from_prefix(self.bytes).map_err(|_| DecodeError::ShortCommand {
            kind: self.kind,
            needed: size_of::<T>(),
            length: self.bytes.len(),
        })
    }

    fn resource(self) -> Result<ResourceId, DecodeError> {
        let (fixed, _) = self.fixed::<wire::ResourceRequest>()?;
        Ok(ResourceId(fixed.resource_id.get()))
    }

    fn entries(self, promised: u32, rest: &'a [u8]) -> Result<&'a [MemEntry], DecodeError> {
        usize::try_from(promised)
            .ok()
            .and_then(|count| <[MemEntry]>::ref_from_prefix_with_elems(rest, count).ok())
            .map(|(entries, _)| entries)
            .ok_or(DecodeError::MissingEntries {
                kind: self.kind,
                promised,
                present: rest.chunks_exact(size_of::<MemEntry>()).len(),
            })
    }

    fn create_2d(self) -> Result<ResourceCreate2d, DecodeError> {
        let (fixed, _) = self.fixed::<wire::ResourceCreate2d>()?;
        Ok(ResourceCreate2d {
            resource: ResourceId(fixed.resource_id.get()),
            format: fixed.format.get(),
            width: fixed.width.get(),
            height: fixed.height.get(),
        })
    }

    fn set_scanout(self) -> Result<Command<'a>, DecodeError> {
        let (fixed, _) = self.fixed::<wire::SetScanout>()?;
        Ok(Command::SetScanout {
            rect: rect(&fixed.rect),
            scanout: ScanoutId(fixed.scanout_id.get()),
            resource: ResourceId::or_none(fixed.resource_id.get()),
        })
    }

    fn flush(self) -> Result<Command<'a>, DecodeError> {
        let (fixed, _) = self.fixed::<wire::ResourceFlush>()?;
        Ok(Command::ResourceFlush {
            rect: rect(&fixed.rect),
            resource: ResourceId(fixed.resource_id.get()),
        })
    }

    fn transfer_2d(self) -> Result<Command<'a>, DecodeError> {
        let (fixed, _) = self.fixed::<wire::TransferToHost2d>()?;
        Ok(Command::TransferToHost2d {
            rect: rect(&fixed.rect),
            offset: fixed.offset.get(),
            resource: ResourceId(fixed.resource_id.get()),
        })
    }

    fn attach_backing(self) -> Result<Command<'a>, DecodeError> {
        let (fixed, rest) = self.fixed::<wire::ResourceAttachBacking>()?;
        Ok(Command::ResourceAttachBacking {
            resource: ResourceId(fixed.resource_id.get()),
            entries: self.entries(fixed.nr_entries.get(), rest)?,
        })
    }

    fn create_blob(self) -> Result<ResourceCreateBlob<'a>, DecodeError> {
        let (fixed, rest) = self.fixed::<wire::ResourceCreateBlob>()?;
        Ok(ResourceCreateBlob {
            resource: ResourceId(fixed.resource_id.get()),
            memory: fixed.blob_mem.get(),
            flags: fixed.blob_flags.get(),
            blob_id: fixed.blob_id.get(),
            size: fixed.size.get(),
            entries: self.entries(fixed.nr_entries.get(), rest)?,
        })
    }

    fn set_scanout_blob(self) -> Result<SetScanoutBlob, DecodeError> {
        let (fixed, _) = self.fixed::<wire::SetScanoutBlob>()?;
        Ok(SetScanoutBlob {
            rect: rect(&fixed.rect),
            scanout: ScanoutId(fixed.scanout_id.get()),
            resource: ResourceId::or_none(fixed.resource_id.get()),
            width: fixed.width.get(),
            height: fixed.height.get(),
            format: fixed.format.get(),
            strides: fixed.strides.map(|stride| stride.get()),
            offsets: fixed.offsets.map(|offset| offset.get()),
        })
    }

    fn ctx_create(self) -> Result<Command<'a>, DecodeError> {
        let (fixed, _) = self.fixed::<wire::CtxCreate>()?;
        // Linux sends a length of 64 for a name of 63 bytes and a NUL.
        let claimed = usize::try_from(fixed.nlen.get()).unwrap_or(usize::MAX);
        let length = fixed
            .debug_name
            .iter()
            .take(claimed)
            .take_while(|byte| **byte != 0)
            .count();
        Ok(Command::CtxCreate {
            name: fixed.debug_name.get(..length).unwrap_or_default(),
            context_init: fixed.context_init.get(),
        })
    }

    fn create_3d(self) -> Result<ResourceCreate3d, DecodeError> {
        let (fixed, _) = self.fixed::<wire::ResourceCreate3d>()?;
        Ok(ResourceCreate3d {
            resource: ResourceId(fixed.resource_id.get()),
            target: fixed.target.get(),
            format: fixed.format.get(),
            bind: fixed.bind.get(),
            width: fixed.width.get(),
            height: fixed.height.get(),
            depth: fixed.depth.get(),
            array_size: fixed.array_size.get(),
            last_level: fixed.last_level.get(),
            samples: fixed.nr_samples.get(),
            flags: fixed.flags.get(),
        })
    }

    fn transfer_3d(self) -> Result<Transfer3d, DecodeError> {
        let (fixed, _) = self.fixed::<wire::TransferHost3d>()?;
        Ok(Transfer3d {
            region: Box3 {
                x: fixed.region.x.get(),
                y: fixed.region.y.get(),
                z: fixed.region.z.get(),
                width: fixed.region.width.get(),
                height: fixed.region.height.get(),
                depth: fixed.region.depth.get(),
            },
            offset: fixed.offset.get(),
            resource: ResourceId(fixed.resource_id.get()),
            level: fixed.level.get(),
            stride: fixed.stride.get(),
            layer_stride: fixed.layer_stride.get(),
        })
    }

    fn submit_3d(self) -> Result<Command<'a>, DecodeError> {
        let (fixed, rest) = self.fixed::<wire::Submit3d>()?;
        let promised = fixed.size.get();
        usize::try_from(promised)
            .ok()
            .and_then(|size| rest.get(..size))
            .map(|commands| Command::Submit3d { commands })
            .ok_or(DecodeError::ShortPayload {
                promised,
                present: rest.len(),
            })
    }

    fn update_cursor(self) -> Result<CursorUpdate, DecodeError> {
        let (fixed, _) = self.fixed::<wire::UpdateCursor>()?;
        Ok(CursorUpdate {
            position: CursorPosition {
                scanout: ScanoutId(fixed.position.scanout_id.get()),
                x: fixed.position.x.get().cast_signed(),
                y: fixed.position.y.get().cast_signed(),
            },
            resource: ResourceId::or_none(fixed.resource_id.get()),
            hot_x: fixed.hot_x.get(),
            hot_y: fixed.hot_y.get(),
        })
    }
}

fn rect(rect: &wire::Rect) -> Rect {
    Rect {
        x: rect.x.get(),
        y: rect.y.get(),
        width: rect.width.get(),
        height: rect.height.get(),
    }
}
