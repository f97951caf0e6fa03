//! The memory of the machine that the driver believes to run on.
//!
//! Device and driver use it in turns, in one thread: the device works while the driver waits for its notification to
//! return.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, OnceLock};

use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};
use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

/// Pages of memory: 64 MiB.
const PAGES: usize = 16_384;

/// Where the memory begins, so that a pointer is never taken for an address.
const BEGIN: GuestAddress = GuestAddress(1 << 32);

/// The driver's machine.
#[derive(Debug)]
pub struct Machine;

/// All memory there is, and which pages of it are in use.
struct Pages {
    memory: Arc<GuestMemoryMmap>,
    used: Mutex<Vec<bool>>,
}

fn pages() -> &'static Pages {
    static ALL: OnceLock<Pages> = OnceLock::new();
    ALL.get_or_init(|| {
        let bytes = PAGES.saturating_mul(PAGE_SIZE);
        let memory = GuestMemoryMmap::from_ranges(&[(BEGIN, bytes)]);
        Pages {
            memory: Arc::new(memory.expect("there is memory for a machine")),
            used: Mutex::new(vec![false; PAGES]),
        }
    })
}

/// The memory as the device gets it.
pub(crate) fn memory() -> Arc<GuestMemoryMmap> {
    Arc::clone(&pages().memory)
}

impl Pages {
    /// Takes so many pages in a row.
    fn take(&self, count: usize) -> GuestAddress {
        let mut used = self.used.lock().expect("nobody panics in between");
        let first = used
            .windows(count)
            .position(|window| window.iter().all(|used| !used))
            .expect("a machine has pages left");
        used.iter_mut()
            .skip(first)
            .take(count)
            .for_each(|used| *used = true);
        let offset = first.saturating_mul(PAGE_SIZE);
        BEGIN.unchecked_add(offset as u64)
    }

    /// Gives pages back.
    fn give_back(&self, address: PhysAddr, count: usize) {
        let offset = GuestAddress(address).unchecked_offset_from(BEGIN);
        let first = usize::try_from(offset).expect("an address of ours") / PAGE_SIZE;
        let mut used = self.used.lock().expect("nobody panics in between");
        used.iter_mut()
            .skip(first)
            .take(count)
            .for_each(|used| *used = false);
    }

    /// The pages' memory as this process sees it.
    fn pointer(&self, address: GuestAddress, count: usize) -> NonNull<u8> {
        let bytes = count.saturating_mul(PAGE_SIZE);
        let slice = self.memory.get_slice(address, bytes);
        let pointer = slice.expect("the pages are memory").ptr_guard_mut();
        NonNull::new(pointer.as_ptr()).expect("memory is somewhere")
    }
}

/// Pages that hold so many bytes.
fn pages_for(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}

// SAFETY: what each method has to keep is said there.
unsafe impl Hal for Machine {
    fn dma_alloc(count: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let address = pages().take(count);
        let pointer = pages().pointer(address, count);
        // SAFETY: the pages are mapped for the life of the process, and nobody has them but who asks here: they were
        // free. The mapping is page-aligned, and so is every page in it.
        unsafe { pointer.write_bytes(0, count.saturating_mul(PAGE_SIZE)) };
        (address.0, pointer)
    }

    unsafe fn dma_dealloc(address: PhysAddr, _pointer: NonNull<u8>, count: usize) -> i32 {
        pages().give_back(address, count);
        0
    }

    unsafe fn mmio_phys_to_virt(_address: PhysAddr, _size: usize) -> NonNull<u8> {
        panic!("this machine has no memory-mapped devices");
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let count = pages_for(buffer.len());
        let address = pages().take(count);
        let copy = pages().pointer(address, count);
        if direction != BufferDirection::DeviceToDriver {
            // SAFETY: the caller's buffer is valid, and our pages, which nobody else has, are at least as long.
            unsafe { copy.copy_from_nonoverlapping(buffer.cast::<u8>(), buffer.len()) };
        }
        address.0
    }

    unsafe fn unshare(address: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        let count = pages_for(buffer.len());
        let copy = pages().pointer(GuestAddress(address), count);
        if direction != BufferDirection::DriverToDevice {
            // SAFETY: the caller's buffer is valid, and is not in the pages that were taken for it.
            unsafe { copy.copy_to_nonoverlapping(buffer.cast::<u8>(), buffer.len()) };
        }
        pages().give_back(address, count);
    }
}
