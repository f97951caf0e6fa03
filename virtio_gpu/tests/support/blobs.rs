//! Guest blobs: a device that offers them, and what a driver does with them.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gpu_buffer::{Error, MemfdRange, Rect, SharePages};
use virtio_gpu::protocol::{
    Command, ErrorCode, ResourceCreateBlob, ResourceId, ScanoutId, SetScanoutBlob, Success,
};
use virtio_gpu::testing::entry;
use virtio_gpu::{Device, GuestBlobs, Limits};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap};

use super::{FEATURES, IMAGE, MEMORY, OK, Recorder, Rig};

/// `VIRTIO_GPU_F_RESOURCE_BLOB`.
pub const BLOBS: u64 = 1 << 3;

/// A picture of 16x16 without gaps.
pub const WHOLE: Rect = Rect::from_size(16, 16);

/// What makes dma-bufs in these tests: memory files. It takes one range only, at the start of a
/// file, so that what is in the file is what the guest sees.
#[derive(Debug, Default, Clone)]
pub struct Sharer {
    asked: Arc<AtomicUsize>,
}

impl Sharer {
    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl SharePages for Sharer {
    fn share_pages(&mut self, ranges: &[MemfdRange<'_>]) -> Result<OwnedFd, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match ranges {
            [range] if range.offset == 0 => Ok(range.file.try_clone_to_owned().unwrap()),
            _ => Err(Error::NotShareable),
        }
    }
}

/// Guest memory with two regions for images, each at the start of a file: at [`IMAGE`], and 1 MiB
/// above it.
pub fn memory_in_files() -> Arc<GuestMemoryMmap> {
    let file = |bytes: usize| {
        let file = tempfile::tempfile().unwrap();
        file.set_len(bytes as u64).unwrap();
        Some(FileOffset::new(file, 0))
    };
    let (image, rest) = (1 << 20, MEMORY - IMAGE as usize - (1 << 20));
    let regions = [
        (GuestAddress(0), IMAGE as usize, file(IMAGE as usize)),
        (GuestAddress(IMAGE), image, file(image)),
        (GuestAddress(SECOND), rest, file(rest)),
    ];
    Arc::new(GuestMemoryMmap::from_ranges_with_files(regions).unwrap())
}

/// Where the second region for images is.
pub const SECOND: u64 = IMAGE + (1 << 20);

pub fn rig(limits: Limits, blobs: GuestBlobs) -> Rig {
    rig_with(1, limits, blobs)
}

pub fn rig_with(scanouts: u32, limits: Limits, blobs: GuestBlobs) -> Rig {
    let device = Device::builder(Recorder::new(scanouts))
        .scanouts(scanouts)
        .limits(limits)
        .guest_blobs(blobs)
        .build()
        .unwrap();
    Rig::around(device, memory_in_files(), FEATURES | BLOBS)
}

/// A device that copies out of blobs.
pub fn copying() -> Rig {
    rig(Limits::default(), GuestBlobs::Copied)
}

/// RESOURCE_CREATE_BLOB as Linux sends it for a framebuffer: guest memory, shareable.
pub fn new_blob(id: u32, size: u64) -> ResourceCreateBlob<'static> {
    ResourceCreateBlob {
        resource: ResourceId(id),
        memory: 1,
        flags: 2,
        blob_id: 0,
        size,
        entries: &[],
    }
}

/// SET_SCANOUT_BLOB of a picture without gaps, all of which scanout 0 shows.
pub fn framebuffer(id: u32, width: u32, height: u32) -> SetScanoutBlob {
    SetScanoutBlob {
        rect: Rect::from_size(width, height),
        scanout: ScanoutId(0),
        resource: ResourceId::or_none(id),
        width,
        height,
        format: 2,
        strides: [width * 4, 0, 0, 0],
        offsets: [0; 4],
    }
}

impl Rig {
    pub fn create_blob(
        &mut self,
        create: ResourceCreateBlob<'_>,
        entries: &[(u64, u32)],
    ) -> Result<Success, ErrorCode> {
        let entries: Vec<_> = entries.iter().map(|(at, len)| entry(*at, *len)).collect();
        self.call(Command::ResourceCreateBlob(ResourceCreateBlob {
            entries: &entries,
            ..create
        }))
    }

    pub fn set_scanout_blob(&mut self, request: SetScanoutBlob) -> Result<Success, ErrorCode> {
        self.call(Command::SetScanoutBlob(request))
    }

    /// A blob of 16x16 pixels at an address, in this colour, on scanout 0.
    pub fn show_blob(&mut self, id: u32, address: u64, colour: u32) {
        self.blob(id, address, colour);
        assert_eq!(self.set_scanout_blob(framebuffer(id, 16, 16)), OK);
        assert_eq!(self.flush(id, WHOLE), OK);
    }

    /// A blob of 16x16 pixels at an address, in this colour.
    pub fn blob(&mut self, id: u32, address: u64, colour: u32) {
        assert_eq!(self.create_blob(new_blob(id, 1024), &[(address, 1024)]), OK);
        self.paint(address, 16, 16, |_, _| colour);
    }
}
