//! A picture's bytes scattered over guest memory, as `RESOURCE_ATTACH_BACKING` describes them.

use std::sync::Arc;

use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion,
    VolatileMemory, VolatileSlice,
};

use crate::Error;

/// A list of guest-physical ranges, read as one run of bytes.
///
/// It keeps the mappings it refers to alive. When the guest's memory map changes its owner calls
/// [`ScatterList::remap`]: memory that has left the map is let go of and not read any more, and the
/// list works again once its ranges are guest memory again.
#[derive(Clone, Debug, Default)]
pub struct ScatterList {
    segments: Vec<Segment>,
    total: u64,
    state: State,
}

/// Whether there is memory behind the ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Mapped,
    /// Segments are guest addresses and lengths only.
    Unmapped,
}

/// Bytes that are neighbours both in guest-physical space and in one mapping.
#[derive(Clone, Debug)]
struct Segment {
    /// Bytes of the list before this segment.
    start: u64,
    address: u64,
    /// `None` while the list is unmapped.
    mapping: Option<Arc<MmapRegion>>,
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
        self.segments.len()
    }

    /// Whether there is memory behind the list: [`ScatterList::remap`] said so last.
    pub fn is_mapped(&self) -> bool {
        self.state == State::Mapped
    }

    /// Looks the ranges up again after a change of the guest's memory, and lets go of all that was
    /// mapped before. False if a range is not in `memory` now; then there is no memory behind the
    /// list until a later call finds it all.
    pub fn remap(&mut self, memory: &GuestMemoryMmap) -> bool {
        if self.is_mapped() && self.still_mapped(memory) {
            return true;
        }
        let mut list = Self::default();
        for segment in &self.segments {
            match list.push_range(memory, segment.address, segment.length) {
                Ok(true) => {}
                Ok(false) | Err(_) => {
                    self.unmap();
                    return false;
                }
            }
        }
        *self = list;
        true
    }

    fn unmap(&mut self) {
        self.state = State::Unmapped;
        for segment in &mut self.segments {
            segment.mapping = None;
        }
    }

    /// Whether every range is in `memory` at the same guest address and in the same mapping as
    /// when the list was made.
    fn still_mapped(&self, memory: &GuestMemoryMmap) -> bool {
        self.segments.iter().all(|segment| {
            let found = locate(memory, segment.address);
            found
                .zip(segment.mapping.as_ref())
                .is_some_and(|(found, mapping)| {
                    Arc::ptr_eq(&found.mapping, mapping)
                        && found.offset == segment.offset
                        && found.available >= segment.length
                })
        })
    }

    /// The memory of `length` bytes from byte `offset` on, piece by piece; `None` if the list ends
    /// before, or is not mapped. The first piece is found by binary search.
    pub fn slices_at(&self, offset: u64, length: u64) -> Option<Slices<'_>> {
        if !self.is_mapped() || offset.checked_add(length)? > self.total {
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
            self.push(at, found, length)?;
            left = left.saturating_sub(length);
            at = match at.checked_add(length) {
                Some(next) => next,
                None => return Ok(left == 0),
            };
        }
        Ok(true)
    }

    fn push(&mut self, address: u64, found: Location, length: u64) -> Result<(), Error> {
        let start = self.total;
        self.total = start.checked_add(length).ok_or(Error::ScatterListTooLong)?;
        if let Some(last) = self.segments.last_mut()
            && last
                .mapping
                .as_ref()
                .is_some_and(|mapping| Arc::ptr_eq(mapping, &found.mapping))
            && last.address.checked_add(last.length) == Some(address)
            && last.offset.checked_add(last.length) == Some(found.offset)
        {
            last.length = last.length.saturating_add(length);
            return Ok(());
        }
        self.segments
            .try_reserve(1)
            .map_err(|_| Error::ScatterListTooLong)?;
        self.segments.push(Segment {
            start,
            address,
            mapping: Some(found.mapping),
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
            .as_ref()?
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
