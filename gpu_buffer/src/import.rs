//! Memory that somebody else made: nothing of what they say about it is believed before it is
//! checked against the file itself.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use drm_fourcc::DrmModifier;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::access::{is_dma_buf, is_of_huge_pages};
use crate::image::ExportedImage;
use crate::memory::{Memory, dma_buf_size};
use crate::{Access, Error, Image, ImageLayout, PlanePlace, Usage};

/// What to do with a memory file that its owner could make shorter at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unsealed {
    /// Refuse it. Whoever shares memory files can seal them (`F_SEAL_SHRINK`).
    #[default]
    Refuse,
    /// Take it, under a guard that keeps the process alive: a page that has gone reads as zero, and
    /// the image is [`Error::Dead`] from then on. The handler of `SIGBUS` is then this crate's.
    Guard,
}

/// How to import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// What is to be done with the memory. Files sealed against writing, and descriptors for reading
    /// only, can be read.
    pub access: Access,
    /// Whether memory files need a seal.
    pub unsealed: Unsealed,
}

/// Maps a linear image that somebody else made: dma-bufs, or memory files.
///
/// # Errors
/// Those of [`ImageLayout::from_places`], [`Error::NotLinear`], [`Error::NotABuffer`],
/// [`Error::NotSealed`], [`Error::HugePages`], [`Error::FileTooShort`], [`Error::Size`], [`Error::Map`],
/// [`Error::Guard`], [`Error::TooManyGuards`].
pub fn import(exported: ExportedImage, options: ImportOptions) -> Result<Image, Error> {
    if exported.modifier != DrmModifier::Linear {
        return Err(Error::NotLinear {
            modifier: exported.modifier,
        });
    }
    let places: Vec<PlanePlace> = exported.planes.iter().map(|plane| plane.place).collect();
    let layout =
        ImageLayout::from_places(exported.width, exported.height, exported.format, &places)?;
    let planes = exported.planes.into_iter().zip(layout.planes());
    let memories: Result<Vec<Memory>, Error> = planes
        .map(|(plane, described)| map(plane.fd, described.end(), options))
        .collect();
    Ok(Image::of_memories(layout, Usage::LINEAR, memories?))
}

/// The first `needed` bytes of `fd`, which must be a kind of file that cannot fail under us.
fn map(fd: OwnedFd, needed: u64, options: ImportOptions) -> Result<Memory, Error> {
    let enough = |available: u64| {
        if available < needed {
            return Err(Error::FileTooShort { needed, available });
        }
        Ok(())
    };
    match seals(fd.as_fd()) {
        Some(seals) => {
            if is_of_huge_pages(fd.as_fd()) {
                return Err(Error::HugePages);
            }
            let sealed = seals.contains(SealFlag::F_SEAL_SHRINK);
            if !sealed && options.unsealed == Unsealed::Refuse {
                return Err(Error::NotSealed);
            }
            let file = File::from(fd);
            enough(file.metadata().map_err(Error::Size)?.len())?;
            let memory = Memory::of_file(file, needed, options.access)?;
            if sealed { Ok(memory) } else { memory.guarded() }
        }
        None if is_dma_buf(fd.as_fd()) => {
            enough(dma_buf_size(fd.as_fd())?)?;
            Memory::of_dma_buf(fd, needed, options.access)
        }
        None => Err(Error::NotABuffer),
    }
}

/// The seals of a memory file; `None` for every other kind of file.
fn seals(fd: BorrowedFd<'_>) -> Option<SealFlag> {
    let seals = fcntl(fd, FcntlArg::F_GET_SEALS).ok()?;
    Some(SealFlag::from_bits_retain(seals))
}
