//! The driver's side of the device, for tests.
//!
//! A [`Driver`] lays rings and requests out in guest memory as a kernel does,
//! and reads the answers back. It works on any [`GuestMemoryMmap`], so the
//! same driver drives a [`Device`](crate::Device) in the same process and a
//! daemon that shares the memory. It fails by panicking, as tests do.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic
)]

mod ring;

use std::sync::Arc;

use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::device::QueueIndex;
use crate::protocol::{
    Command, ContextId, ErrorCode, HeaderFlags, RequestHeader, ResponseHeader, Success,
    decode_response, wire,
};
pub use ring::{Piece, Ring, Used};

/// Where the driver's own things begin; tests place their images above
/// [`Driver::FREE`].
const CONTROL_RING: u64 = 0x1_0000;
const CURSOR_RING: u64 = 0x3_0000;
const ARENA: u64 = 0x10_0000;
const ARENA_BYTES: u64 = 0x80_0000;

/// Guest memory of one region that starts at address 0.
pub fn guest_memory(bytes: usize) -> Arc<GuestMemoryMmap> {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), bytes)]);
    Arc::new(memory.expect("there is memory for a test guest"))
}

/// A request that was made available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its first descriptor: how the used ring names it.
    pub head: u16,
    /// Where its answer will be.
    pub answer_at: u64,
    /// Room for the answer.
    pub room: u32,
}

/// A request that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which request it was.
    pub sent: Sent,
    /// The bytes that the device says it has written.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The answer's header and outcome.
    pub fn decode(&self) -> (ResponseHeader, Result<Success, ErrorCode>) {
        decode_response(&self.bytes).expect("the answer is well formed")
    }

    /// The outcome alone.
    pub fn outcome(&self) -> Result<Success, ErrorCode> {
        self.decode().1
    }
}

/// The driver: two rings and an arena for requests in guest memory.
#[derive(Debug)]
pub struct Driver {
    memory: Arc<GuestMemoryMmap>,
    control: Ring,
    cursor: Ring,
    in_flight: Vec<(QueueIndex, Sent)>,
    next: u64,
}

impl Driver {
    /// The first address that the driver itself does not use.
    pub const FREE: u64 = ARENA + ARENA_BYTES;

    /// A driver whose rings lie in `memory`, which has to reach from below
    /// 64 KiB to [`Driver::FREE`] at least.
    pub fn new(memory: Arc<GuestMemoryMmap>) -> Self {
        assert!(memory.address_in_range(GuestAddress(Self::FREE - 1)));
        Self {
            control: Ring::new(memory.clone(), CONTROL_RING, 256),
            cursor: Ring::new(memory.clone(), CURSOR_RING, 16),
            memory,
            in_flight: Vec::new(),
            next: ARENA,
        }
    }

    /// The ring of a queue: to start it, or to break the rules with.
    pub fn ring(&mut self, queue: QueueIndex) -> &mut Ring {
        match queue {
            QueueIndex::Control => &mut self.control,
            QueueIndex::Cursor => &mut self.cursor,
        }
    }

    /// Memory for `bytes` bytes, 16-byte aligned. The arena is used round and
    /// round: at most 8 MiB of requests are in flight in a test.
    pub fn allocate(&mut self, bytes: u64) -> u64 {
        let bytes = bytes.next_multiple_of(16);
        if self.next + bytes > Self::FREE {
            self.next = ARENA;
        }
        let at = self.next;
        self.next += bytes;
        at
    }

    /// Makes request bytes available, in one readable descriptor, with `room`
    /// bytes for the answer in one writable one (none if 0).
    pub fn send_bytes(&mut self, queue: QueueIndex, request: &[u8], room: u32) -> Sent {
        let length = u32::try_from(request.len()).expect("a request is short");
        let request_at = self.allocate(u64::from(length));
        self.memory
            .write_slice(request, GuestAddress(request_at))
            .expect("the arena is memory");
        let answer_at = self.allocate(u64::from(room));
        let filler = vec![0xa5; usize::try_from(room).expect("room fits")];
        self.memory
            .write_slice(&filler, GuestAddress(answer_at))
            .expect("the arena is memory");
        let mut pieces = Vec::new();
        if length > 0 {
            pieces.push(Piece::readable(request_at, length));
        }
        if room > 0 {
            pieces.push(Piece::writable(answer_at, room));
        }
        let head = self.ring(queue).publish(&pieces);
        let sent = Sent {
            head,
            answer_at,
            room,
        };
        self.in_flight.push((queue, sent));
        sent
    }

    /// Makes a command available as Linux does: room for its answer on the
    /// control queue, none on the cursor queue.
    pub fn send(&mut self, command: &Command<'_>, fence: Option<u64>) -> Sent {
        let request = command.encode(&header(command, fence));
        match command.queue() {
            crate::protocol::QueueKind::Control => {
                let room = match command {
                    Command::GetDisplayInfo => 408,
                    Command::GetEdid { .. } => 1056,
                    Command::GetCapsetInfo { .. } => 40,
                    Command::GetCapset { .. } => 24 + 4096,
                    _ => 24,
                };
                self.send_bytes(QueueIndex::Control, &request, room)
            }
            crate::protocol::QueueKind::Cursor => self.send_bytes(QueueIndex::Cursor, &request, 0),
        }
    }

    /// Everything that came back on a queue since the last call.
    pub fn take_answers(&mut self, queue: QueueIndex) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(Used { head, length }) = self.ring(queue).take_used() {
            let place = self
                .in_flight
                .iter()
                .position(|(on, sent)| *on == queue && sent.head == head);
            let Some(place) = place else {
                panic!("{queue:?} queue: {head} came back and was not in flight");
            };
            let (_, sent) = self.in_flight.remove(place);
            assert!(length <= sent.room, "more was used than there was room");
            let mut bytes = vec![0; usize::try_from(length).expect("length fits")];
            self.memory
                .read_slice(&mut bytes, GuestAddress(sent.answer_at))
                .expect("the arena is memory");
            answers.push(Answer { sent, bytes });
        }
        answers
    }

    /// Requests that did not come back yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Writes to guest memory.
    pub fn write(&self, address: u64, bytes: &[u8]) {
        self.memory
            .write_slice(bytes, GuestAddress(address))
            .expect("the address is memory");
    }
}

/// The header that a driver gives a command.
pub fn header(command: &Command<'_>, fence: Option<u64>) -> RequestHeader {
    RequestHeader {
        kind: command.kind().to_wire(),
        flags: if fence.is_some() {
            HeaderFlags::FENCE
        } else {
            HeaderFlags::empty()
        },
        fence_id: fence.unwrap_or(0),
        context: ContextId(0),
        ring_index: 0,
    }
}

/// An entry of a backing list.
pub fn entry(address: u64, length: u32) -> wire::MemEntry {
    wire::MemEntry {
        addr: address.into(),
        length: length.into(),
        padding: 0.into(),
    }
}
