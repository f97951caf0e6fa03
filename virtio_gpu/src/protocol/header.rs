//! What the header of a request says (VIRTIO 1.4 §5.7.6.7).

use super::ContextId;
use super::wire;

bitflags::bitflags! {
    /// The flags of a header that have a meaning; others are dropped.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct HeaderFlags: u32 {
        /// The response comes when the work is done and carries the fence.
        const FENCE = wire::FLAG_FENCE;
        /// The fence is on timeline `ring_index` of the context.
        const INFO_RING_IDX = wire::FLAG_INFO_RING_IDX;
    }
}

/// The header of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// The command's number as it was sent, known or not.
    pub kind: u32,
    /// Known flags.
    pub flags: HeaderFlags,
    /// The fence; any value, 0 too. Only [`fence`](Self::fence) tells whether
    /// it counts.
    pub fence_id: u64,
    /// The rendering context of a 3D command.
    pub context: ContextId,
    /// The context's timeline, as it was sent. Only
    /// [`timeline_ring`](Self::timeline_ring) tells whether it counts.
    pub ring_index: u8,
}

impl RequestHeader {
    /// The highest ring a driver may name (VIRTIO 1.4 §5.7.6.7). Decoding lets
    /// higher ones pass, so that the answer can still echo the fence.
    pub const MAX_RING_INDEX: u8 = wire::MAX_RING_INDEX;

    /// The fence to signal, if the request is fenced.
    #[must_use]
    pub fn fence(&self) -> Option<u64> {
        self.flags
            .contains(HeaderFlags::FENCE)
            .then_some(self.fence_id)
    }

    /// The ring whose timeline the fence is on, 0 to 255 as it was sent. None
    /// for the global timeline, and without a fence.
    #[must_use]
    pub fn timeline_ring(&self) -> Option<u8> {
        self.flags
            .contains(HeaderFlags::FENCE | HeaderFlags::INFO_RING_IDX)
            .then_some(self.ring_index)
    }

    pub(super) fn from_wire(header: &wire::Header) -> Self {
        Self {
            kind: header.kind.get(),
            flags: HeaderFlags::from_bits_truncate(header.flags.get()),
            fence_id: header.fence_id.get(),
            context: ContextId(header.ctx_id.get()),
            ring_index: header.ring_idx,
        }
    }

    pub(super) fn to_wire(self) -> wire::Header {
        wire::Header {
            kind: self.kind.into(),
            flags: self.flags.bits().into(),
            fence_id: self.fence_id.into(),
            ctx_id: self.context.0.into(),
            ring_idx: self.ring_index,
            padding: [0; 3],
        }
    }
}
