//! The two requests to the kernel that no crate has: both take plain numbers and descriptors.
#![allow(unsafe_code)]

#[cfg(feature = "udmabuf")]
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
#[cfg(feature = "udmabuf")]
use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;

/// `linux/dma-buf.h`: one 64-bit word of flags.
mod raw {
    nix::ioctl_write_ptr!(dma_buf_sync, b'b', 0, u64);
    // `linux/udmabuf.h`: the size in the number is that of the header alone.
    #[cfg(feature = "udmabuf")]
    nix::ioctl_write_ptr!(udmabuf_create_list, b'u', 0x43, [u32; 2]);
}

/// `DMA_BUF_IOCTL_SYNC` on a dma-buf.
pub(crate) fn dma_buf_sync(fd: BorrowedFd<'_>, flags: u64) -> Result<(), Errno> {
    loop {
        // SAFETY: the pointer is to one live `u64`, which is what the request reads.
        match unsafe { raw::dma_buf_sync(fd.as_raw_fd(), &raw const flags) } {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(()),
        }
    }
}

/// Pages of a memory file that become part of a dma-buf.
#[cfg(feature = "udmabuf")]
#[derive(Clone, Copy, Debug)]
pub struct MemfdRange<'a> {
    /// The memory file: sealed against shrinking, and not against writing.
    pub file: BorrowedFd<'a>,
    /// Where the range begins, in whole pages.
    pub offset: u64,
    /// Its length in bytes, whole pages.
    pub length: u64,
}

/// `UDMABUF_CREATE_LIST` on `/dev/udmabuf`.
#[cfg(feature = "udmabuf")]
pub(crate) fn udmabuf_create_list(
    device: BorrowedFd<'_>,
    ranges: &[MemfdRange<'_>],
) -> io::Result<OwnedFd> {
    const CLOSE_ON_EXEC: u32 = 1;
    let count = u32::try_from(ranges.len()).map_err(|_| Errno::EINVAL)?;
    let pair = |low: u32, high: u32| {
        let ([a, b, c, d], [e, f, g, h]) = (low.to_ne_bytes(), high.to_ne_bytes());
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    };
    let mut words = vec![pair(CLOSE_ON_EXEC, count)];
    for range in ranges {
        let file = u32::try_from(range.file.as_raw_fd()).map_err(|_| Errno::EBADF)?;
        words.extend([pair(file, 0), range.offset, range.length]);
    }
    // SAFETY: the kernel reads a header of two 32-bit numbers and then as many entries of three
    // 64-bit words as the second of them says: exactly what `words` holds.
    let fd = unsafe { raw::udmabuf_create_list(device.as_raw_fd(), words.as_ptr().cast()) }?;
    // SAFETY: on success the request returns a new descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
