//! A virtqueue of the device: descriptor chains in, answers out.
//!
//! The framing of a request is free (VIRTIO 1.4 §2.7.4.1): bytes may come in
//! any number of descriptors. A request is copied out of guest memory once,
//! each descriptor is read once, and from then on only the copy is looked at.
//! A popped chain is a [`Chain`], which must be given back with
//! [`VirtQueue::complete`] or [`Chain::abandon`]ed on a device reset.

use std::sync::atomic::Ordering;

use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, WriteVolatile};

use crate::descriptors::{Access, Descriptors};
use crate::error::DeviceError;
use crate::in_flight::InFlight;
use crate::protocol::Features;

/// The largest ring the device accepts.
pub const MAX_QUEUE_SIZE: u16 = 1024;

/// Where a queue lies in guest memory. All addresses are guest-physical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSetup {
    /// Number of descriptors: a power of two, at most [`MAX_QUEUE_SIZE`].
    pub size: u16,
    /// Descriptor table, 16-byte aligned.
    pub descriptor_table: GuestAddress,
    /// Available ring, 2-byte aligned.
    pub avail_ring: GuestAddress,
    /// Used ring, 4-byte aligned.
    pub used_ring: GuestAddress,
    /// Index of the first available entry that was not popped yet.
    pub next_avail: u16,
}

/// A request whose answer is owed to the driver.
///
/// Dropping one would leave the guest waiting for good, so it has to be
/// consumed.
#[derive(Debug)]
#[must_use = "the driver waits until this chain is completed"]
pub struct Chain {
    head: u16,
    writable: Vec<(GuestAddress, u32)>,
    owed: bool,
}

impl Chain {
    /// Bytes that an answer may take.
    pub fn room(&self) -> u64 {
        self.writable
            .iter()
            .fold(0, |sum, (_, length)| sum.saturating_add(u64::from(*length)))
    }

    /// Lets go of a chain without an answer: only after a device reset, when
    /// the ring it came from is gone.
    pub fn abandon(mut self) {
        self.owed = false;
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if self.owed {
            log::error!("descriptor chain {} was never answered", self.head);
            debug_assert!(std::thread::panicking(), "a chain was dropped unanswered");
        }
    }
}

/// What [`VirtQueue::pop`] found.
#[derive(Debug)]
pub enum Popped {
    /// No request is waiting.
    Empty,
    /// The ring cannot be trusted any more; it takes no further requests.
    Broken,
    /// A request; its bytes were copied to the caller's buffer.
    Request(Chain),
    /// A chain whose request bytes lie outside guest memory.
    Unreadable(Chain),
    /// A chain that breaks the framing rules. There is no telling what of it
    /// may be written: it goes back without an answer.
    Malformed(Chain),
}

/// How much of a chain is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLimits {
    /// Bytes of a request that are copied; what lies beyond is never read.
    pub request: usize,
    /// Room for an answer that is remembered: the longest there is. A driver
    /// may offer more, in up to 65,535 pieces.
    pub answer: u64,
}

/// `VIRTQ_AVAIL_F_NO_INTERRUPT`, §2.7.6.
const NO_INTERRUPT: u16 = 1;

/// One running virtqueue.
#[derive(Debug)]
pub struct VirtQueue {
    ring: Queue,
    features: Features,
    /// The available index when it was last read.
    available: u16,
    in_flight: InFlight,
    broken: bool,
}

impl VirtQueue {
    /// Takes over a ring that the driver has set up. The used index is read
    /// from the used ring, so that a queue goes on where it was stopped.
    ///
    /// # Errors
    /// [`DeviceError::InvalidQueue`] if size or alignment break the rules or a
    /// part of the ring lies outside `memory`.
    pub fn start(
        setup: &QueueSetup,
        features: Features,
        memory: &GuestMemoryMmap,
    ) -> Result<Self, DeviceError> {
        let invalid = |reason: &'static str| DeviceError::InvalidQueue {
            setup: setup.clone(),
            reason,
        };
        let mut ring = Queue::new(MAX_QUEUE_SIZE).map_err(|_| invalid("size"))?;
        ring.try_set_size(setup.size)
            .map_err(|_| invalid("the size is no power of two or too large"))?;
        ring.try_set_desc_table_address(setup.descriptor_table)
            .map_err(|_| invalid("the descriptor table is misaligned"))?;
        ring.try_set_avail_ring_address(setup.avail_ring)
            .map_err(|_| invalid("the available ring is misaligned"))?;
        ring.try_set_used_ring_address(setup.used_ring)
            .map_err(|_| invalid("the used ring is misaligned"))?;
        ring.set_event_idx(features.contains(Features::EVENT_IDX));
        ring.set_ready(true);
        if !ring.is_valid(memory) {
            return Err(invalid("a part of the ring is outside guest memory"));
        }
        let used = ring
            .used_idx(memory, Ordering::Acquire)
            .map_err(|_| invalid("the used index cannot be read"))?;
        ring.set_next_avail(setup.next_avail);
        ring.set_next_used(used.0);
        Ok(Self {
            ring,
            features,
            available: setup.next_avail,
            in_flight: InFlight::default(),
            broken: false,
        })
    }

    /// Reads the used index again, after somebody else has completed chains on
    /// the same ring.
    pub fn catch_up(&mut self, memory: &GuestMemoryMmap) {
        match self.ring.used_idx(memory, Ordering::Acquire) {
            Ok(used) => self.ring.set_next_used(used.0),
            Err(_) => self.broken = true,
        }
    }

    /// Index of the first available entry that was not popped.
    pub fn next_avail(&self) -> u16 {
        self.ring.next_avail()
    }

    /// Whether the driver broke the ring; see [`Popped::Broken`].
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Number of chains popped and not completed.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Takes the next request and copies it to `request`, replacing what was
    /// there.
    pub fn pop(
        &mut self,
        memory: &GuestMemoryMmap,
        request: &mut Vec<u8>,
        limits: ChainLimits,
    ) -> Popped {
        if self.broken {
            return Popped::Broken;
        }
        let head = match self.next_head(memory) {
            Ok(Some(head)) => head,
            Ok(None) => return Popped::Empty,
            Err(BrokenRing) => {
                self.broken = true;
                return Popped::Broken;
            }
        };
        if head >= self.ring.size() || !self.in_flight.insert(head) {
            log::warn!("the driver made descriptor {head} available against the rules");
            self.broken = true;
            return Popped::Broken;
        }
        let table = GuestAddress(self.ring.desc_table());
        let descriptors = Descriptors::new(memory, table, self.ring.size(), head, self.features);
        read(descriptors, head, memory, request, limits)
    }

    /// Takes the next entry of the available ring, if there is one. The index
    /// is read again only when everything up to it was taken.
    fn next_head(&mut self, memory: &GuestMemoryMmap) -> Result<Option<u16>, BrokenRing> {
        let next = self.ring.next_avail();
        if self.available == next {
            let index = self.ring.avail_idx(memory, Ordering::Acquire);
            self.available = index.map_err(|_| BrokenRing)?.0;
            if self.available.wrapping_sub(next) > self.ring.size() {
                return Err(BrokenRing);
            }
        }
        if self.available == next {
            return Ok(None);
        }
        let slot = next.checked_rem(self.ring.size()).ok_or(BrokenRing)?;
        let offset = u64::from(slot).saturating_mul(2).saturating_add(4);
        let entry = self.ring.avail_ring().checked_add(offset);
        let head: u16 = memory
            .read_obj(GuestAddress(entry.ok_or(BrokenRing)?))
            .map_err(|_| BrokenRing)?;
        self.ring.set_next_avail(next.wrapping_add(1));
        Ok(Some(u16::from_le(head)))
    }

    /// Gives a chain back with its answer. An answer that does not fit, or
    /// whose buffers are not guest memory, is left out: the used length is
    /// what was really written.
    pub fn complete(&mut self, memory: &GuestMemoryMmap, mut chain: Chain, answer: &[u8]) {
        chain.owed = false;
        self.in_flight.remove(chain.head);
        let written = write(&chain, memory, answer);
        if let Err(error) = self.ring.add_used(memory, chain.head, written) {
            log::warn!("cannot return descriptor {}: {error}", chain.head);
            self.broken = true;
        }
    }

    /// Whether the driver wants an interrupt for what was completed since the
    /// last call.
    pub fn needs_interrupt(&mut self, memory: &GuestMemoryMmap) -> bool {
        if self.ring.event_idx_enabled() {
            return self.ring.needs_notification(memory).unwrap_or(true);
        }
        let flags = memory.load::<u16>(GuestAddress(self.ring.avail_ring()), Ordering::Relaxed);
        flags.is_ok_and(|flags| u16::from_le(flags) & NO_INTERRUPT == 0)
    }

    /// Asks the driver for a kick at the next request. True if one came in
    /// meanwhile, so that the queue has to be looked at again.
    pub fn enable_kicks(&mut self, memory: &GuestMemoryMmap) -> bool {
        self.ring.enable_notification(memory).unwrap_or(false)
    }

    /// Tells the driver that the queue is being worked on and kicks are
    /// superfluous.
    pub fn disable_kicks(&mut self, memory: &GuestMemoryMmap) {
        if self.ring.disable_notification(memory).is_err() {
            self.broken = true;
        }
    }
}

/// The available ring lies outside guest memory, or its index is further ahead
/// than the ring is long.
#[derive(Debug)]
struct BrokenRing;

fn read(
    descriptors: Descriptors<'_>,
    head: u16,
    memory: &GuestMemoryMmap,
    request: &mut Vec<u8>,
    limits: ChainLimits,
) -> Popped {
    request.clear();
    let mut chain = Chain {
        head,
        writable: Vec::new(),
        owed: true,
    };
    let mut readable = true;
    let mut access = Access::Readable;
    let mut room = 0_u64;
    for descriptor in descriptors {
        let Ok(buffer) = descriptor else {
            return Popped::Malformed(chain);
        };
        if buffer.access == Access::Writable {
            access = Access::Writable;
            if buffer.length > 0 && room < limits.answer {
                room = room.saturating_add(u64::from(buffer.length));
                chain.writable.push((buffer.address, buffer.length));
            }
            continue;
        }
        if access == Access::Writable {
            // Readable after writable, VIRTIO 1.4 §2.7.4.2.
            return Popped::Malformed(chain);
        }
        let wanted = limits
            .request
            .saturating_sub(request.len())
            .min(usize::try_from(buffer.length).unwrap_or(usize::MAX));
        readable &= append(memory, buffer.address, wanted, request).is_some();
    }
    if readable {
        Popped::Request(chain)
    } else {
        Popped::Unreadable(chain)
    }
}

/// Adds `length` bytes of guest memory to `request`, which does not grow where
/// there is no such memory: a lie about the length costs nothing.
fn append(
    memory: &GuestMemoryMmap,
    address: GuestAddress,
    length: usize,
    request: &mut Vec<u8>,
) -> Option<()> {
    if let Ok(piece) = memory.get_slice(address, length) {
        request.try_reserve(length).ok()?;
        return request.write_all_volatile(&piece).ok();
    }
    // Not in one region.
    if !memory.check_range(address, length) {
        return None;
    }
    request.try_reserve(length).ok()?;
    let start = request.len();
    request.resize(start.saturating_add(length), 0);
    memory.read_slice(request.get_mut(start..)?, address).ok()
}

fn write(chain: &Chain, memory: &GuestMemoryMmap, answer: &[u8]) -> u32 {
    let Ok(length) = u32::try_from(answer.len()) else {
        return 0;
    };
    if u64::from(length) > chain.room() {
        return 0;
    }
    if let [(address, _)] = chain.writable.as_slice()
        && let Ok(piece) = memory.get_slice(*address, answer.len())
    {
        piece.copy_from(answer);
        return length;
    }
    let mut rest = answer;
    let mut pieces = Vec::new();
    for (address, room) in &chain.writable {
        let take = rest.len().min(usize::try_from(*room).unwrap_or(usize::MAX));
        if !memory.check_range(*address, take) {
            return 0;
        }
        let (piece, tail) = rest.split_at(take);
        pieces.push((*address, piece));
        rest = tail;
    }
    for (address, piece) in pieces {
        if memory.write_slice(piece, address).is_err() {
            return 0;
        }
    }
    length
}
