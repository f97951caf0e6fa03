//! A split virtqueue from the driver's side, VIRTIO 1.4 §2.7.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::queue::QueueSetup;

const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// One buffer of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Guest-physical address.
    pub address: u64,
    /// Length in bytes.
    pub length: u32,
    /// `VIRTQ_DESC_F_*`, without NEXT.
    pub flags: u16,
}

impl Piece {
    /// A buffer that the device reads.
    pub fn readable(address: u64, length: u32) -> Self {
        Self {
            address,
            length,
            flags: 0,
        }
    }

    /// A buffer that the device writes.
    pub fn writable(address: u64, length: u32) -> Self {
        Self {
            address,
            length,
            flags: WRITE,
        }
    }
}

/// An entry of the used ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// First descriptor of the chain.
    pub head: u16,
    /// Bytes that the device says it has written.
    pub length: u32,
}

/// The driver's view of one ring.
#[derive(Debug)]
pub struct Ring {
    memory: Arc<GuestMemoryMmap>,
    base: u64,
    size: u16,
    free: Vec<u16>,
    chains: Vec<Vec<u16>>,
    avail_idx: u16,
    used_idx: u16,
}

impl Ring {
    /// An empty ring of `size` descriptors that begins at `base`; it takes
    /// less than 128 KiB. Its indices are written as zero.
    pub fn new(memory: Arc<GuestMemoryMmap>, base: u64, size: u16) -> Self {
        let mut ring = Self {
            memory,
            base,
            size,
            free: Vec::new(),
            chains: Vec::new(),
            avail_idx: 0,
            used_idx: 0,
        };
        ring.restart();
        ring
    }

    /// Forgets everything, as a driver does that is loaded anew.
    pub fn restart(&mut self) {
        self.free = (0..self.size).rev().collect();
        self.chains = vec![Vec::new(); usize::from(self.size)];
        self.avail_idx = 0;
        self.used_idx = 0;
        self.put(self.avail() + 2, 0_u16);
        self.put(self.used() + 2, 0_u16);
        self.put(self.avail(), 0_u16);
    }

    /// What the device is told about the ring.
    pub fn setup(&self) -> QueueSetup {
        QueueSetup {
            size: self.size,
            descriptor_table: GuestAddress(self.base),
            avail_ring: GuestAddress(self.avail()),
            used_ring: GuestAddress(self.used()),
            next_avail: 0,
        }
    }

    fn avail(&self) -> u64 {
        self.base + 16 * u64::from(self.size)
    }

    fn used(&self) -> u64 {
        (self.avail() + 6 + 2 * u64::from(self.size)).next_multiple_of(4)
    }

    /// Writes a descriptor as it is, for tests that break the rules.
    pub fn write_descriptor(&self, index: u16, piece: Piece, next: Option<u16>) {
        let at = self.base + 16 * u64::from(index);
        self.put(at, piece.address);
        self.put(at + 8, piece.length);
        let flag = if next.is_some() { NEXT } else { 0 };
        self.put(at + 12, piece.flags | flag);
        self.put(at + 14, next.unwrap_or(0));
    }

    /// Makes a head available, whatever its descriptors hold.
    pub fn make_available(&mut self, head: u16) {
        let slot = u64::from(self.avail_idx % self.size);
        self.put(self.avail() + 4 + 2 * slot, head);
        self.set_avail_index(self.avail_idx.wrapping_add(1));
    }

    /// Sets the available index.
    pub fn set_avail_index(&mut self, index: u16) {
        self.avail_idx = index;
        self.memory
            .store(
                index.to_le(),
                GuestAddress(self.avail() + 2),
                Ordering::Release,
            )
            .expect("the ring is memory");
    }

    /// Moves the available index without filling entries, for tests that break
    /// the rules.
    pub fn jump_available(&mut self, by: i16) {
        self.set_avail_index(self.avail_idx.wrapping_add_signed(by));
    }

    /// Makes a chain of buffers available and returns its head.
    pub fn publish(&mut self, pieces: &[Piece]) -> u16 {
        assert!(!pieces.is_empty(), "a chain has a buffer");
        let indices: Vec<u16> = pieces
            .iter()
            .map(|_| self.free.pop().expect("a descriptor is free"))
            .collect();
        for (place, (piece, index)) in pieces.iter().zip(&indices).enumerate() {
            self.write_descriptor(*index, *piece, indices.get(place + 1).copied());
        }
        let head = *indices.first().expect("a chain has a buffer");
        if let Some(chain) = self.chains.get_mut(usize::from(head)) {
            *chain = indices;
        }
        self.make_available(head);
        head
    }

    /// The next chain that came back.
    pub fn take_used(&mut self) -> Option<Used> {
        let index: u16 = self
            .memory
            .load(GuestAddress(self.used() + 2), Ordering::Acquire)
            .map(u16::from_le)
            .expect("the ring is memory");
        if index == self.used_idx {
            return None;
        }
        let at = self.used() + 4 + 8 * u64::from(self.used_idx % self.size);
        let head: u32 = self.get(at);
        let length: u32 = self.get(at + 4);
        self.used_idx = self.used_idx.wrapping_add(1);
        let head = u16::try_from(head).expect("a head is a descriptor");
        if let Some(chain) = self.chains.get_mut(usize::from(head)) {
            self.free.append(chain);
        }
        Some(Used { head, length })
    }

    /// Whether the device asked for no kicks (without EVENT_IDX).
    pub fn kicks_suppressed(&self) -> bool {
        self.get::<u16>(self.used()) & 1 == 1
    }

    fn put<T: vm_memory::ByteValued>(&self, at: u64, value: T) {
        self.memory
            .write_obj(value, GuestAddress(at))
            .expect("the ring is memory");
    }

    fn get<T: vm_memory::ByteValued>(&self, at: u64) -> T {
        self.memory
            .read_obj(GuestAddress(at))
            .expect("the ring is memory")
    }
}
