//! The memory that all daemons of a run share, and the requests that are written into it.

use std::fs::File;
use std::sync::Arc;

use gpu_buffer::Rect;
use nix::sys::memfd::{MFdFlags, memfd_create};
use virtio_gpu::protocol::{Command, ResourceCreate2d, ResourceId, ScanoutId};
use virtio_gpu::testing::{entry, header};
use vm_memory::{Bytes, FileOffset, GuestAddress, GuestMemoryMmap};

/// Bytes that a front end has for its rings and requests.
pub(crate) const AREA: u64 = 8 << 20;

/// Front ends that have room.
const AREAS: u64 = 8;

/// Where the guest's picture is.
const IMAGE: u64 = AREA * AREAS;

/// Bytes of the picture: 4K, four bytes a pixel, and a bit.
const IMAGE_BYTES: u64 = 40 << 20;

/// Bytes of guest memory.
pub(crate) const MEMORY: u64 = IMAGE + IMAGE_BYTES;

const PAGE: u64 = 4096;

/// `VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM`.
const FORMAT: u32 = 2;

/// A picture's size in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// 1920 by 1080.
pub(crate) const FULL_HD: Size = Size {
    name: "1080p",
    width: 1920,
    height: 1080,
};

/// 3840 by 2160.
pub(crate) const UHD: Size = Size {
    name: "4K",
    width: 3840,
    height: 2160,
};

impl Size {
    pub(crate) fn bytes(self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * 4
    }

    pub(crate) fn bounds(self) -> Rect {
        Rect::from_size(self.width, self.height)
    }
}

/// A part of a picture, or all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) size: Size,
    pub(crate) rect: Rect,
}

impl Part {
    pub(crate) fn whole(size: Size) -> Self {
        Self {
            size,
            rect: size.bounds(),
        }
    }
}

/// How a picture lies in guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// One range.
    Whole,
    /// Pages in no order.
    Pages,
}

impl Backing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole => "one range",
            Self::Pages => "4 KiB pages",
        }
    }

    /// The picture's pieces, address and length, in the picture's order.
    pub(crate) fn ranges(self, bytes: u64) -> Vec<(u64, u32)> {
        match self {
            Self::Whole => vec![(IMAGE, u32::try_from(bytes).unwrap())],
            Self::Pages => {
                let pages = bytes.div_ceil(PAGE);
                // A step that has no common divisor with the number of pages visits each once.
                let step = (pages / 2..)
                    .find(|step| gcd(*step, pages) == 1)
                    .unwrap_or(1);
                (0..pages)
                    .map(|page| {
                        let length = PAGE.min(bytes - page * PAGE) as u32;
                        (IMAGE + (page * step * 7 % pages) * PAGE, length)
                    })
                    .collect()
            }
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Memory that this process and every daemon have mapped.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) file: File,
    pub(crate) memory: Arc<GuestMemoryMmap>,
}

impl Guest {
    pub(crate) fn new() -> Self {
        let file = File::from(memfd_create("guest", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_len(MEMORY).unwrap();
        let region = (
            GuestAddress(0),
            usize::try_from(MEMORY).unwrap(),
            Some(FileOffset::new(file.try_clone().unwrap(), 0)),
        );
        let memory = Arc::new(GuestMemoryMmap::from_ranges_with_files([region]).unwrap());
        Self { file, memory }
    }

    /// Fills the picture, so that its pages are there when they are measured.
    pub(crate) fn paint(&self) {
        let line: Vec<u8> = (0..=255).cycle().take(PAGE as usize).collect();
        for page in 0..IMAGE_BYTES / PAGE {
            let at = GuestAddress(IMAGE + page * PAGE);
            self.memory.write_slice(&line, at).unwrap();
        }
    }
}

/// A request's bytes.
pub(crate) fn request(command: &Command<'_>) -> Vec<u8> {
    command.encode(&header(command, None))
}

/// RESOURCE_CREATE_2D.
pub(crate) fn create(resource: u32, size: Size) -> Vec<u8> {
    request(&Command::ResourceCreate2d(ResourceCreate2d {
        resource: ResourceId(resource),
        format: FORMAT,
        width: size.width,
        height: size.height,
    }))
}

/// RESOURCE_UNREF.
pub(crate) fn unref(resource: u32) -> Vec<u8> {
    request(&Command::ResourceUnref {
        resource: ResourceId(resource),
    })
}

/// RESOURCE_ATTACH_BACKING.
pub(crate) fn attach(resource: u32, backing: Backing, bytes: u64) -> Vec<u8> {
    let entries: Vec<_> = backing
        .ranges(bytes)
        .into_iter()
        .map(|(address, length)| entry(address, length))
        .collect();
    request(&Command::ResourceAttachBacking {
        resource: ResourceId(resource),
        entries: &entries,
    })
}

/// TRANSFER_TO_HOST_2D of a part of a picture of this size.
pub(crate) fn transfer(resource: u32, size: Size, rect: Rect) -> Vec<u8> {
    let offset = (u64::from(rect.y) * u64::from(size.width) + u64::from(rect.x)) * 4;
    request(&Command::TransferToHost2d {
        rect,
        offset,
        resource: ResourceId(resource),
    })
}

/// SET_SCANOUT of scanout 0.
pub(crate) fn show(resource: u32, size: Size) -> Vec<u8> {
    request(&Command::SetScanout {
        rect: size.bounds(),
        scanout: ScanoutId(0),
        resource: (resource != 0).then_some(ResourceId(resource)),
    })
}

/// RESOURCE_FLUSH.
pub(crate) fn flush(resource: u32, rect: Rect) -> Vec<u8> {
    request(&Command::ResourceFlush {
        rect,
        resource: ResourceId(resource),
    })
}
