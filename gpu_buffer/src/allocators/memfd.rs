//! Memory files, for pictures that a compositor or another device reads.

use std::fs::File;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use vm_memory::{FileOffset, MmapRegion};

use super::{addressable, map_error};
use crate::{Allocator, Buffer, BufferRequest, Error};

/// The largest page size of the supported architectures, so that a file is whole pages on each.
const PAGE: u64 = 64 * 1024;

/// Makes buffers of sealed memory files.
///
/// No one who is given the file can shrink it under the reader (which would be a SIGBUS), grow it,
/// or seal it further.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemfdAllocator;

impl Allocator for MemfdAllocator {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        let bytes = request.layout.size();
        let mapped = addressable(bytes)?;
        let file_bytes = bytes
            .checked_next_multiple_of(PAGE)
            .ok_or(Error::BufferTooLarge { bytes })?;

        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = memfd_create(c"gpu_buffer", flags)
            .map(File::from)
            .map_err(|errno| Error::CreateMemfd(errno.into()))?;
        file.set_len(file_bytes)
            .map_err(|source| Error::ResizeMemfd {
                bytes: file_bytes,
                source,
            })?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))
            .map_err(|errno| Error::SealMemfd(errno.into()))?;

        let mapping = MmapRegion::from_file(FileOffset::new(file, 0), mapped)
            .map_err(|error| map_error(bytes, error))?;
        Ok(Buffer::new(request.layout, mapping))
    }
}
