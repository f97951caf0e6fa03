//! The guest memory that the front end shares, and its two kinds of addresses.
//!
//! Regions come with guest-physical addresses, which the rings' descriptors use, and with the front end's own
//! virtual addresses, which it uses for the rings themselves.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::stat::{SFlag, fstat};
use vhost::vhost_user::message::VhostUserMemoryRegion;
use vm_memory::{
    FileOffset, GuestAddress, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap, MmapRegion,
};

use crate::Error;

/// The most regions at a time. QEMU has at most 509 hot-pluggable regions below its own cap of 512 slots.
pub(crate) const MAX_SLOTS: usize = 509;

/// One region as the front end describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionInfo {
    /// Guest-physical address of its first byte.
    pub(crate) guest_address: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// Address of its first byte in the front end.
    pub(crate) user_address: u64,
    /// Offset of its first byte in the shared file, in bytes.
    pub(crate) file_offset: u64,
}

impl From<VhostUserMemoryRegion> for RegionInfo {
    fn from(region: VhostUserMemoryRegion) -> Self {
        Self {
            guest_address: region.guest_phys_addr,
            size: region.memory_size,
            user_address: region.user_addr,
            file_offset: region.mmap_offset,
        }
    }
}

/// The regions that are mapped now. A change is made whole or not at all.
#[derive(Debug, Default)]
pub(crate) struct MemoryTable {
    regions: Vec<Region>,
}

#[derive(Clone, Debug)]
struct Region {
    info: RegionInfo,
    mapping: Arc<GuestRegionMmap<()>>,
}

impl MemoryTable {
    /// Replaces all regions.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryRegion`], [`Error::MapMemory`]; the old regions stay.
    pub(crate) fn replace(&mut self, regions: Vec<(RegionInfo, OwnedFd)>) -> Result<(), Error> {
        let mut table = Self::default();
        for (info, fd) in regions {
            table.add(info, fd)?;
        }
        *self = table;
        Ok(())
    }

    /// Adds one region.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryRegion`], [`Error::MapMemory`], [`Error::MemorySlots`]; nothing is added.
    pub(crate) fn add(&mut self, info: RegionInfo, fd: OwnedFd) -> Result<(), Error> {
        if self.regions.len() >= MAX_SLOTS {
            return Err(Error::MemorySlots { slots: MAX_SLOTS });
        }
        let overlaps = |other: &Region| {
            ranges_overlap(
                info.guest_address,
                other.info.guest_address,
                info.size,
                other.info.size,
            ) || ranges_overlap(
                info.user_address,
                other.info.user_address,
                info.size,
                other.info.size,
            )
        };
        if self.regions.iter().any(overlaps) {
            return Err(info.problem("it overlaps another region"));
        }
        let mapping = Arc::new(map(info, fd)?);
        let place = self
            .regions
            .partition_point(|other| other.info.guest_address < info.guest_address);
        self.regions.insert(place, Region { info, mapping });
        Ok(())
    }

    /// Removes the region with these addresses and this size.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryRegion`] when there is none.
    pub(crate) fn remove(&mut self, info: RegionInfo) -> Result<(), Error> {
        let is_it = |region: &Region| {
            region.info.guest_address == info.guest_address
                && region.info.user_address == info.user_address
                && region.info.size == info.size
        };
        match self.regions.iter().position(is_it) {
            Some(place) => {
                self.regions.remove(place);
                Ok(())
            }
            None => Err(info.problem("there is no such region")),
        }
    }

    /// The regions as guest memory.
    #[must_use]
    pub(crate) fn guest_memory(&self) -> Arc<GuestMemoryMmap<()>> {
        let regions: Vec<_> = self
            .regions
            .iter()
            .map(|region| Arc::clone(&region.mapping))
            .collect();
        // Sorted and without overlaps, so the only error left is that there are none.
        Arc::new(GuestMemoryMmap::from_arc_regions(regions).unwrap_or_default())
    }

    /// The guest-physical address of an address of the front end.
    ///
    /// # Errors
    ///
    /// [`Error::AddressOutsideMemory`].
    pub(crate) fn translate(&self, user_address: u64) -> Result<GuestAddress, Error> {
        self.regions
            .iter()
            .find_map(|region| {
                let offset = user_address.checked_sub(region.info.user_address)?;
                (offset < region.info.size)
                    .then(|| region.info.guest_address.checked_add(offset))
                    .flatten()
            })
            .map(GuestAddress)
            .ok_or(Error::AddressOutsideMemory {
                address: user_address,
            })
    }
}

impl RegionInfo {
    fn problem(&self, problem: &'static str) -> Error {
        Error::MemoryRegion {
            guest_address: self.guest_address,
            size: self.size,
            problem,
        }
    }
}

/// Maps a region after checking that the file really has it: a mapping beyond its end would be a SIGBUS later.
fn map(info: RegionInfo, fd: OwnedFd) -> Result<GuestRegionMmap<()>, Error> {
    let ends = [info.guest_address, info.user_address, info.file_offset];
    if info.size == 0
        || ends
            .iter()
            .any(|start| start.checked_add(info.size).is_none())
    {
        return Err(info.problem("it is empty or wraps around"));
    }
    let size = usize::try_from(info.size).map_err(|_| info.problem("it is too large"))?;
    let file = fstat(&fd).map_err(|_| info.problem("its file cannot be examined"))?;
    if SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(info.problem("its descriptor is not a file"));
    }
    let file_size = u64::try_from(file.st_size).unwrap_or(0);
    if info.file_offset.saturating_add(info.size) > file_size {
        return Err(info.problem("its file is too short"));
    }
    let file = FileOffset::new(File::from(fd), info.file_offset);
    let mapping = MmapRegion::from_file(file, size).map_err(|source| Error::MapMemory {
        guest_address: info.guest_address,
        source,
    })?;
    GuestRegionMmap::new(mapping, GuestAddress(info.guest_address))
        .filter(|region| region.len() == info.size)
        .ok_or_else(|| info.problem("it is empty or wraps around"))
}

/// Whether two ranges that do not wrap around share an address.
fn ranges_overlap(first: u64, second: u64, first_size: u64, second_size: u64) -> bool {
    first < second.saturating_add(second_size) && second < first.saturating_add(first_size)
}
