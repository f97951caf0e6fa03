//! Where things lie in guest memory while a case runs.
//!
//! Three regions: two that touch, a hole, and one on its own that can be taken away. The driver's
//! rings and arena are at the bottom of the first.

use virtio_gpu::testing::Driver;

/// Length of the first region, and where the second begins.
pub const BORDER: u64 = 32 << 20;
/// End of the second region: from here on there is no memory.
pub const HOLE: u64 = 64 << 20;
/// The region on its own, which can be unplugged.
pub const PLUGGED: u64 = 80 << 20;
/// Length of the region on its own.
pub const PLUGGED_BYTES: u64 = 1 << 20;

/// The regions as (guest address, bytes).
pub const REGIONS: [(u64, u64); 3] = [
    (0, BORDER),
    (BORDER, HOLE - BORDER),
    (PLUGGED, PLUGGED_BYTES),
];

/// The request of an exchange.
pub const REQUEST: u64 = Driver::FREE + 0x1_0000;
/// The room for its answer.
pub const ANSWER: u64 = 0xc0_0000;
/// Tables of indirect descriptors.
pub const TABLE: u64 = 0xe0_0000;
/// What resources are made of.
pub const IMAGE: u64 = 0x100_0000;
/// What the closing legal sequence shows.
pub const LEGAL_IMAGE: u64 = 0x180_0000;
