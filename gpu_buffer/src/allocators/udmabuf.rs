//! dma-bufs of ordinary pages, by `/dev/udmabuf`, which a kernel may be built without: what a device
//! or a compositor imports and a CPU reads and writes at full speed.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::memfd::sealed_file;
use crate::allocator::{grant, importable_layout};
use crate::ioctl::udmabuf_create_list;
use crate::memory::Memory;
use crate::{Allocator, Buffer, BufferRequest, Error, Image, ImageRequest, Usage};

pub use crate::ioctl::MemfdRange;

/// Where the kernel has it.
const DEVICE: &str = "/dev/udmabuf";
const PARAMETERS: &str = "/sys/module/udmabuf/parameters";
/// The smallest page there is.
const PAGE: u64 = 4096;

/// The kernel's limits on one dma-buf. A request beyond them is refused without asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdmabufLimits {
    /// The most ranges.
    pub ranges: usize,
    /// The most bytes.
    pub bytes: u64,
}

impl Default for UdmabufLimits {
    /// What the kernel has unless it was told otherwise: 1,024 ranges, 64 MiB.
    fn default() -> Self {
        Self {
            ranges: 1024,
            bytes: 64 << 20,
        }
    }
}

impl UdmabufLimits {
    /// The kernel's own, which an administrator may have changed.
    pub fn current() -> Self {
        Self::read(Path::new(PARAMETERS))
    }

    /// The limits that the kernel's module says it has, in `folder`; defaults for what it does not.
    fn read(folder: &Path) -> Self {
        let number = |name| -> Option<u64> {
            let text = fs::read_to_string(folder.join(name)).ok()?;
            text.trim().parse().ok()
        };
        let default = Self::default();
        let ranges = number("list_limit").and_then(|ranges| usize::try_from(ranges).ok());
        let bytes = number("size_limit_mb").and_then(|mebibytes| mebibytes.checked_mul(1 << 20));
        Self {
            ranges: ranges.unwrap_or(default.ranges),
            bytes: bytes.unwrap_or(default.bytes),
        }
    }
}

/// Makes dma-bufs of the pages of memory files.
#[derive(Debug)]
pub struct UdmabufAllocator {
    device: File,
    limits: UdmabufLimits,
}

impl UdmabufAllocator {
    /// Opens `/dev/udmabuf`.
    ///
    /// # Errors
    /// [`Error::OpenDevice`]: the kernel has none, or we may not use it.
    pub fn open() -> Result<Self, Error> {
        Self::open_at(Path::new(DEVICE), UdmabufLimits::current())
    }

    /// Opens the device file `path`, whose limits the caller knows.
    ///
    /// # Errors
    /// [`Error::OpenDevice`].
    pub fn open_at(path: &Path, limits: UdmabufLimits) -> Result<Self, Error> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let device = opened.map_err(|source| Error::OpenDevice {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { device, limits })
    }

    /// A dma-buf of pages that are elsewhere, in the order of `ranges`: a guest's, for example.
    /// Neighbours are merged before they are counted against the limit.
    ///
    /// # Errors
    /// [`Error::UdmabufLimit`], [`Error::NotWholePages`]; [`Error::Udmabuf`] from the kernel, which
    /// wants each file sealed against shrinking and not against writing.
    pub fn share_pages(&self, ranges: &[MemfdRange<'_>]) -> Result<OwnedFd, Error> {
        let merged = merge(ranges)?;
        let bytes = merged
            .iter()
            .fold(0_u64, |sum, range| sum.saturating_add(range.length));
        if merged.len() > self.limits.ranges || bytes > self.limits.bytes {
            return Err(Error::UdmabufLimit {
                bytes,
                ranges: merged.len(),
                byte_limit: self.limits.bytes,
                range_limit: self.limits.ranges,
            });
        }
        udmabuf_create_list(self.device.as_fd(), &merged).map_err(Error::Udmabuf)
    }

    fn memory(&self, bytes: u64) -> Result<Memory, Error> {
        let (file, length) = sealed_file(bytes)?;
        let dma_buf = self.share_pages(&[MemfdRange {
            file: file.as_fd(),
            offset: 0,
            length,
        }])?;
        Memory::of_pages(file, dma_buf, bytes)
    }
}

impl Allocator for UdmabufAllocator {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        let memory = self.memory(request.layout.size())?;
        Ok(Buffer::new(request.layout, memory))
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, Error> {
        let usage = grant("udmabuf", Usage::LINEAR, request)?;
        let layout = importable_layout(request)?;
        let memory = self.memory(layout.size())?;
        Ok(Image::of_memory(layout, usage, memory))
    }
}

/// The same pages in as few ranges as possible.
fn merge<'a>(ranges: &[MemfdRange<'a>]) -> Result<Vec<MemfdRange<'a>>, Error> {
    use std::os::fd::AsRawFd;

    let mut merged: Vec<MemfdRange<'a>> = Vec::new();
    for range in ranges {
        let MemfdRange { offset, length, .. } = *range;
        let whole = |bytes: u64| bytes.is_multiple_of(PAGE);
        if length == 0 || !whole(offset) || !whole(length) || offset.checked_add(length).is_none() {
            return Err(Error::NotWholePages { offset, length });
        }
        if let Some(last) = merged.last_mut()
            && last.file.as_raw_fd() == range.file.as_raw_fd()
            && last.offset.checked_add(last.length) == Some(offset)
        {
            last.length = last.length.saturating_add(length);
        } else {
            merged.push(*range);
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges<'a>(file: &'a File, places: &[(u64, u64)]) -> Vec<MemfdRange<'a>> {
        let range = |&(offset, length)| MemfdRange {
            file: file.as_fd(),
            offset,
            length,
        };
        places.iter().map(range).collect()
    }

    fn allocator(limits: UdmabufLimits) -> UdmabufAllocator {
        UdmabufAllocator::open_at(Path::new("/dev/null"), limits).unwrap()
    }

    #[test]
    fn neighbours_are_one_range() {
        let file = File::open("/dev/null").unwrap();
        let places = [(0, 4096), (4096, 8192), (0, 4096), (8192, 4096)];

        let merged = merge(&ranges(&file, &places)).unwrap();

        let found: Vec<_> = merged.iter().map(|r| (r.offset, r.length)).collect();
        assert_eq!(found, [(0, 12288), (0, 4096), (8192, 4096)]);
    }

    #[test]
    fn parts_of_pages_are_refused() {
        let file = File::open("/dev/null").unwrap();
        for place in [(1, 4096), (0, 4095), (0, 0), (u64::MAX - 4095, 8192)] {
            let result = merge(&ranges(&file, &[place]));

            assert!(
                matches!(result, Err(Error::NotWholePages { .. })),
                "{place:?}"
            );
        }
    }

    #[test]
    fn the_limits_are_kept_without_asking_the_kernel() {
        let file = File::open("/dev/null").unwrap();
        let allocator = allocator(UdmabufLimits {
            ranges: 2,
            bytes: 1 << 20,
        });
        let three = [(0, 4096), (8192, 4096), (16384, 4096)];
        let large = [(0, (1 << 20) + 4096)];
        for places in [&three[..], &large[..]] {
            let result = allocator.share_pages(&ranges(&file, places));

            assert!(
                matches!(result, Err(Error::UdmabufLimit { .. })),
                "{places:?}"
            );
        }
    }

    #[test]
    fn what_is_no_udmabuf_device_makes_none_and_says_so() {
        let file = File::open("/dev/null").unwrap();
        let allocator = allocator(UdmabufLimits::default());

        let result = allocator.share_pages(&ranges(&file, &[(0, 4096)]));

        assert!(matches!(result, Err(Error::Udmabuf(_))), "{result:?}");
    }

    #[test]
    fn limits_come_from_the_modules_parameters() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("size_limit_mb"), "16\n").unwrap();

        let limits = UdmabufLimits::read(folder.path());

        assert_eq!(
            limits,
            UdmabufLimits {
                ranges: 1024,
                bytes: 16 << 20
            }
        );
    }
}
