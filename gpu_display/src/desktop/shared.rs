//! Pictures that a window system reads where the device drew them: no pixel is copied.

use std::sync::{Arc, Weak};

use gpu_buffer::{Buffer, DrmFourcc, Rect};

use crate::{Frame, PixelSource};

/// Buffers that the window system is told of at a time: enough for a guest that flips between three.
/// A buffer that is freed keeps its memory until the window system is told.
const MAX_TOLD: usize = 4;

/// While the window system reads a picture, drawing costs a copy of all of it. So it is shared only
/// if at least one of so many parts changed; less is cheaper to copy.
const SHARED_PART: u64 = 4;

/// The buffers of others that the window system knows, each by a handle of type `H`, which makes the
/// window system forget the buffer when it is dropped.
#[derive(Debug)]
pub(crate) struct SharedBuffers<H> {
    /// The one that was shown longest ago first.
    told: Vec<Told<H>>,
}

#[derive(Debug)]
struct Told<H> {
    memory: Weak<Buffer>,
    /// While the window system reads it nobody draws into it.
    held: Option<Arc<Buffer>>,
    view: View,
    number: u64,
    handle: H,
}

/// How a buffer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The part of it.
    pub(crate) crop: Rect,
    /// How its pixels are taken.
    pub(crate) format: DrmFourcc,
}

/// The memory of a frame that is worth sharing, if it can be shared.
pub(crate) fn shareable<'a>(frame: &Frame<'a>) -> Option<&'a Arc<Buffer>> {
    let PixelSource::Buffer(buffer) = frame.pixels else {
        return None;
    };
    buffer.shared_fd()?;
    let fits = frame.layout.size() <= buffer.layout().size();
    let areas = frame.damage.iter().map(Rect::area);
    let changed = areas.fold(0, u64::saturating_add);
    (fits && changed.saturating_mul(SHARED_PART) >= frame.crop.area()).then_some(buffer)
}

impl<H> SharedBuffers<H> {
    pub(crate) fn new() -> Self {
        Self { told: Vec::new() }
    }

    /// Pictures that the window system reads.
    pub(crate) fn in_flight(&self) -> usize {
        let held = self.told.iter().filter(|told| told.held.is_some());
        held.count()
    }

    /// Makes a buffer the window system's, and returns its handle. One that is not known is told with
    /// `tell`, which also says under which number it is given back. `None` if it cannot be told, or the
    /// window system has too many.
    pub(crate) fn lend(
        &mut self,
        buffer: &Arc<Buffer>,
        view: View,
        tell: impl FnOnce() -> Option<(u64, H)>,
    ) -> Option<&H> {
        self.prune();
        let known = self
            .told
            .iter()
            .position(|told| told.memory.as_ptr() == Arc::as_ptr(buffer) && told.view == view);
        let mut told = match known {
            Some(index) => self.told.remove(index),
            None => {
                self.make_room()?;
                let (number, handle) = tell()?;
                Told {
                    memory: Arc::downgrade(buffer),
                    held: None,
                    view,
                    number,
                    handle,
                }
            }
        };
        told.held = Some(Arc::clone(buffer));
        self.told.push(told);
        self.told.last().map(|told| &told.handle)
    }

    /// The window system has done with a buffer; whether it had it.
    pub(crate) fn release(&mut self, number: u64) -> bool {
        let told = self.told.iter_mut().find(|told| told.number == number);
        told.is_some_and(|told| told.held.take().is_some())
    }

    /// Has the window system forget buffers that are gone.
    pub(crate) fn prune(&mut self) {
        self.told.retain(|told| told.memory.strong_count() > 0);
    }

    /// Has the window system forget all.
    pub(crate) fn clear(&mut self) {
        self.told.clear();
    }

    fn make_room(&mut self) -> Option<()> {
        if self.told.len() >= MAX_TOLD {
            let free = self.told.iter().position(|told| told.held.is_none())?;
            self.told.remove(free);
        }
        Some(())
    }
}
