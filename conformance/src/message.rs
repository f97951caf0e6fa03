//! Requests as bytes: typed commands, and what can be done to them.

use gpu_buffer::Rect;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{
    Command, CursorPosition, CursorUpdate, QueueKind, ResourceCreate2d, ResourceId, ScanoutId,
};
use virtio_gpu::testing::{entry, header};

/// A request, and the room for its answer.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where it is sent.
    pub queue: QueueIndex,
    /// The request.
    pub bytes: Vec<u8>,
    /// Bytes for the answer.
    pub room: u32,
}

impl Message {
    /// A command on its queue, with room for the answer that it has when it succeeds.
    pub fn new(command: &Command<'_>) -> Self {
        let queue = match command.queue() {
            QueueKind::Control => QueueIndex::Control,
            QueueKind::Cursor => QueueIndex::Cursor,
        };
        let room = match command {
            Command::GetDisplayInfo => 408,
            Command::GetCapsetInfo { .. } | Command::ResourceAssignUuid { .. } => 40,
            Command::GetCapset { .. } => 4096,
            Command::GetEdid { .. } => 1056,
            Command::ResourceMapBlob { .. } => 32,
            _ => 24,
        };
        Self {
            queue,
            bytes: command.encode(&header(command, None)),
            room,
        }
    }

    /// The bytes of a request that no command has.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self {
            queue: QueueIndex::Control,
            bytes,
            room: 24,
        }
    }

    /// A bare header of this type.
    pub fn of_kind(kind: u32) -> Self {
        let mut bytes = vec![0; 24];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        Self::raw(bytes)
    }

    /// With so much room for the answer.
    #[must_use]
    pub fn room(mut self, room: u32) -> Self {
        self.room = room;
        self
    }

    /// On this queue.
    #[must_use]
    pub fn on(mut self, queue: QueueIndex) -> Self {
        self.queue = queue;
        self
    }

    /// Cut or extended to so many bytes; those added are 0x5a.
    #[must_use]
    pub fn resized(mut self, bytes: usize) -> Self {
        self.bytes.resize(bytes, 0x5a);
        self
    }

    /// With other bytes from `offset` on.
    #[must_use]
    pub fn patched(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// With these flags in the header.
    #[must_use]
    pub fn flags(self, flags: u32) -> Self {
        self.patched(4, &flags.to_le_bytes())
    }

    /// With the flag FENCE and this fence.
    #[must_use]
    pub fn fenced(self, fence: u64) -> Self {
        self.flags(1).patched(8, &fence.to_le_bytes())
    }

    /// With this context and ring index in the header.
    #[must_use]
    pub fn ring(self, context: u32, ring_index: u8) -> Self {
        self.patched(16, &context.to_le_bytes())
            .patched(20, &[ring_index])
    }
}

/// GET_DISPLAY_INFO.
pub fn display_info() -> Message {
    Message::new(&Command::GetDisplayInfo)
}

/// GET_EDID.
pub fn edid(scanout: u32) -> Message {
    Message::new(&Command::GetEdid {
        scanout: ScanoutId(scanout),
    })
}

/// RESOURCE_CREATE_2D in the format B8G8R8X8.
pub fn create(id: u32, width: u32, height: u32) -> Message {
    create_format(id, 2, width, height)
}

/// RESOURCE_CREATE_2D.
pub fn create_format(id: u32, format: u32, width: u32, height: u32) -> Message {
    Message::new(&Command::ResourceCreate2d(ResourceCreate2d {
        resource: ResourceId(id),
        format,
        width,
        height,
    }))
}

/// RESOURCE_UNREF.
pub fn unref(id: u32) -> Message {
    Message::new(&Command::ResourceUnref {
        resource: ResourceId(id),
    })
}

/// RESOURCE_ATTACH_BACKING with entries of (guest address, bytes).
pub fn attach(id: u32, entries: &[(u64, u32)]) -> Message {
    let entries: Vec<_> = entries
        .iter()
        .map(|(at, length)| entry(*at, *length))
        .collect();
    Message::new(&Command::ResourceAttachBacking {
        resource: ResourceId(id),
        entries: &entries,
    })
}

/// RESOURCE_ATTACH_BACKING that promises more or fewer entries than it has.
pub fn attach_promising(id: u32, promised: u32, entries: &[(u64, u32)]) -> Message {
    attach(id, entries).patched(28, &promised.to_le_bytes())
}

/// RESOURCE_DETACH_BACKING.
pub fn detach(id: u32) -> Message {
    Message::new(&Command::ResourceDetachBacking {
        resource: ResourceId(id),
    })
}

/// TRANSFER_TO_HOST_2D.
pub fn transfer(id: u32, rect: Rect, offset: u64) -> Message {
    Message::new(&Command::TransferToHost2d {
        rect,
        offset,
        resource: ResourceId(id),
    })
}

/// SET_SCANOUT; resource 0 switches the scanout off.
pub fn set_scanout(scanout: u32, id: u32, rect: Rect) -> Message {
    Message::new(&Command::SetScanout {
        rect,
        scanout: ScanoutId(scanout),
        resource: ResourceId::or_none(id),
    })
}

/// RESOURCE_FLUSH.
pub fn flush(id: u32, rect: Rect) -> Message {
    Message::new(&Command::ResourceFlush {
        rect,
        resource: ResourceId(id),
    })
}

/// GET_CAPSET_INFO.
pub fn capset_info(index: u32) -> Message {
    Message::new(&Command::GetCapsetInfo { index })
}

/// GET_CAPSET.
pub fn capset(id: u32, version: u32) -> Message {
    Message::new(&Command::GetCapset { id, version })
}

/// RESOURCE_ASSIGN_UUID.
pub fn assign_uuid(id: u32) -> Message {
    Message::new(&Command::ResourceAssignUuid {
        resource: ResourceId(id),
    })
}

/// UPDATE_CURSOR at the origin, hot spot in the corner; resource 0 hides the cursor.
pub fn update_cursor(scanout: u32, id: u32) -> Message {
    Message::new(&Command::UpdateCursor(CursorUpdate {
        position: CursorPosition {
            scanout: ScanoutId(scanout),
            x: 0,
            y: 0,
        },
        resource: ResourceId::or_none(id),
        hot_x: 0,
        hot_y: 0,
    }))
}

/// UPDATE_CURSOR with this hot spot.
pub fn update_hotspot(scanout: u32, id: u32, hot_x: u32, hot_y: u32) -> Message {
    update_cursor(scanout, id)
        .patched(44, &hot_x.to_le_bytes())
        .patched(48, &hot_y.to_le_bytes())
}

/// MOVE_CURSOR.
pub fn move_cursor(scanout: u32, x: i32, y: i32) -> Message {
    Message::new(&Command::MoveCursor {
        position: CursorPosition {
            scanout: ScanoutId(scanout),
            x,
            y,
        },
    })
}

/// The rectangle of this size at the origin.
pub fn whole(width: u32, height: u32) -> Rect {
    Rect::from_size(width, height)
}
