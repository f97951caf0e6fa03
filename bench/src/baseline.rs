//! What a daemon cannot beat: a thread behind the same kind of event descriptors that does nothing but the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Layout, Rect, ScatterList,
};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::guest::{Backing, Guest, Part};
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

    /// A thread that copies a part of a picture `times` times at each kick.
    pub(crate) fn copying(guest: &Guest, part: Part, backing: Backing, times: u32) -> Self {
        let copy = Copy::new(guest, part, backing);
        Self::start(move || copy.run(times))
    }

    /// A round that nobody waits for.
    pub(crate) fn tell(&self) {
        self.kick.write(1).unwrap();
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
    rect: Rect,
    list: ScatterList,
    target: Buffer,
}

impl Copy {
    pub(crate) fn new(guest: &Guest, part: Part, backing: Backing) -> Self {
        let Part { size, rect } = part;
        let list = ScatterList::resolve(&guest.memory, backing.ranges(size.bytes()).into_iter());
        let layout = Layout::packed(size.width, size.height, DrmFourcc::Xrgb8888).unwrap();
        let target = AnonymousAllocator.allocate(&BufferRequest { layout });
        Self {
            rect,
            list: list.unwrap(),
            target: target.unwrap(),
        }
    }

    /// Copies it so many times. What to copy is looked up once, so that only copying is left.
    pub(crate) fn run(&self, times: u32) {
        let layout = self.target.layout();
        let span = layout.span(&self.rect).unwrap();
        let (rows, row_bytes) = match self.rect == layout.bounds() {
            true => (1, layout.size()),
            false => (u64::from(span.rows), span.row_bytes),
        };
        let mut pieces = Vec::new();
        for row in 0..rows {
            let mut at = span.first + row * span.stride;
            for piece in self.list.slices_at(at, row_bytes).unwrap() {
                let target = self.target.memory().subslice(at as usize, piece.len());
                pieces.push((piece, target.unwrap()));
                at += piece.len() as u64;
            }
        }
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
