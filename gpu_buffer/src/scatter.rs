//! A picture's bytes scattered over guest memory, as `RESOURCE_ATTACH_BACKING` describes them.

mod cursor;

use std::sync::Arc;

use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion};

use crate::Error;

pub(crate) use cursor::Cursor;
pub use cursor::Slices;

/// A list of guest-physical ranges, read as one run of bytes.
///
/// It keeps the mappings it refers to alive. When the guest's memory map changes its owner calls
/// [`ScatterList::remap`]: memory that has left the map is let go of and not read any more, and the
/// list works again once its ranges are guest memory again.
#[derive(Clone, Debug, Default)]
pub struct ScatterList {
    pieces: Vec<Piece>,
    extents: Vec<Extent>,
    total: u64,
    state: State,
}

/// Whether there is memory behind the ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Mapped,
    /// Pieces are guest addresses only.
    Unmapped,
}

/// Bytes that are neighbours both in guest-physical space and in one mapping; up to where the next
/// piece starts. A picture has one for each page, and a copy reads them all: they are kept small.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Bytes of the list before it.
    start: u64,
    /// Bytes of its mapping before it.
    offset: u64,
}

/// Pieces that follow each other in the list and are in one mapping; up to the next extent's.
#[derive(Clone, Debug)]
struct Extent {
    first_piece: usize,
    /// Guest address of the mapping's first byte.
    base: u64,
    /// `None` while the list is unmapped.
    mapping: Option<Arc<MmapRegion>>,
}

impl ScatterList {
    /// Looks up the ranges `(guest-physical address, length in bytes)` in `memory`. A range may
    /// run over several adjacent regions; one of no bytes adds nothing, whatever its address.
    ///
    /// The list grows with the number of entries: the caller bounds that.
    ///
    /// # Errors
    /// [`Error::Unmapped`] if any byte of an entry is not guest memory or the entry wraps,
    /// [`Error::ScatterListTooLong`].
    pub fn resolve(
        memory: &GuestMemoryMmap,
        entries: impl Iterator<Item = (u64, u32)>,
    ) -> Result<Self, Error> {
        let mut list = Self::default();
        for (address, length) in entries {
            if !list.push_range(memory, address, u64::from(length))? {
                return Err(Error::Unmapped { address, length });
            }
        }
        Ok(list)
    }

    /// Bytes in the list.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Number of pieces that the list is kept in: what it costs, after
    /// neighbours were merged.
    pub fn ranges(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there is memory behind the list: [`ScatterList::remap`] said so last.
    pub fn is_mapped(&self) -> bool {
        self.state == State::Mapped
    }

    /// Looks the ranges up again after a change of the guest's memory, and lets go of all that was
    /// mapped before. False if a range is not in `memory` now; then there is no memory behind the
    /// list until a later call finds it all.
    pub fn remap(&mut self, memory: &GuestMemoryMmap) -> bool {
        if self.is_mapped_in(memory) {
            return true;
        }
        match self.looked_up_again(memory) {
            Some(list) => *self = list,
            None => self.unmap(),
        }
        self.is_mapped()
    }

    /// Whether the list is mapped, and [`ScatterList::remap`] to `memory` would change nothing.
    pub fn is_mapped_in(&self, memory: &GuestMemoryMmap) -> bool {
        self.is_mapped() && self.still_mapped(memory)
    }

    /// The same ranges in `memory`, if all of them are there.
    fn looked_up_again(&self, memory: &GuestMemoryMmap) -> Option<Self> {
        let mut list = Self::default();
        for (address, length) in self.guest_ranges() {
            match list.push_range(memory, address, length) {
                Ok(true) => {}
                Ok(false) | Err(_) => return None,
            }
        }
        Some(list)
    }

    fn unmap(&mut self) {
        self.state = State::Unmapped;
        for extent in &mut self.extents {
            extent.mapping = None;
        }
    }

    /// Whether every range is in `memory` at the same guest address and in the same mapping as
    /// when the list was made.
    fn still_mapped(&self, memory: &GuestMemoryMmap) -> bool {
        self.extents.iter().all(|extent| {
            let mapping = extent.mapping.as_ref();
            locate(memory, extent.base)
                .zip(mapping)
                .is_some_and(|(found, mapping)| {
                    found.offset == 0 && Arc::ptr_eq(&found.mapping, mapping)
                })
        })
    }

    /// Guest address and length of each piece.
    fn guest_ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut extents = self.extents.iter().peekable();
        let mut base = 0;
        self.pieces.iter().enumerate().map(move |(index, piece)| {
            while let Some(extent) = extents.next_if(|extent| extent.first_piece <= index) {
                base = extent.base;
            }
            let end = self.start_of(index.saturating_add(1));
            let address = base.saturating_add(piece.offset);
            (address, end.saturating_sub(piece.start))
        })
    }

    /// Mapping, offset in it and length of each piece; `None` for what is not mapped.
    #[cfg(feature = "udmabuf")]
    pub(crate) fn mapped_pieces(
        &self,
    ) -> impl Iterator<Item = Option<(&Arc<MmapRegion>, u64, u64)>> {
        let mut extents = self.extents.iter().peekable();
        let mut mapping = None;
        self.pieces.iter().enumerate().map(move |(index, piece)| {
            while let Some(extent) = extents.next_if(|extent| extent.first_piece <= index) {
                mapping = extent.mapping.as_ref();
            }
            let end = self.start_of(index.saturating_add(1));
            Some((mapping?, piece.offset, end.saturating_sub(piece.start)))
        })
    }

    /// Where a piece starts in the list; behind the last one, where the list ends.
    fn start_of(&self, piece: usize) -> u64 {
        self.pieces
            .get(piece)
            .map_or(self.total, |piece| piece.start)
    }

    /// The memory of `length` bytes from byte `offset` on, piece by piece; `None` if the list ends
    /// before, or is not mapped. The first piece is found by binary search.
    pub fn slices_at(&self, offset: u64, length: u64) -> Option<Slices<'_>> {
        Slices::new(self, offset, offset.checked_add(length)?)
    }

    /// Adds a range of guest memory, which may run over several regions; false if not all of it is
    /// in `memory`.
    fn push_range(
        &mut self,
        memory: &GuestMemoryMmap,
        address: u64,
        length: u64,
    ) -> Result<bool, Error> {
        let mut at = address;
        let mut left = length;
        while left > 0 {
            let Some(found) = locate(memory, at) else {
                return Ok(false);
            };
            let length = left.min(found.available);
            self.push(found, length)?;
            left = left.saturating_sub(length);
            at = match at.checked_add(length) {
                Some(next) => next,
                None => return Ok(left == 0),
            };
        }
        Ok(true)
    }

    fn push(&mut self, found: Location, length: u64) -> Result<(), Error> {
        let start = self.total;
        let total = start.checked_add(length).ok_or(Error::ScatterListTooLong)?;
        if !self.ends_in(&found) {
            self.extents
                .try_reserve(1)
                .map_err(|_| Error::ScatterListTooLong)?;
            self.extents.push(Extent {
                first_piece: self.pieces.len(),
                base: found.base,
                mapping: Some(found.mapping),
            });
        } else if let Some(last) = self.pieces.last()
            && last.offset.checked_add(start.saturating_sub(last.start)) == Some(found.offset)
        {
            self.total = total;
            return Ok(());
        }
        self.pieces
            .try_reserve(1)
            .map_err(|_| Error::ScatterListTooLong)?;
        self.pieces.push(Piece {
            start,
            offset: found.offset,
        });
        self.total = total;
        Ok(())
    }

    /// Whether the last extent is in the mapping of `found`.
    fn ends_in(&self, found: &Location) -> bool {
        self.extents.last().is_some_and(|last| {
            let mapping = last.mapping.as_ref();
            last.base == found.base && mapping.is_some_and(|last| Arc::ptr_eq(last, &found.mapping))
        })
    }
}

struct Location {
    mapping: Arc<MmapRegion>,
    /// Guest address of the mapping's first byte.
    base: u64,
    /// Bytes of the mapping before the address.
    offset: u64,
    /// Bytes of the mapping from the address on, at least one.
    available: u64,
}

fn locate(memory: &GuestMemoryMmap, address: u64) -> Option<Location> {
    let region = memory.find_region(GuestAddress(address))?;
    let base = region.start_addr().0;
    let offset = address.checked_sub(base)?;
    let available = region.len().checked_sub(offset).filter(|&left| left > 0)?;
    Some(Location {
        mapping: region.get_mmap(),
        base,
        offset,
        available,
    })
}
