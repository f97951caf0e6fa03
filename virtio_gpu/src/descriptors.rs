//! The descriptors of one chain, VIRTIO 1.4 §2.7.5: each is read once, and a
//! chain that breaks the rules ends in an error instead of a guess.

use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::protocol::Features;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

const DESCRIPTOR_BYTES: u32 = 16;

/// The most bytes of a chain, §2.7.5.2.
const CHAIN_BYTES: u64 = 1 << 32;

/// Who uses a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The device reads it.
    Readable,
    /// The device writes it.
    Writable,
}

/// One buffer of a chain, as the driver describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub(crate) address: GuestAddress,
    pub(crate) length: u32,
    pub(crate) access: Access,
}

/// The chain breaks a rule, or a descriptor lies outside guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// `struct virtq_desc`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes)]
#[repr(C)]
struct Descriptor {
    address: U64,
    length: U32,
    flags: U16,
    next: U16,
}

/// Whether tables of descriptors are allowed where the chain is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tables {
    Allowed,
    Forbidden,
}

/// The buffers of a chain, in order, up to the first breach of the rules.
#[derive(Debug)]
pub(crate) struct Descriptors<'a> {
    memory: &'a GuestMemoryMmap,
    table: GuestAddress,
    /// Descriptors in the table.
    size: u16,
    /// The descriptor to read next, `None` after the last.
    next: Option<u16>,
    /// Descriptors that may still follow: a chain has no more of them than
    /// its table, so that a circle ends.
    left: u16,
    bytes: u64,
    tables: Tables,
}

impl<'a> Descriptors<'a> {
    /// The chain that begins at `head` of the ring's own table.
    pub(crate) fn new(
        memory: &'a GuestMemoryMmap,
        table: GuestAddress,
        size: u16,
        head: u16,
        features: Features,
    ) -> Self {
        let tables = if features.contains(Features::INDIRECT_DESC) {
            Tables::Allowed
        } else {
            Tables::Forbidden
        };
        Self {
            memory,
            table,
            size,
            next: Some(head),
            left: size,
            bytes: 0,
            tables,
        }
    }

    fn read(&mut self, index: u16) -> Result<Buffer, Malformed> {
        let mut descriptor = self.fetch(index)?;
        if descriptor.flags.get() & INDIRECT != 0 {
            self.enter_table(&descriptor)?;
            descriptor = self.fetch(0)?;
        }
        let flags = descriptor.flags.get();
        if flags & INDIRECT != 0 {
            return Err(Malformed);
        }
        let length = descriptor.length.get();
        self.bytes = self
            .bytes
            .checked_add(u64::from(length))
            .filter(|bytes| *bytes <= CHAIN_BYTES)
            .ok_or(Malformed)?;
        self.next = (flags & NEXT != 0).then(|| descriptor.next.get());
        Ok(Buffer {
            address: GuestAddress(descriptor.address.get()),
            length,
            access: if flags & WRITE == 0 {
                Access::Readable
            } else {
                Access::Writable
            },
        })
    }

    fn fetch(&mut self, index: u16) -> Result<Descriptor, Malformed> {
        if index >= self.size {
            return Err(Malformed);
        }
        self.left = self.left.checked_sub(1).ok_or(Malformed)?;
        let offset = u64::from(index).saturating_mul(u64::from(DESCRIPTOR_BYTES));
        let address = self.table.0.checked_add(offset).ok_or(Malformed)?;
        let mut descriptor = Descriptor::new_zeroed();
        self.memory
            .read_slice(descriptor.as_mut_bytes(), GuestAddress(address))
            .map_err(|_| Malformed)?;
        Ok(descriptor)
    }

    /// Goes on in a table of indirect descriptors, §2.7.5.3. Whether the
    /// descriptor that names it is marked writable does not count.
    fn enter_table(&mut self, descriptor: &Descriptor) -> Result<(), Malformed> {
        let length = descriptor.length.get();
        let whole = length.checked_rem(DESCRIPTOR_BYTES) == Some(0);
        let last = descriptor.flags.get() & NEXT == 0;
        if self.tables == Tables::Forbidden || !whole || !last {
            return Err(Malformed);
        }
        let size = length.checked_div(DESCRIPTOR_BYTES).unwrap_or(0);
        // An index has 16 bits. Linux makes tables longer than its ring.
        self.size = u16::try_from(size).map_err(|_| Malformed)?;
        self.left = self.size;
        self.table = GuestAddress(descriptor.address.get());
        self.tables = Tables::Forbidden;
        Ok(())
    }
}

impl Iterator for Descriptors<'_> {
    type Item = Result<Buffer, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next.take()?;
        Some(self.read(index))
    }
}
