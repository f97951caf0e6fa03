//! Requests about blobs as bytes.

use gpu_buffer::Rect;
use virtio_gpu::protocol::{Command, ResourceCreateBlob, ResourceId, ScanoutId, SetScanoutBlob};
use virtio_gpu::testing::entry;

use crate::message::Message;

/// `VIRTIO_GPU_BLOB_MEM_GUEST`.
const GUEST: u32 = 1;
/// `VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE`.
const SHAREABLE: u32 = 2;

/// RESOURCE_CREATE_BLOB of guest memory: entries of (guest address, bytes).
pub fn create_blob(id: u32, size: u64, entries: &[(u64, u32)]) -> Message {
    let entries: Vec<_> = entries
        .iter()
        .map(|(at, length)| entry(*at, *length))
        .collect();
    Message::new(&Command::ResourceCreateBlob(ResourceCreateBlob {
        resource: ResourceId(id),
        memory: GUEST,
        flags: SHAREABLE,
        blob_id: 0,
        size,
        entries: &entries,
    }))
}

/// SET_SCANOUT_BLOB of a picture without gaps in the format B8G8R8X8, all of which is shown; resource
/// 0 switches the scanout off.
pub fn set_scanout_blob(scanout: u32, id: u32, width: u32, height: u32) -> Message {
    Message::new(&Command::SetScanoutBlob(SetScanoutBlob {
        rect: Rect::from_size(width, height),
        scanout: ScanoutId(scanout),
        resource: ResourceId::or_none(id),
        width,
        height,
        format: 2,
        strides: [width.wrapping_mul(4), 0, 0, 0],
        offsets: [0; 4],
    }))
}

/// RESOURCE_MAP_BLOB.
pub fn map_blob(id: u32, offset: u64) -> Message {
    Message::new(&Command::ResourceMapBlob {
        resource: ResourceId(id),
        offset,
    })
}

/// RESOURCE_UNMAP_BLOB.
pub fn unmap_blob(id: u32) -> Message {
    Message::new(&Command::ResourceUnmapBlob {
        resource: ResourceId(id),
    })
}

/// Where the fields of a SET_SCANOUT_BLOB are.
pub mod scanout_blob {
    /// The rectangle: x, y, width, height.
    pub const RECT: usize = 24;
    /// Width.
    pub const WIDTH: usize = 48;
    /// Height.
    pub const HEIGHT: usize = 52;
    /// Format.
    pub const FORMAT: usize = 56;
    /// The stride of the first plane, and three more.
    pub const STRIDES: usize = 64;
    /// The offset of the first plane, and three more.
    pub const OFFSETS: usize = 80;
}

/// Where the fields of a RESOURCE_CREATE_BLOB are.
pub mod new_blob {
    /// The kind of memory.
    pub const MEMORY: usize = 28;
    /// The flags.
    pub const FLAGS: usize = 32;
    /// The number of entries.
    pub const ENTRIES: usize = 36;
    /// The object, 8 bytes.
    pub const OBJECT: usize = 40;
}
