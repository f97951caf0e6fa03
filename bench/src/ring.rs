//! A ring from the driver's side that costs next to nothing: a batch of requests is laid out once and made available
//! again and again with one store.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// Room for an answer.
const ANSWER: u64 = 24;

/// Where a request's header has its flags, and the number of its fence.
const FLAGS: usize = 4;
const FENCE_NUMBER: u64 = 8;

/// `VIRTIO_GPU_FLAG_FENCE`.
const FENCE: u8 = 1;

/// `VIRTIO_GPU_RESP_OK_NODATA`.
const OK: u32 = 0x1100;

/// Whether the driver and the device have negotiated `VIRTIO_F_EVENT_IDX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventIndex {
    Unused,
    Used,
}

/// One ring and its two descriptors.
#[derive(Debug)]
pub(crate) struct Ring {
    memory: Arc<GuestMemoryMmap>,
    pub(crate) size: u16,
    pub(crate) table: u64,
    requests: u64,
    pub(crate) kick: EventFd,
    pub(crate) call: EventFd,
    pub(crate) event_index: EventIndex,
    available: u16,
    /// Where the answers of the batch that is laid out will be.
    answers: Vec<u64>,
    /// Where each of its requests has the number of its fence, if it has one.
    fences: Vec<Option<u64>>,
    last_fence: u64,
}

impl Ring {
    /// A ring of `size` descriptors at `table`, whose requests are written from `requests` on.
    pub(crate) fn new(memory: Arc<GuestMemoryMmap>, size: u16, table: u64, requests: u64) -> Self {
        let event = || EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap();
        let ring = Self {
            memory,
            size,
            table,
            requests,
            kick: event(),
            call: event(),
            event_index: EventIndex::Unused,
            available: 0,
            answers: Vec::new(),
            fences: Vec::new(),
            last_fence: 0,
        };
        // Another front end may have been here.
        for part in [ring.available_ring(), ring.used_ring()] {
            ring.put(part, 0_u32);
        }
        ring
    }

    pub(crate) fn available_ring(&self) -> u64 {
        self.table + 16 * u64::from(self.size)
    }

    pub(crate) fn used_ring(&self) -> u64 {
        (self.available_ring() + 6 + 2 * u64::from(self.size)).next_multiple_of(4)
    }

    /// Lays a batch out: its length divides the ring's, and two descriptors a request fit. A request on a ring of
    /// cursors has no room for an answer, as with Linux.
    pub(crate) fn lay_out(&mut self, requests: &[Vec<u8>], answered: bool) {
        let count = u16::try_from(requests.len()).unwrap();
        assert!(self.size.is_multiple_of(count) && count * 2 <= self.size);
        let mut at = self.requests;
        self.answers.clear();
        self.fences.clear();
        for (place, request) in (0_u16..).zip(requests) {
            let head = place * 2;
            let length = u32::try_from(request.len()).unwrap();
            self.memory.write_slice(request, GuestAddress(at)).unwrap();
            let is_fenced = request[FLAGS] & FENCE != 0;
            self.fences.push(is_fenced.then_some(at + FENCE_NUMBER));
            let next = if answered { NEXT } else { 0 };
            self.write_descriptor(head, at, length, next, head + 1);
            at = (at + u64::from(length)).next_multiple_of(64);
            if answered {
                self.write_descriptor(head + 1, at, ANSWER as u32, WRITE, 0);
                self.answers.push(at);
                at += 64;
            }
        }
        for place in 0..self.size {
            let slot = self.available.wrapping_add(place) % self.size;
            let head = (place % count) * 2;
            self.put(self.available_ring() + 4 + 2 * u64::from(slot), head);
        }
    }

    fn write_descriptor(&self, index: u16, address: u64, length: u32, flags: u16, next: u16) {
        let at = self.table + 16 * u64::from(index);
        self.put(at, address);
        self.put(at + 8, length);
        self.put(at + 12, flags);
        self.put(at + 14, next);
    }

    /// Makes the next `count` requests of the batch available and kicks.
    pub(crate) fn submit(&mut self, count: u16) {
        self.number_fences(count);
        self.available = self.available.wrapping_add(count);
        if self.event_index == EventIndex::Used {
            // An interrupt for the last of them.
            let wanted = self.available.wrapping_sub(1);
            self.store(self.available_ring() + 4 + 2 * u64::from(self.size), wanted);
        }
        self.store(self.available_ring() + 2, self.available);
        self.kick.write(1).unwrap();
    }

    /// Each fence has a number of its own.
    fn number_fences(&mut self, count: u16) {
        let batch = self.fences.len() as u16;
        for place in 0..count {
            let place = self.available.wrapping_add(place) % batch;
            if let Some(at) = self.fences[usize::from(place)] {
                self.last_fence += 1;
                self.put(at, self.last_fence);
            }
        }
    }

    /// Requests that are not answered yet.
    pub(crate) fn left(&self) -> u16 {
        let used: u16 = self
            .memory
            .load(GuestAddress(self.used_ring() + 2), Ordering::Acquire)
            .unwrap();
        self.available.wrapping_sub(used)
    }

    /// Waits until everything is answered.
    pub(crate) fn wait(&self) {
        assert!(
            self.is_answered(),
            "no interrupt in ten seconds, {} requests left on the ring at {:#x}",
            self.left(),
            self.table
        );
    }

    /// Waits until everything is answered; false if nothing came for ten seconds.
    pub(crate) fn is_answered(&self) -> bool {
        while self.left() > 0 {
            if !wait_for(&self.call) {
                return false;
            }
        }
        true
    }

    /// One round.
    pub(crate) fn round(&mut self, count: u16) {
        self.submit(count);
        self.wait();
    }

    /// Carries requests out, one at a time, and checks that each succeeds.
    pub(crate) fn succeed(&mut self, requests: &[Vec<u8>]) {
        for request in requests {
            self.lay_out(std::slice::from_ref(request), true);
            self.round(1);
            self.check();
        }
    }

    /// Checks the answers of the batch that is laid out.
    pub(crate) fn check(&self) {
        for at in &self.answers {
            let kind: u32 = self.memory.read_obj(GuestAddress(*at)).unwrap();
            assert_eq!(kind, OK, "an answer that is no success");
        }
    }

    fn store(&self, at: u64, value: u16) {
        self.memory
            .store(value, GuestAddress(at), Ordering::SeqCst)
            .unwrap();
    }

    fn put<T: vm_memory::ByteValued>(&self, at: u64, value: T) {
        self.memory.write_obj(value, GuestAddress(at)).unwrap();
    }
}

/// Waits for an event descriptor that never blocks, and takes what it has: a device may make the one it got
/// non-blocking for both sides. False after ten seconds.
pub(crate) fn wait_for(event: &EventFd) -> bool {
    let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::from(10_000_u16)).unwrap();
    let _ = event.read();
    ready > 0
}
