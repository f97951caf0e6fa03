//! Read-back: pictures of what the renderer draws, in memory of ours, for
//! displays that cannot take the renderer's own.

use std::sync::Arc;

use gpu_buffer::{Allocator, Buffer, BufferRequest, Layout, Rect};
use gpu_display::{Damage, Lease, Swapchain};

/// The pictures of one surface: the newest one read, and others on their way.
#[derive(Debug)]
pub(crate) struct Mirror {
    /// Tells it from others: a read that was begun for another is stale.
    id: MirrorId,
    /// How the surface's picture lies in memory.
    layout: Layout,
    chain: Swapchain<Arc<Buffer>>,
    /// What changed since a buffer was last lent, in the surface's pixels.
    unread: Damage,
    /// The newest picture.
    current: Option<Lease<Arc<Buffer>>>,
    /// Earlier ones that the display may still be reading.
    retired: Vec<Lease<Arc<Buffer>>>,
    /// Reads on their way.
    reading: usize,
}

/// Names a mirror of a device; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MirrorId(pub(crate) u64);

/// A buffer that is being read into.
#[derive(Debug)]
pub(crate) struct Reading {
    lease: Lease<Arc<Buffer>>,
    /// What it shows that no picture before did.
    news: Damage,
}

impl Reading {
    pub(crate) fn target(&self) -> Arc<Buffer> {
        self.lease.buffer.clone()
    }

    /// What has to be read: more than is new where the buffer is old.
    pub(crate) fn stale(&self) -> &Damage {
        &self.lease.stale
    }

    /// The same as a list.
    pub(crate) fn rects(&self) -> Vec<Rect> {
        self.lease.stale.rects().to_vec()
    }
}

impl Mirror {
    /// A mirror for a picture of which nothing was read yet.
    pub(crate) fn new(id: MirrorId, layout: Layout) -> Self {
        let buffers = Swapchain::<Arc<Buffer>>::MAX_BUFFERS;
        let mut mirror = Self {
            id,
            layout,
            chain: Swapchain::new(layout.bounds(), buffers),
            unread: Damage::new(),
            current: None,
            retired: Vec::new(),
            reading: 0,
        };
        mirror.damage(layout.bounds());
        mirror
    }

    pub(crate) fn id(&self) -> MirrorId {
        self.id
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Notes that the renderer's picture changed.
    pub(crate) fn damage(&mut self, rect: Rect) {
        self.chain.damage(rect);
        self.unread.add(rect);
        self.unread.clip(&self.layout.bounds());
    }

    /// The newest picture that was read.
    pub(crate) fn current(&self) -> Option<&Arc<Buffer>> {
        self.current.as_ref().map(|lease| &lease.buffer)
    }

    /// Lends a buffer to read into; `None` if nothing changed, or no buffer is
    /// free. The newest picture itself is lent if it was shown and the display
    /// has done with it, which saves a buffer.
    ///
    /// # Errors
    /// What the allocator says.
    pub(crate) fn lend(
        &mut self,
        allocator: &mut dyn Allocator,
        shown: Shown,
    ) -> Result<Option<Reading>, gpu_buffer::Error> {
        if self.unread.is_empty() {
            return Ok(None);
        }
        let free = |lease: &mut Lease<Arc<Buffer>>| Arc::strong_count(&lease.buffer) == 1;
        for lease in self.retired.extract_if(.., free) {
            self.chain.release(lease);
        }
        if shown == Shown::Yes
            && self.reading == 0
            && let Some(lease) = self.current.take_if(free)
        {
            self.chain.release(lease);
        }
        let layout = self.layout;
        let lease = self.chain.acquire(|| {
            let buffer = allocator.allocate(&BufferRequest { layout })?;
            Ok(Arc::new(buffer))
        })?;
        Ok(lease.map(|lease| {
            self.reading = self.reading.saturating_add(1);
            Reading {
                lease,
                news: self.unread.take(),
            }
        }))
    }

    /// Takes a buffer back that holds the newest picture now; returns what is
    /// new in it.
    pub(crate) fn finish(&mut self, reading: Reading) -> Damage {
        self.reading = self.reading.saturating_sub(1);
        self.retired.extend(self.current.replace(reading.lease));
        reading.news
    }
}

/// Whether the newest picture of a mirror has been presented in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It has.
    Yes,
    /// Not all of it yet.
    NotYet,
}
