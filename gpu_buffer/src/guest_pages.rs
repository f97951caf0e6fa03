//! A guest's scattered memory by the files behind it: what becomes a dma-buf without a copy.

use std::fmt::Debug;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion};

use crate::allocators::udmabuf::{MemfdRange, UdmabufAllocator};
use crate::{Error, ScatterList};

/// Ranges of guest memory, each in a file that the guest's memory is mapped from. It keeps those
/// mapped; a dma-buf made of it needs it no longer.
#[derive(Clone, Debug, Default)]
pub struct GuestPages {
    ranges: Vec<Range>,
}

/// Who makes dma-bufs of a guest's own pages: [`UdmabufAllocator`], or a program that has its guest's
/// memory as dma-bufs already.
pub trait SharePages: Debug {
    /// A dma-buf of the ranges, in their order.
    ///
    /// # Errors
    /// Those of [`UdmabufAllocator::share_pages`].
    fn share_pages(&mut self, ranges: &[MemfdRange<'_>]) -> Result<OwnedFd, Error>;
}

impl SharePages for UdmabufAllocator {
    fn share_pages(&mut self, ranges: &[MemfdRange<'_>]) -> Result<OwnedFd, Error> {
        Self::share_pages(self, ranges)
    }
}

/// Bytes of one file.
#[derive(Clone, Debug)]
struct Range {
    region: Arc<MmapRegion>,
    /// Where they begin in the file.
    offset: u64,
    length: u64,
}

impl GuestPages {
    /// Looks up the ranges `(guest-physical address, length in bytes)` in `memory`, as
    /// [`ScatterList::resolve`](crate::ScatterList::resolve) does. Neighbours in a file become one.
    ///
    /// The list grows with the number of entries: the caller bounds that.
    ///
    /// # Errors
    /// [`Error::Unmapped`], [`Error::NotShareable`] if the memory has no file,
    /// [`Error::ScatterListTooLong`].
    pub fn resolve(
        memory: &GuestMemoryMmap,
        entries: impl Iterator<Item = (u64, u32)>,
    ) -> Result<Self, Error> {
        let mut pages = Self::default();
        for (address, length) in entries {
            let unmapped = Error::Unmapped { address, length };
            let mut at = address;
            let mut left = u64::from(length);
            while left > 0 {
                let Some((region, within, available)) = locate(memory, at) else {
                    return Err(unmapped);
                };
                let length = left.min(available);
                pages.push(&region, within, length)?;
                left = left.saturating_sub(length);
                at = match at.checked_add(length) {
                    Some(next) => next,
                    None if left == 0 => break,
                    None => return Err(unmapped),
                };
            }
        }
        Ok(pages)
    }

    /// The ranges of a list, in the files that they are mapped from now.
    ///
    /// # Errors
    /// [`Error::NotShareable`] if the list is not mapped or the memory has no file,
    /// [`Error::ScatterListTooLong`].
    pub fn of_list(list: &ScatterList) -> Result<Self, Error> {
        let mut pages = Self::default();
        for piece in list.mapped_pieces() {
            let (region, within, length) = piece.ok_or(Error::NotShareable)?;
            pages.push(region, within, length)?;
        }
        Ok(pages)
    }

    /// Number of ranges, after neighbours were merged: what counts against udmabuf's limit.
    pub fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// The ranges as files, offsets and lengths, in their order.
    ///
    /// # Errors
    /// [`Error::NotShareable`].
    pub fn files(&self) -> Result<Vec<MemfdRange<'_>>, Error> {
        let ranges = self.ranges.iter().map(|range| {
            Some(MemfdRange {
                file: range.region.file_offset()?.file().as_fd(),
                offset: range.offset,
                length: range.length,
            })
        });
        ranges.collect::<Option<_>>().ok_or(Error::NotShareable)
    }

    /// A dma-buf of these pages, in this order.
    ///
    /// # Errors
    /// Those of [`UdmabufAllocator::share_pages`].
    pub fn share(&self, udmabuf: &UdmabufAllocator) -> Result<OwnedFd, Error> {
        udmabuf.share_pages(&self.files()?)
    }

    /// Adds bytes of a region, `within` it.
    fn push(&mut self, region: &Arc<MmapRegion>, within: u64, length: u64) -> Result<(), Error> {
        let file = region.file_offset().ok_or(Error::NotShareable)?;
        let offset = file.start().checked_add(within);
        let offset = offset.ok_or(Error::ScatterListTooLong)?;
        if let Some(last) = self.ranges.last_mut()
            && Arc::ptr_eq(&last.region, region)
            && last.offset.checked_add(last.length) == Some(offset)
        {
            last.length = last.length.saturating_add(length);
            return Ok(());
        }
        self.ranges
            .try_reserve(1)
            .map_err(|_| Error::ScatterListTooLong)?;
        self.ranges.push(Range {
            region: Arc::clone(region),
            offset,
            length,
        });
        Ok(())
    }
}

/// The region that has `address`, how far it is from the region's start and from its end.
fn locate(memory: &GuestMemoryMmap, address: u64) -> Option<(Arc<MmapRegion>, u64, u64)> {
    let region = memory.find_region(GuestAddress(address))?;
    let within = address.checked_sub(region.start_addr().0)?;
    let available = region.len().checked_sub(within).filter(|&left| left > 0)?;
    Some((region.get_mmap(), within, available))
}

#[cfg(test)]
mod tests {
    use vm_memory::FileOffset;

    use super::*;

    /// Two regions, neighbours for the guest, that lie apart in two files.
    fn guest() -> GuestMemoryMmap {
        let file = |offset| {
            let file = tempfile::tempfile().unwrap();
            file.set_len(0x10_0000).unwrap();
            Some(FileOffset::new(file, offset))
        };
        GuestMemoryMmap::from_ranges_with_files([
            (GuestAddress(0x10_0000), 0x2000, file(0x4000)),
            (GuestAddress(0x10_2000), 0x2000, file(0x1000)),
        ])
        .unwrap()
    }

    fn places(pages: &GuestPages) -> Vec<(u64, u64)> {
        let place = |range: &Range| (range.offset, range.length);
        pages.ranges.iter().map(place).collect()
    }

    #[test]
    fn neighbours_in_a_file_are_one_range_and_others_are_not() {
        let entries = [
            (0x10_0000, 0x1000),
            (0x10_1000, 0x1000),
            (0x10_3000, 0x1000),
            (0x10_2000, 0x1000),
        ];
        let pages = GuestPages::resolve(&guest(), entries.into_iter()).unwrap();

        assert_eq!(
            places(&pages),
            [(0x4000, 0x2000), (0x2000, 0x1000), (0x1000, 0x1000)]
        );
        assert_eq!(pages.ranges(), 3);
    }

    #[test]
    fn the_pages_of_a_list_are_those_of_its_entries() {
        let entries = [
            (0x10_0000, 0x1000),
            (0x10_3000, 0x1000),
            (0x10_1000, 0x2000),
        ];
        let list = ScatterList::resolve(&guest(), entries.into_iter()).unwrap();

        let pages = GuestPages::of_list(&list).unwrap();

        assert_eq!(
            places(&pages),
            [
                (0x4000, 0x1000),
                (0x2000, 0x1000),
                (0x5000, 0x1000),
                (0x1000, 0x1000)
            ]
        );
    }

    #[test]
    fn a_list_that_is_not_mapped_has_no_pages() {
        let mut list = ScatterList::resolve(&guest(), [(0x10_0000, 0x1000)].into_iter()).unwrap();
        list.remap(&GuestMemoryMmap::new());

        let result = GuestPages::of_list(&list);

        assert!(matches!(result, Err(Error::NotShareable)));
    }

    #[test]
    fn an_entry_may_run_over_regions() {
        let entries = [(0x10_1000, 0x3000)];
        let pages = GuestPages::resolve(&guest(), entries.into_iter()).unwrap();

        assert_eq!(places(&pages), [(0x5000, 0x1000), (0x1000, 0x2000)]);
    }

    #[test]
    fn what_is_not_guest_memory_is_refused() {
        for entry in [(0x10_3000, 0x1001), (0, 1), (u64::MAX, 2)] {
            let result = GuestPages::resolve(&guest(), [entry].into_iter());

            assert!(matches!(result, Err(Error::Unmapped { .. })), "{entry:?}");
        }
    }

    #[test]
    fn memory_without_a_file_cannot_be_shared() {
        let private = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x1000)]).unwrap();

        let result = GuestPages::resolve(&private, [(0, 0x1000)].into_iter());

        assert!(matches!(result, Err(Error::NotShareable)));
    }

    #[test]
    fn parts_of_pages_do_not_reach_the_kernel() {
        let udmabuf = UdmabufAllocator::open_at("/dev/null".as_ref(), Default::default()).unwrap();
        let pages = GuestPages::resolve(&guest(), [(0x10_0800, 0x1000)].into_iter()).unwrap();

        let result = pages.share(&udmabuf);

        assert!(matches!(
            result,
            Err(Error::NotWholePages {
                offset: 0x4800,
                length: 0x1000
            })
        ));
    }
}
