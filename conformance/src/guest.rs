//! The guest: shared memory with a driver in it, and the descriptors of its two rings.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use virtio_gpu::QueueIndex;
use virtio_gpu::testing::Driver;
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap};

/// Bytes of the guest's memory: what the driver needs, and 16 MiB for images.
pub const MEMORY: u64 = Driver::FREE + (16 << 20);

/// Where the guest's memory is in the front end.
pub const USER_BASE: u64 = 0x7f00_0000_0000;

/// Both queues.
pub const QUEUES: [QueueIndex; 2] = [QueueIndex::Control, QueueIndex::Cursor];

/// A shared file of this length.
pub fn shared_file(length: u64) -> File {
    let file = File::from(memfd_create("guest", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_len(length).unwrap();
    file
}

/// A region of a guest's memory.
#[derive(Debug)]
pub struct Region {
    /// Guest-physical address.
    pub address: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// The file that it is all of.
    pub file: File,
}

/// The guest.
#[derive(Debug)]
pub struct Guest {
    /// Its memory, region by region.
    pub regions: Vec<Region>,
    /// Its memory in this process.
    pub memory: Arc<GuestMemoryMmap>,
    /// Its driver.
    pub driver: Driver,
    /// Written when a ring has requests.
    pub kicks: [EventFd; 2],
    /// Written when a ring has answers.
    pub calls: [EventFd; 2],
    /// Written when a ring is broken.
    pub errors: [EventFd; 2],
}

impl Default for Guest {
    fn default() -> Self {
        Self::with_regions(&[(0, MEMORY)])
    }
}

impl Guest {
    /// A guest with memory at these addresses, of these lengths.
    pub fn with_regions(regions: &[(u64, u64)]) -> Self {
        let regions: Vec<_> = regions
            .iter()
            .map(|(address, bytes)| Region {
                address: *address,
                bytes: *bytes,
                file: shared_file(*bytes),
            })
            .collect();
        let mapped = regions.iter().map(|region| {
            (
                GuestAddress(region.address),
                usize::try_from(region.bytes).unwrap(),
                Some(FileOffset::new(region.file.try_clone().unwrap(), 0)),
            )
        });
        let memory = Arc::new(GuestMemoryMmap::from_ranges_with_files(mapped).unwrap());
        Self {
            regions,
            driver: Driver::new(memory.clone()),
            memory,
            kicks: events(),
            calls: events(),
            errors: events(),
        }
    }

    /// Tells the device that a ring has requests.
    pub fn kick(&self, queue: QueueIndex) {
        self.kicks[place(queue)].write(1).unwrap();
    }

    /// Takes the interrupts of a queue since the last call.
    pub fn take_interrupts(&self, queue: QueueIndex) -> u64 {
        self.calls[place(queue)].read().unwrap_or(0)
    }
}

/// The index of a queue.
pub fn place(queue: QueueIndex) -> usize {
    match queue {
        QueueIndex::Control => 0,
        QueueIndex::Cursor => 1,
    }
}

/// Two event descriptors.
pub fn events() -> [EventFd; 2] {
    [(); 2].map(|()| EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).unwrap())
}

/// A copy of a descriptor.
pub fn owned<F: AsFd>(fd: &F) -> OwnedFd {
    let fd: BorrowedFd<'_> = fd.as_fd();
    fd.try_clone_to_owned().unwrap()
}
