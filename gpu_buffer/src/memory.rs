//! Mapped memory and what can be given away of it. Allocators and imports make it; buffers and
//! images are views of it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc::{MAP_NORESERVE, MAP_SHARED, PROT_READ, PROT_WRITE};
use nix::unistd::{Whence, lseek};
use vm_memory::mmap::MmapRegionError;
use vm_memory::{FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

use crate::sigbus::Guard;
use crate::{Access, CpuAccess, Error, huge_pages};

/// Where private memory begins in its first page. Mostly whole pages of a guest are copied there,
/// and between addresses that differ within a page a processor copies faster: `rep movsb` by 7 to
/// 10 % where it was measured (AMD Zen 3).
const HALF_A_PAGE: usize = 2048;

/// What other processes and devices can be given of some memory.
#[derive(Debug)]
enum Sharing {
    Nothing,
    /// The memory file that is mapped.
    File,
    /// The memory file that is mapped, and a dma-buf of its pages.
    #[cfg(feature = "udmabuf")]
    FileAndDmaBuf(OwnedFd),
    /// The dma-buf that is mapped.
    DmaBuf,
}

/// Memory that is mapped into this process and unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    // Ends before the mapping.
    guard: Option<Guard>,
    mapping: MmapRegion,
    /// Bytes of the mapping before the memory.
    skipped: usize,
    sharing: Sharing,
    access: Access,
}

impl Memory {
    /// Pages that nobody else sees. They cost memory only once they are written, large ones
    /// in steps of 2 MiB where the kernel has pages of that size.
    pub(crate) fn private(bytes: u64) -> Result<Self, Error> {
        let mapped = addressable(bytes)?.checked_add(HALF_A_PAGE);
        let mapping = MmapRegion::new(mapped.ok_or(Error::BufferTooLarge { bytes })?)
            .map_err(|error| map_error(bytes, error))?;
        huge_pages::ask(&mapping);
        Ok(Self {
            guard: None,
            mapping,
            skipped: HALF_A_PAGE,
            sharing: Sharing::Nothing,
            access: Access::Write,
        })
    }

    /// The first `bytes` of a memory file.
    pub(crate) fn of_file(file: File, bytes: u64, access: Access) -> Result<Self, Error> {
        Ok(Self {
            guard: None,
            mapping: map(file, bytes, access)?,
            skipped: 0,
            sharing: Sharing::File,
            access,
        })
    }

    /// The first `bytes` of a memory file, of whose pages `dma_buf` is made.
    #[cfg(feature = "udmabuf")]
    pub(crate) fn of_pages(file: File, dma_buf: OwnedFd, bytes: u64) -> Result<Self, Error> {
        Ok(Self {
            guard: None,
            mapping: map(file, bytes, Access::Write)?,
            skipped: 0,
            sharing: Sharing::FileAndDmaBuf(dma_buf),
            access: Access::Write,
        })
    }

    /// The first `bytes` of a dma-buf.
    pub(crate) fn of_dma_buf(dma_buf: OwnedFd, bytes: u64, access: Access) -> Result<Self, Error> {
        Ok(Self {
            guard: None,
            mapping: map(File::from(dma_buf), bytes, access)?,
            skipped: 0,
            sharing: Sharing::DmaBuf,
            access,
        })
    }

    /// The same memory, which its owner may take away.
    pub(crate) fn guarded(mut self) -> Result<Self, Error> {
        self.guard = Some(Guard::new(&self.mapping)?);
        Ok(self)
    }

    /// Whether the owner has taken away what was read or written.
    pub(crate) fn is_dead(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::is_dead)
    }

    pub(crate) fn slice(&self) -> VolatileSlice<'_> {
        let mapped = self.mapping.as_volatile_slice();
        mapped.offset(self.skipped).unwrap_or(mapped)
    }

    /// The memory file whose first bytes the memory is.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        match self.sharing {
            Sharing::File => self.mapped_file(),
            #[cfg(feature = "udmabuf")]
            Sharing::FileAndDmaBuf(_) => self.mapped_file(),
            Sharing::Nothing | Sharing::DmaBuf => None,
        }
    }

    /// The dma-buf whose first bytes the memory is.
    pub(crate) fn dma_buf(&self) -> Option<BorrowedFd<'_>> {
        match &self.sharing {
            #[cfg(feature = "udmabuf")]
            Sharing::FileAndDmaBuf(dma_buf) => Some(dma_buf.as_fd()),
            Sharing::DmaBuf => self.mapped_file(),
            Sharing::Nothing | Sharing::File => None,
        }
    }

    /// The best that can be given away: a dma-buf, else a memory file.
    pub(crate) fn export(&self, plane: usize) -> Result<OwnedFd, Error> {
        self.dma_buf()
            .or_else(|| self.file())
            .ok_or(Error::NotShareable)?
            .try_clone_to_owned()
            .map_err(|source| Error::Export { plane, source })
    }

    /// Begins a CPU's turn.
    pub(crate) fn begin(&self, access: Access) -> Result<CpuAccess<'_>, Error> {
        if access == Access::Write && self.access == Access::Read {
            return Err(Error::ReadOnly);
        }
        if self.is_dead() {
            return Err(Error::Dead);
        }
        CpuAccess::begin(self.dma_buf(), access)
    }

    fn mapped_file(&self) -> Option<BorrowedFd<'_>> {
        self.mapping.file_offset().map(|file| file.file().as_fd())
    }
}

fn map(file: File, bytes: u64, access: Access) -> Result<MmapRegion, Error> {
    let protection = match access {
        Access::Read => PROT_READ,
        Access::Write => PROT_READ | PROT_WRITE,
    };
    let flags = MAP_NORESERVE | MAP_SHARED;
    let file = FileOffset::new(file, 0);
    MmapRegion::build(Some(file), addressable(bytes)?, protection, flags)
        .map_err(|error| map_error(bytes, error))
}

fn addressable(bytes: u64) -> Result<usize, Error> {
    usize::try_from(bytes).map_err(|_| Error::BufferTooLarge { bytes })
}

fn map_error(bytes: u64, error: MmapRegionError) -> Error {
    let source = match error {
        MmapRegionError::Mmap(source) => source,
        other => io::Error::other(other),
    };
    Error::Map { bytes, source }
}

/// The bytes of a dma-buf.
pub(crate) fn dma_buf_size(dma_buf: BorrowedFd<'_>) -> Result<u64, Error> {
    let end = lseek(dma_buf, 0, Whence::SeekEnd).map_err(|errno| Error::Size(errno.into()))?;
    u64::try_from(end).map_err(|_| Error::NotABuffer)
}
