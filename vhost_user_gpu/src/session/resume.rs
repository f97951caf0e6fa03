//! Where a ring goes on when it starts.
//!
//! SET_VRING_BASE says which request is the next, but a front end whose connection broke can only guess: QEMU takes
//! the used index as it was then, others take the available index. The guest's memory knows better. Whatever this
//! device takes from a ring it gives back before the session ends, so that requests up to the used index are done, and
//! none behind it was begun. A device that was killed leaves the same picture, but for requests that it had not
//! finished: they are done again.

use std::sync::atomic::Ordering;

use virtio_gpu::QueueSetup;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryMmap};

/// Offset of the index in both rings, in bytes (VIRTIO 1.4 §2.7.6 and §2.7.8).
const INDEX_OFFSET: u64 = 2;

/// The index of the next request of a ring that is about to start: its used index, unless no driver can have written
/// such rings. Then it is what the front end said.
pub(super) fn next_request(setup: &QueueSetup, memory: &GuestMemoryMmap) -> u16 {
    let index = |ring: GuestAddress| -> Option<u16> {
        let address = ring.checked_add(INDEX_OFFSET)?;
        let index: u16 = memory.load(address, Ordering::Acquire).ok()?;
        Some(u16::from_le(index))
    };
    match (index(setup.used_ring), index(setup.avail_ring)) {
        (Some(used), Some(available)) if available.wrapping_sub(used) <= setup.size => used,
        _ => setup.next_avail,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    const AVAIL_RING: u64 = 0x1000;
    const USED_RING: u64 = 0x2000;

    /// Where a ring of 16 goes on that has these indexes, when the front end says `base`.
    fn next(base: u16, used: u16, available: u16) -> u16 {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x3000)]).unwrap();
        for (ring, index) in [(AVAIL_RING, available), (USED_RING, used)] {
            memory
                .write_slice(&index.to_le_bytes(), GuestAddress(ring + 2))
                .unwrap();
        }
        let setup = QueueSetup {
            size: 16,
            descriptor_table: GuestAddress(0),
            avail_ring: GuestAddress(AVAIL_RING),
            used_ring: GuestAddress(USED_RING),
            next_avail: base,
        };
        next_request(&setup, &memory)
    }

    #[test]
    fn a_base_that_the_used_ring_confirms_is_taken() {
        assert_eq!(next(0, 0, 0), 0);
        assert_eq!(next(7, 7, 9), 7);
    }

    #[test]
    fn requests_that_were_taken_and_never_given_back_are_taken_again() {
        assert_eq!(next(9, 7, 9), 7);
        assert_eq!(next(2, 0xfffe, 3), 0xfffe, "across the end of the numbers");
    }

    #[test]
    fn requests_that_were_given_back_are_not_taken_again() {
        assert_eq!(next(7, 9, 9), 9);
        assert_eq!(next(0xfffe, 1, 3), 1, "across the end of the numbers");
    }

    #[test]
    fn the_front_end_decides_where_the_rings_cannot_be_a_drivers() {
        assert_eq!(next(7, 9, 8), 7, "more was used than was made available");
        assert_eq!(next(7, 9, 26), 7, "more is owed than the ring holds");
        assert_eq!(next(7, 9, 25), 9, "as much is owed as the ring holds");
    }

    #[test]
    fn the_front_end_decides_where_there_is_no_ring() {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x1000)]).unwrap();
        for ring in [0x1000, 0x0fff, u64::MAX - 1] {
            let setup = QueueSetup {
                size: 16,
                descriptor_table: GuestAddress(0),
                avail_ring: GuestAddress(0),
                used_ring: GuestAddress(ring),
                next_avail: 5,
            };
            assert_eq!(next_request(&setup, &memory), 5, "{ring:#x}");
        }
    }
}
