//! Memory files, for pictures that a compositor or another device reads.

use std::fs::File;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::allocator::{grant, importable_layout};
use crate::memory::Memory;
use crate::{Access, Allocator, Buffer, BufferRequest, Error, Image, ImageRequest, Usage};

/// The largest page size of the supported architectures, so that a file is whole pages on each.
const PAGE: u64 = 64 * 1024;

/// `MFD_NOEXEC_SEAL`, since Linux 6.3, which some systems insist on: pixels are no program.
const NOT_EXECUTABLE: MFdFlags = MFdFlags::from_bits_retain(8);

/// Makes buffers of sealed memory files.
///
/// No one who is given the file can shrink it under the reader (which would be a SIGBUS), grow it,
/// or seal it further.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemfdAllocator;

impl Allocator for MemfdAllocator {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        Ok(Buffer::new(request.layout, memory(request.layout.size())?))
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, Error> {
        let usage = grant("memfd", Usage::LINEAR, request)?;
        let layout = importable_layout(request)?;
        let memory = memory(layout.size())?;
        Ok(Image::of_memory(layout, usage, memory))
    }
}

fn memory(bytes: u64) -> Result<Memory, Error> {
    let (file, _) = sealed_file(bytes)?;
    Memory::of_file(file, bytes, Access::Write)
}

/// A memory file of at least `bytes` and whole pages, and its size.
pub(super) fn sealed_file(bytes: u64) -> Result<(File, u64), Error> {
    let file_bytes = bytes
        .checked_next_multiple_of(PAGE)
        .ok_or(Error::BufferTooLarge { bytes })?;
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let create = |flags| memfd_create(c"gpu_buffer", flags).map(File::from);
    let file = match create(flags | NOT_EXECUTABLE) {
        Err(Errno::EINVAL) => create(flags),
        made => made,
    }
    .map_err(|errno| Error::CreateMemfd(errno.into()))?;
    file.set_len(file_bytes)
        .map_err(|source| Error::ResizeMemfd {
            bytes: file_bytes,
            source,
        })?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(|errno| Error::SealMemfd(errno.into()))?;
    Ok((file, file_bytes))
}
