//! A swapchain: a few buffers that take turns in carrying pictures to someone slower.

use gpu_buffer::Rect;

use crate::Damage;

/// Up to [`Swapchain::MAX_BUFFERS`] buffers for the pictures of one surface, lent by move.
///
/// It knows for each buffer which part is out of date, so that a buffer that comes back is brought
/// up to date with only what changed since. There is no queue of pictures: whoever gets a buffer
/// puts the newest picture into it. Pure logic, `B` can be anything.
#[derive(Debug)]
pub struct Swapchain<B> {
    bounds: Rect,
    generation: u64,
    slots: Vec<Slot<B>>,
    limit: usize,
    lent: usize,
    changed: bool,
}

#[derive(Debug)]
struct Slot<B> {
    /// `None` while lent.
    buffer: Option<B>,
    /// Where the buffer differs from the newest picture; while lent, where it will when back.
    stale: Damage,
}

/// A buffer on loan. Give it back with [`Swapchain::release`]; one that is never given back counts
/// against the chain for good.
#[derive(Debug)]
pub struct Lease<B> {
    /// The buffer.
    pub buffer: B,
    /// Where the buffer differs from the newest picture: what to draw before it is passed on.
    pub stale: Damage,
    slot: usize,
    generation: u64,
}

impl<B> Swapchain<B> {
    /// The most buffers of a chain: one shown, one on its way, one being drawn.
    pub const MAX_BUFFERS: usize = 3;

    /// A chain for pictures of the size of `bounds`, of at most `buffers` buffers (at least one,
    /// at most [`Swapchain::MAX_BUFFERS`]). None is made before it is needed.
    pub fn new(bounds: Rect, buffers: usize) -> Self {
        Self {
            bounds,
            generation: 0,
            slots: Vec::new(),
            limit: buffers.clamp(1, Self::MAX_BUFFERS),
            lent: 0,
            changed: false,
        }
    }

    /// Notes that the picture changed in `rect`.
    pub fn damage(&mut self, rect: Rect) {
        let Some(rect) = rect.intersection(&self.bounds) else {
            return;
        };
        self.changed = true;
        for slot in &mut self.slots {
            slot.stale.add(rect);
        }
    }

    /// Whether the picture changed since the last buffer was lent.
    pub fn has_news(&self) -> bool {
        self.changed
    }

    /// Whether [`Swapchain::acquire`] has a buffer to lend.
    pub fn can_acquire(&self) -> bool {
        self.lent < self.limit
    }

    /// Lends the buffer with the least to draw; `None` if all are lent. Where a new one is needed,
    /// `allocate` makes it, and all of it is stale.
    ///
    /// # Errors
    /// That of `allocate`; the chain is as it was.
    pub fn acquire<E>(
        &mut self,
        allocate: impl FnOnce() -> Result<B, E>,
    ) -> Result<Option<Lease<B>>, E> {
        if !self.can_acquire() {
            return Ok(None);
        }
        let (slot, buffer, stale) = match self.take_freshest() {
            Some(free) => free,
            None => {
                let buffer = allocate()?;
                let mut stale = Damage::new();
                stale.add(self.bounds);
                self.slots.push(Slot {
                    buffer: None,
                    stale: Damage::new(),
                });
                (self.slots.len().saturating_sub(1), buffer, stale)
            }
        };
        self.lent = self.lent.saturating_add(1);
        self.changed = false;
        Ok(Some(Lease {
            buffer,
            stale,
            slot,
            generation: self.generation,
        }))
    }

    /// Takes a buffer back. One that was lent before the last [`Swapchain::resize`] has no place
    /// any more and is returned.
    pub fn release(&mut self, lease: Lease<B>) -> Option<B> {
        self.lent = self.lent.saturating_sub(1);
        match self.slots.get_mut(lease.slot) {
            Some(slot) if lease.generation == self.generation && slot.buffer.is_none() => {
                slot.buffer = Some(lease.buffer);
                None
            }
            _ => Some(lease.buffer),
        }
    }

    /// Starts over with pictures of another size. Free buffers are dropped; lent ones still count
    /// until they come back, so that quick changes of size cannot pile buffers up.
    pub fn resize(&mut self, bounds: Rect) {
        self.bounds = bounds;
        self.generation = self.generation.wrapping_add(1);
        self.slots.clear();
        self.changed = false;
    }

    fn take_freshest(&mut self) -> Option<(usize, B, Damage)> {
        let (index, slot) = self
            .slots
            .iter_mut()
            .enumerate()
            .filter(|(_, slot)| slot.buffer.is_some())
            .min_by_key(|(_, slot)| area(&slot.stale))?;
        Some((index, slot.buffer.take()?, slot.stale.take()))
    }
}

fn area(damage: &Damage) -> u64 {
    let areas = damage.rects().iter().map(Rect::area);
    areas.fold(0, u64::saturating_add)
}
