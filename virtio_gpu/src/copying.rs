//! Copies of a picture in guest memory, for a display that is not shown the
//! memory itself.

use std::sync::Arc;

use gpu_buffer::{Allocator, Buffer, Error, Layout, Rect, ScatterList, copy};
use gpu_display::Damage;

use crate::blob::Framebuffer;
use crate::mirror::{Mirror, MirrorId, Reading, Shown};
use crate::scanout::split;

/// No renderer reads into these mirrors, so nothing has to tell them apart.
const OURS: MirrorId = MirrorId(0);

/// A part of a framebuffer in guest memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuestPicture<'a> {
    pub(crate) memory: &'a ScatterList,
    pub(crate) framebuffer: Framebuffer,
    /// Where the part begins in the framebuffer.
    pub(crate) x: u32,
    pub(crate) y: u32,
}

impl GuestPicture<'_> {
    /// Copies a rectangle of the part to the same place in `target`.
    pub(crate) fn copy(&self, rect: Rect, target: &Buffer) -> Result<(), Error> {
        let layout = self.framebuffer.layout;
        let source = Rect {
            x: self.x.saturating_add(rect.x),
            y: self.y.saturating_add(rect.y),
            ..rect
        };
        let outside = || Error::OutsidePicture {
            rect: source,
            width: layout.width(),
            height: layout.height(),
        };
        let offset = self.framebuffer.start_of(&source).ok_or_else(outside)?;
        copy::gather(self.memory, offset, layout.stride().into(), target, rect)
    }
}

/// The copies of what one surface shows.
#[derive(Debug)]
pub(crate) struct Copying {
    mirror: Mirror,
    begun: Option<Begun>,
}

/// A copy that is not whole yet.
#[derive(Debug)]
struct Begun {
    reading: Reading,
    rest: Damage,
}

/// What came of copying.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// What is new in the newest copy that is whole.
    pub(crate) news: Damage,
    pub(crate) bytes: u64,
}

impl Copying {
    /// Copies of a picture of which nothing was copied yet.
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            mirror: Mirror::new(OURS, layout),
            begun: None,
        }
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.mirror.layout()
    }

    /// The newest copy.
    pub(crate) fn current(&self) -> Option<&Arc<Buffer>> {
        self.mirror.current()
    }

    /// Whether a copy is not whole yet.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Notes that the guest's picture changed.
    pub(crate) fn damage(&mut self, rect: Rect) {
        self.mirror.damage(rect);
    }

    /// Notes that it is another picture now: a copy that was begun begins anew.
    pub(crate) fn restart(&mut self) {
        let whole = self.layout().bounds();
        self.mirror.damage(whole);
        if let Some(begun) = &mut self.begun {
            begun.rest.add(whole);
        }
    }

    /// Copies what changed, at most about `pixels` pixels of it.
    ///
    /// # Errors
    /// What the allocator or the copy says. After a copy that failed nothing
    /// counts as copied.
    pub(crate) fn advance(
        &mut self,
        from: &GuestPicture<'_>,
        allocator: &mut dyn Allocator,
        pixels: u64,
    ) -> Result<Copied, Error> {
        let mut done = Copied::default();
        let mut left = pixels.max(1);
        while left > 0 {
            let Begun { reading, rest } = match self.begun.take() {
                Some(begun) => begun,
                // The newest copy itself may be lent: it is not shown before it is
                // whole again.
                None => match self.mirror.lend(allocator, Shown::Yes)? {
                    Some(reading) => Begun {
                        rest: reading.stale().clone(),
                        reading,
                    },
                    None => break,
                },
            };
            let (now, later) = split(&rest, left);
            let target = reading.target();
            for rect in now {
                if let Err(error) = from.copy(rect, &target) {
                    *self = Self::new(*self.layout());
                    return Err(error);
                }
                left = left.saturating_sub(rect.area());
                done.bytes = done.bytes.saturating_add(rect.area().saturating_mul(4));
            }
            if later.is_empty() {
                for rect in self.mirror.finish(reading).rects() {
                    done.news.add(*rect);
                }
            } else {
                self.begun = Some(Begun {
                    reading,
                    rest: later,
                });
            }
        }
        Ok(done)
    }
}

/// Copies of a cursor's image, of this size.
pub(crate) fn cursor_mirror(layout: Layout) -> Mirror {
    Mirror::new(OURS, layout)
}
