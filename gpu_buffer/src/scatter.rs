//! A picture's bytes scattered over guest memory, as `RESOURCE_ATTACH_BACKING` describes them.

use std::sync::Arc;

use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion,
    VolatileMemory, VolatileSlice,
};

use crate::Error;

/// A list of guest-physical ranges, read as one run of bytes.
///
/// It keeps the mappings it refers to alive, so its memory stays readable even after a region has
/// left the guest's memory map; [`ScatterList::still_mapped`] tells whether one has.
#[derive(Clone, Debug, Default)]
pub struct ScatterList {
    segments: Vec<Segment>,
    total: u64,
}

/// Bytes that are neighbours both in guest-physical space and in one mapping.
#[derive(Clone, Debug)]
struct Segment {
    /// Bytes of the list before this segment.
    start: u64,
    address: u64,
    mapping: Arc<MmapRegion>,
    offset: u64,
    length: u64,
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
            let unmapped = || Error::Unmapped { address, length };
            let mut at = address;
            let mut left = u64::from(length);
            while left > 0 {
                let found = locate(memory, at).ok_or_else(unmapped)?;
                let length = left.min(found.available);
                list.push(at, found, length)?;
                left = left.saturating_sub(length);
                at = match at.checked_add(length) {
                    Some(next) => next,
                    None if left == 0 => break,
                    None => return Err(unmapped()),
                };
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
        self.segments.len()
    }

    /// Whether every range is in `memory` at the same guest address and in the same mapping as
    /// when the list was made.
    pub fn still_mapped(&self, memory: &GuestMemoryMmap) -> bool {
        self.segments.iter().all(|segment| {
            locate(memory, segment.address).is_some_and(|found| {
                Arc::ptr_eq(&found.mapping, &segment.mapping)
                    && found.offset == segment.offset
                    && found.available >= segment.length
            })
        })
    }

    /// The memory of `length` bytes from byte `offset` on, piece by piece; `None` if the list ends
    /// before. The first piece is found by binary search.
    pub fn slices_at(&self, offset: u64, length: u64) -> Option<Slices<'_>> {
        if offset.checked_add(length)? > self.total {
            return None;
        }
        let after = self
            .segments
            .partition_point(|segment| segment.start <= offset);
        let segments = self.segments.get(after.saturating_sub(1)..)?;
        let skip = offset.saturating_sub(segments.first().map_or(0, |segment| segment.start));
        Some(Slices {
            segments: segments.iter(),
            skip,
            left: length,
        })
    }

    fn push(&mut self, address: u64, found: Location, length: u64) -> Result<(), Error> {
        let start = self.total;
        self.total = start.checked_add(length).ok_or(Error::ScatterListTooLong)?;
        if let Some(last) = self.segments.last_mut()
            && Arc::ptr_eq(&last.mapping, &found.mapping)
            && last.address.checked_add(last.length) == Some(address)
            && last.offset.checked_add(last.length) == Some(found.offset)
        {
            last.length = last.length.saturating_add(length);
            return Ok(());
        }
        self.segments.push(Segment {
            start,
            address,
            mapping: found.mapping,
            offset: found.offset,
            length,
        });
        Ok(())
    }
}

/// The pieces of memory that [`ScatterList::slices_at`] found, in order, none of them empty.
#[derive(Clone, Debug)]
pub struct Slices<'a> {
    segments: std::slice::Iter<'a, Segment>,
    skip: u64,
    left: u64,
}

impl<'a> Iterator for Slices<'a> {
    type Item = VolatileSlice<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let segment = self.segments.next()?;
        let length = self.left.min(segment.length.checked_sub(self.skip)?);
        let offset = segment.offset.checked_add(self.skip)?;
        self.skip = 0;
        self.left = self.left.saturating_sub(length);
        segment
            .mapping
            .get_slice(usize::try_from(offset).ok()?, usize::try_from(length).ok()?)
            .ok()
    }
}

struct Location {
    mapping: Arc<MmapRegion>,
    /// Bytes of the mapping before the address.
    offset: u64,
    /// Bytes of the mapping from the address on, at least one.
    available: u64,
}

fn locate(memory: &GuestMemoryMmap, address: u64) -> Option<Location> {
    let region = memory.find_region(GuestAddress(address))?;
    let offset = address.checked_sub(region.start_addr().0)?;
    let available = region.len().checked_sub(offset).filter(|&left| left > 0)?;
    Some(Location {
        mapping: region.get_mmap(),
        offset,
        available,
    })
}
