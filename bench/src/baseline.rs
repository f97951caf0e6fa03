//! What a daemon cannot beat: a thread behind the same kind of event descriptors that does nothing but the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Layout, ScatterList,
};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::guest::{Backing, Guest, Size};
use crate::ring::wait_for;

/// A thread that works whenever it is kicked, and then calls back.
#[derive(Debug)]
pub(crate) struct Bare {
    kick: Arc<EventFd>,
    call: Arc<EventFd>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// Starts the thread.
    pub(crate) fn start(mut work: impl FnMut() + Send + 'static) -> Self {
        let event = |flags| Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | flags).unwrap());
        let kick = event(EfdFlags::empty());
        let call = event(EfdFlags::EFD_NONBLOCK);
        let end = Arc::new(AtomicBool::new(false));
        let (kicked, calling, ending) = (kick.clone(), call.clone(), end.clone());
        let thread = std::thread::spawn(move || {
            while kicked.read().is_ok() && !ending.load(Ordering::Acquire) {
                work();
                calling.write(1).unwrap();
            }
        });
        Self {
            kick,
            call,
            end,
            thread: Some(thread),
        }
    }

    /// A thread that copies a picture `times` times at each kick.
    pub(crate) fn copying(guest: &Guest, size: Size, backing: Backing, times: u32) -> Self {
        let copy = Copy::new(guest, size, backing);
        Self::start(move || copy.run(times))
    }

    /// One round.
    pub(crate) fn round(&self) {
        self.kick.write(1).unwrap();
        assert!(wait_for(&self.call), "no answer in ten seconds");
    }
}

/// A copy of the guest's picture, piece by piece.
#[derive(Debug)]
pub(crate) struct Copy {
    list: ScatterList,
    target: Buffer,
}

impl Copy {
    pub(crate) fn new(guest: &Guest, size: Size, backing: Backing) -> Self {
        let list = ScatterList::resolve(&guest.memory, backing.ranges(size.bytes()).into_iter());
        let layout = Layout::packed(size.width, size.height, DrmFourcc::Xrgb8888).unwrap();
        let target = AnonymousAllocator.allocate(&BufferRequest { layout });
        Self {
            list: list.unwrap(),
            target: target.unwrap(),
        }
    }

    /// Copies it so many times. What to copy is looked up once, so that only copying is left.
    pub(crate) fn run(&self, times: u32) {
        let mut rest = self.target.memory();
        let pieces: Vec<_> = self
            .list
            .slices_at(0, self.list.total())
            .unwrap()
            .map(|piece| {
                let (target, after) = rest.split_at(piece.len()).unwrap();
                rest = after;
                (piece, target)
            })
            .collect();
        for _ in 0..times {
            for (piece, target) in &pieces {
                piece.copy_to_volatile_slice(*target);
            }
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Release);
        let _ = self.kick.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
