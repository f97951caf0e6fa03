//! Feature bits the device and its transport know.

bitflags::bitflags! {
    /// Feature bits: 0 to 23 are the device's (VIRTIO 1.4 §5.7.3), the higher
    /// ones belong to virtio itself (§6).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Features: u64 {
        /// 3D: contexts, command streams, capability sets.
        const VIRGL = 1 << 0;
        /// The driver can ask for EDIDs.
        const EDID = 1 << 1;
        /// Resources can be given UUIDs and shared with other devices.
        const RESOURCE_UUID = 1 << 2;
        /// Resources of plain memory.
        const RESOURCE_BLOB = 1 << 3;
        /// Contexts of several kinds, and timelines in a context. Needs
        /// [`VIRGL`](Self::VIRGL).
        const CONTEXT_INIT = 1 << 4;
        /// Blob sizes and mapping offsets have an alignment. Needs
        /// [`RESOURCE_BLOB`](Self::RESOURCE_BLOB).
        const BLOB_ALIGNMENT = 1 << 5;
        /// Legacy: interrupt when the ring runs empty.
        const NOTIFY_ON_EMPTY = 1 << 24;
        /// Tables of indirect descriptors.
        const INDIRECT_DESC = 1 << 28;
        /// `used_event` and `avail_event`.
        const EVENT_IDX = 1 << 29;
        /// A device of VIRTIO 1.0 or later.
        const VERSION_1 = 1 << 32;
        /// Queues can be reset one by one.
        const RING_RESET = 1 << 40;
    }
}
