//! Buffers that take turns in carrying copies of a picture to a window system.

use std::collections::BTreeMap;

use gpu_buffer::{Buffer, DrmFourcc, Layout, Rect};

use super::{Pixels, blit};
use crate::{DisplayError, Lease, Swapchain};

/// A buffer that a window system reads.
pub(crate) trait Canvas {
    /// Its memory.
    fn memory(&self) -> &Buffer;

    /// The number under which it is given back.
    fn number(&self) -> u64;
}

/// Where the copy of a picture went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled {
    /// Number of the buffer.
    pub(crate) number: u64,
    /// Bytes that were copied.
    pub(crate) bytes: u64,
}

/// The buffers of one picture.
#[derive(Debug)]
pub(crate) struct Copies<B> {
    layout: Option<Layout>,
    chain: Swapchain<B>,
    /// With the window system.
    lent: BTreeMap<u64, Lease<B>>,
}

impl<B: Canvas> Copies<B> {
    pub(crate) fn new() -> Self {
        Self {
            layout: None,
            chain: Swapchain::new(Rect::default(), Swapchain::<B>::MAX_BUFFERS),
            lent: BTreeMap::new(),
        }
    }

    /// Buffers that the window system has.
    pub(crate) fn in_flight(&self) -> usize {
        self.lent.len()
    }

    /// A buffer that the window system has.
    pub(crate) fn lent(&self, number: u64) -> Option<&B> {
        self.lent.get(&number).map(|lease| &lease.buffer)
    }

    /// The picture changed there, whether or not a buffer of this carries it.
    pub(crate) fn damage(&mut self, rect: Rect) {
        self.chain.damage(rect);
    }

    /// The picture is another one.
    pub(crate) fn damage_all(&mut self) {
        if let Some(layout) = self.layout {
            self.chain.damage(layout.bounds());
        }
    }

    /// Brings a free buffer up to date with the picture at `crop` of `source`, and makes it the window
    /// system's. Where a new one is needed, `make` makes it. `None` if the window system has all.
    ///
    /// # Errors
    /// [`DisplayError::Pixels`], and those of `make`.
    pub(crate) fn fill(
        &mut self,
        source: &Pixels<'_>,
        crop: Rect,
        format: DrmFourcc,
        make: impl FnOnce(Layout) -> Result<B, DisplayError>,
    ) -> Result<Option<Filled>, DisplayError> {
        let layout = Layout::packed(crop.width, crop.height, format)?;
        if self.layout != Some(layout) {
            self.layout = Some(layout);
            self.chain.resize(layout.bounds());
        }
        let Some(mut lease) = self.chain.acquire(|| make(layout))? else {
            return Ok(None);
        };
        let mut bytes: u64 = 0;
        for rect in lease.stale.take().rects() {
            let from = Rect {
                x: crop.x.saturating_add(rect.x),
                y: crop.y.saturating_add(rect.y),
                ..*rect
            };
            match blit(source, from, lease.buffer.memory(), *rect) {
                Ok(copied) => bytes = bytes.saturating_add(copied),
                Err(error) => {
                    self.chain.release(lease);
                    self.damage_all();
                    return Err(error);
                }
            }
        }
        let number = lease.buffer.number();
        self.lent.insert(number, lease);
        Ok(Some(Filled { number, bytes }))
    }

    /// The window system has done with a buffer; whether it had it.
    pub(crate) fn release(&mut self, number: u64) -> bool {
        let Some(lease) = self.lent.remove(&number) else {
            return false;
        };
        // One of an earlier size is dropped here.
        drop(self.chain.release(lease));
        true
    }

    /// Forgets all buffers: the window system is gone, or the picture is.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}
