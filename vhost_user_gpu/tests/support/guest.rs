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

pub const QUEUES: [QueueIndex; 2] = [QueueIndex::Control, QueueIndex::Cursor];

/// A shared file of this length.
pub fn shared_file(length: u64) -> File {
    let file = File::from(memfd_create("guest", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_len(length).unwrap();
    file
}

#[derive(Debug)]
pub struct Guest {
    pub file: File,
    pub driver: Driver,
    pub kicks: [EventFd; 2],
    pub calls: [EventFd; 2],
    pub errors: [EventFd; 2],
}

impl Guest {
    pub fn new() -> Self {
        let file = shared_file(MEMORY);
        let memory = GuestMemoryMmap::from_ranges_with_files([(
            GuestAddress(0),
            usize::try_from(MEMORY).unwrap(),
            Some(FileOffset::new(file.try_clone().unwrap(), 0)),
        )])
        .unwrap();
        Self {
            file,
            driver: Driver::new(Arc::new(memory)),
            kicks: events(),
            calls: events(),
            errors: events(),
        }
    }

    pub fn kick(&self, queue: QueueIndex) {
        self.kicks[place(queue)].write(1).unwrap();
    }

    /// Takes the interrupts of a queue since the last call.
    pub fn take_interrupts(&self, queue: QueueIndex) -> u64 {
        self.calls[place(queue)].read().unwrap_or(0)
    }
}

pub fn place(queue: QueueIndex) -> usize {
    match queue {
        QueueIndex::Control => 0,
        QueueIndex::Cursor => 1,
    }
}

pub fn events() -> [EventFd; 2] {
    [(); 2].map(|()| EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).unwrap())
}

pub fn owned<F: AsFd>(fd: &F) -> OwnedFd {
    let fd: BorrowedFd<'_> = fd.as_fd();
    fd.try_clone_to_owned().unwrap()
}
