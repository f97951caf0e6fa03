//! The allocators that need no C library.

mod anonymous;
mod memfd;

use std::io;

use vm_memory::mmap::MmapRegionError;

use crate::Error;

pub use anonymous::AnonymousAllocator;
pub use memfd::MemfdAllocator;

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
