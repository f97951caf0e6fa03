//! An exchange: a request in some framing, and how it must end.

use virtio_gpu::QueueIndex;
use virtio_gpu::testing::Piece;

use crate::case::{ANYTHING, Expect};
use crate::map::{ANSWER, REQUEST};
use crate::message::Message;

/// `VIRTQ_DESC_F_WRITE`.
pub const WRITE: u16 = 2;
/// `VIRTQ_DESC_F_INDIRECT`.
pub const INDIRECT: u16 = 4;
/// `VIRTQ_DESC_F_NEXT`.
pub const NEXT: u16 = 1;

/// A chain of descriptors that is made available, and how it must come back.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The queue.
    pub queue: QueueIndex,
    /// Bytes that are written to [`REQUEST`] before.
    pub request: Vec<u8>,
    /// Other bytes that are written before: (guest address, bytes).
    pub writes: Vec<(u64, Vec<u8>)>,
    /// The descriptors.
    pub pieces: Vec<Piece>,
    /// How it must end.
    pub expect: Expect,
}

impl From<Message> for Exchange {
    /// One descriptor for the request and one for the answer; none for one that is empty.
    fn from(message: Message) -> Self {
        let length = u32::try_from(message.bytes.len()).expect("a request is short");
        let mut pieces = Vec::new();
        if length > 0 {
            pieces.push(Piece::readable(REQUEST, length));
        }
        if message.room > 0 {
            pieces.push(Piece::writable(ANSWER, message.room));
        }
        Self {
            queue: message.queue,
            request: message.bytes,
            writes: Vec::new(),
            pieces,
            expect: ANYTHING,
        }
    }
}

impl Exchange {
    /// The message, but in these descriptors.
    pub fn framed(message: Message, pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self {
            pieces: pieces.into_iter().collect(),
            ..Self::from(message)
        }
    }

    /// The message in a table of indirect descriptors at `address`.
    pub fn indirect(message: Message, address: u64, entries: &[Entry]) -> Self {
        let table = table(entries);
        let length = u32::try_from(table.len()).expect("a table is short");
        let mut exchange = Self::framed(
            message,
            [Piece {
                address,
                length,
                flags: INDIRECT,
            }],
        );
        exchange.writes.push((address, table));
        exchange
    }

    /// Writes these bytes to guest memory before.
    #[must_use]
    pub fn writing(mut self, address: u64, bytes: Vec<u8>) -> Self {
        self.writes.push((address, bytes));
        self
    }

    /// Whether any descriptor refers to a table.
    pub fn is_indirect(&self) -> bool {
        self.pieces.iter().any(|piece| piece.flags & INDIRECT != 0)
    }
}

/// A descriptor as it lies in memory.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Address, length and flags.
    pub piece: Piece,
    /// The index of the next; it counts with the flag NEXT only.
    pub next: u16,
}

/// Descriptors that follow one another, as they lie in a table.
pub fn chained(pieces: &[Piece]) -> Vec<Entry> {
    let last = pieces.len().saturating_sub(1);
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| {
            let next = u16::try_from(index + 1).unwrap_or(0);
            if index == last {
                Entry {
                    piece: *piece,
                    next: 0,
                }
            } else {
                let flags = piece.flags | NEXT;
                Entry {
                    piece: Piece { flags, ..*piece },
                    next,
                }
            }
        })
        .collect()
}

/// The bytes of a descriptor table.
pub fn table(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * 16);
    for Entry { piece, next } in entries {
        bytes.extend_from_slice(&piece.address.to_le_bytes());
        bytes.extend_from_slice(&piece.length.to_le_bytes());
        bytes.extend_from_slice(&piece.flags.to_le_bytes());
        bytes.extend_from_slice(&next.to_le_bytes());
    }
    bytes
}
