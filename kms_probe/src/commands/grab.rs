//! Reads what a screen's framebuffer holds, whoever drew it: the truth to compare a screen with.

use std::fs;
use std::path::Path;

use drm::buffer::DrmFourcc;
use drm::control::Device as _;
use kms_probe::Picture;
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{Bytes as _, FileOffset, VolatileMemory as _};

use crate::card::Card;
use crate::error::{Error, Result};

/// Protection and flags of the mapping; the numbers are Linux's own.
const PROT_READ: i32 = 1;
const MAP_SHARED: i32 = 1;

/// Writes the visible part of the framebuffer of one screen to `file`.
pub(crate) fn grab(path: &Path, head: usize, file: &Path) -> Result<()> {
    let card = Card::open(path)?;
    card.look_only();
    let crtc = card
        .get_crtc(card.crtc(head)?)
        .map_err(Error::io("read a screen's state"))?;
    let framebuffer = crtc.framebuffer().ok_or(Error::NoFramebuffer { head })?;
    let (width, height) = crtc.mode().ok_or(Error::NoFramebuffer { head })?.size();
    let info = card
        .get_planar_framebuffer(framebuffer)
        .map_err(|error| Error::Format(error.to_string()))?;
    let format = info.pixel_format();
    if !matches!(format, DrmFourcc::Xrgb8888 | DrmFourcc::Argb8888) {
        return Err(Error::Format(format.to_string()));
    }
    // Only root gets a handle here.
    let [Some(handle), ..] = info.buffers() else {
        return Err(Error::Format("no handle, not root?".to_owned()));
    };
    let [pitch, ..] = info.pitches();
    let [offset, ..] = info.offsets();
    let size = u64::from(offset) + u64::from(pitch) * u64::from(info.size().1);

    let place =
        drm_ffi::mode::dumbbuffer::map(std::os::fd::AsFd::as_fd(&card), handle.into(), 0, 0)
            .map_err(Error::io("find the framebuffer's memory"))?;
    let region = MmapRegionBuilder::new(usize::try_from(size).map_err(|_| Error::Short)?)
        .with_mmap_prot(PROT_READ)
        .with_mmap_flags(MAP_SHARED)
        .with_file_offset(FileOffset::new(card.duplicate()?, place.offset))
        .build()
        .map_err(|error| Error::Format(error.to_string()))?;
    let region: &vm_memory::MmapRegion<()> = &region;
    let memory = region.as_volatile_slice();

    let (left, top) = crtc.position();
    let mut pixels = Vec::new();
    for y in top..top + u32::from(height) {
        let start = u64::from(offset) + u64::from(y) * u64::from(pitch) + u64::from(left) * 4;
        let mut row = vec![0; usize::from(width) * 4];
        memory
            .read_slice(&mut row, usize::try_from(start).map_err(|_| Error::Short)?)
            .map_err(|_| Error::Short)?;
        pixels
            .extend(row.chunks_exact(4).filter_map(|bytes| {
                Some(u32::from_le_bytes(bytes.try_into().ok()?) & 0x00ff_ffff)
            }));
    }
    let picture =
        Picture::from_pixels(u32::from(width), u32::from(height), pixels).ok_or(Error::Short)?;
    fs::write(file, picture.to_bytes()).map_err(Error::io("write the picture"))
}
