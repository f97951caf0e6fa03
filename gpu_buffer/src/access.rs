//! A CPU's turn on memory that devices use, too.
//!
//! A dma-buf may be cached for the CPU, for the device, or for neither (write-combined: fast to
//! write in order, very slow to read). `DMA_BUF_IOCTL_SYNC` before and after a CPU's turn makes both
//! see the same bytes, and costs nothing where they do anyway. It also waits for whatever a device
//! still does with the buffer, for ever if the device hangs: so a turn begins only where there is
//! nothing to wait for, and [`wait_idle`] waits with a limit.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{FsType, HUGETLBFS_MAGIC, fstatfs};

use crate::{Error, ioctl};

const READ: u64 = 1;
const WRITE: u64 = 2;
const END: u64 = 4;

/// `DMA_BUF_MAGIC`, since Linux 5.3: the file system that all dma-bufs are in.
const DMA_BUF_FILES: FsType = FsType(0x444d_4142);

/// What a CPU does in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It only reads.
    Read,
    /// It writes, and may read.
    Write,
}

impl Access {
    const fn flags(self) -> u64 {
        match self {
            Self::Read => READ,
            Self::Write => READ | WRITE,
        }
    }

    /// A reader waits for writers; a writer waits for everybody.
    const fn events(self) -> PollFlags {
        match self {
            Self::Read => PollFlags::POLLIN,
            Self::Write => PollFlags::POLLOUT,
        }
    }
}

/// A CPU's turn on a buffer, until it is dropped. For memory that no device has, it is nothing.
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub struct CpuAccess<'a> {
    dma_buf: Option<BorrowedFd<'a>>,
    access: Access,
}

impl<'a> CpuAccess<'a> {
    /// Begins a turn on `dma_buf`.
    ///
    /// # Errors
    /// [`Error::Busy`] if it would have to wait for a device, [`Error::Wait`], [`Error::Sync`].
    pub(crate) fn begin(dma_buf: Option<BorrowedFd<'a>>, access: Access) -> Result<Self, Error> {
        if let Some(fd) = dma_buf {
            if !wait_idle(fd, access, Duration::ZERO)? {
                return Err(Error::Busy);
            }
            ioctl::dma_buf_sync(fd, access.flags()).map_err(|errno| Error::Sync(errno.into()))?;
        }
        Ok(Self { dma_buf, access })
    }
}

impl Drop for CpuAccess<'_> {
    fn drop(&mut self) {
        if let Some(fd) = self.dma_buf {
            // What has begun ends: the kernel knows no failure here but an interruption.
            let _ = ioctl::dma_buf_sync(fd, self.access.flags() | END);
        }
    }
}

/// Waits until no device does anything with `dma_buf` that `access` must not see, at most for
/// `limit`; returns whether that is so.
///
/// # Errors
/// [`Error::Wait`].
pub fn wait_idle(dma_buf: BorrowedFd<'_>, access: Access, limit: Duration) -> Result<bool, Error> {
    let start = Instant::now();
    loop {
        let left = limit.saturating_sub(start.elapsed());
        // A part of a millisecond is waited for as a whole one, so that the limit is reached.
        let milliseconds = left.as_micros().div_ceil(1000);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(dma_buf, access.events())];
        match poll(&mut fds, timeout) {
            Ok(0) if milliseconds == 0 => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(Error::Wait(io::Error::from(errno))),
        }
    }
}

/// Whether `fd` is a dma-buf. The kernel says so, not whoever made the file.
pub(crate) fn is_dma_buf(fd: BorrowedFd<'_>) -> bool {
    is_in(fd, DMA_BUF_FILES)
}

/// Whether the memory of `fd` is huge pages.
pub(crate) fn is_of_huge_pages(fd: BorrowedFd<'_>) -> bool {
    is_in(fd, HUGETLBFS_MAGIC)
}

fn is_in(fd: BorrowedFd<'_>, files: FsType) -> bool {
    fstatfs(fd).is_ok_and(|statistics| statistics.filesystem_type() == files)
}
