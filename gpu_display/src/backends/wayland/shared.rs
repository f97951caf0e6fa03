//! Pictures that the compositor reads where the device drew them: no pixel is copied.

use std::sync::{Arc, Weak};

use gpu_buffer::{Buffer, DrmFourcc, Rect};
use wayland_client::protocol::wl_buffer::WlBuffer;

use super::link::Link;
use super::shm::{BufferName, InFile, create_buffer};
use crate::{Frame, PixelSource};

/// Buffers that the compositor is told of at a time: enough for a guest that flips between three.
/// A buffer that is freed keeps its memory until the compositor is told.
const MAX_TOLD: usize = 4;

/// While the compositor reads a picture, drawing costs a copy of all of it. So it is shared only if
/// at least one of so many parts changed; less is cheaper to copy.
const SHARED_PART: u64 = 4;

/// The buffers of others that the compositor knows.
#[derive(Debug, Default)]
pub(super) struct SharedBuffers {
    /// The one that was shown longest ago first.
    told: Vec<Told>,
}

#[derive(Debug)]
struct Told {
    memory: Weak<Buffer>,
    /// While the compositor reads it nobody draws into it.
    held: Option<Arc<Buffer>>,
    crop: Rect,
    format: DrmFourcc,
    number: u64,
    proxy: WlBuffer,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.proxy.destroy();
    }
}

/// The memory of a frame that is worth sharing, if it can be shared.
pub(super) fn shareable<'a>(frame: &Frame<'a>) -> Option<&'a Arc<Buffer>> {
    let PixelSource::Buffer(buffer) = frame.pixels else {
        return None;
    };
    buffer.shared_fd()?;
    let fits = frame.layout.size() <= buffer.layout().size();
    let areas = frame.damage.iter().map(Rect::area);
    let changed = areas.fold(0, u64::saturating_add);
    (fits && changed.saturating_mul(SHARED_PART) >= frame.crop.area()).then_some(buffer)
}

impl SharedBuffers {
    /// Pictures that the compositor reads.
    pub(super) fn in_flight(&self) -> usize {
        let held = self.told.iter().filter(|told| told.held.is_some());
        held.count()
    }

    /// Makes the crop of the frame, which is in `buffer`, the compositor's. `None` if the protocol
    /// cannot say where it is, or the compositor has too many.
    pub(super) fn lend(
        &mut self,
        link: &mut Link,
        buffer: &Arc<Buffer>,
        frame: &Frame<'_>,
        format: DrmFourcc,
        name: BufferName,
    ) -> Option<WlBuffer> {
        self.prune();
        let known = self.told.iter().position(|told| {
            told.memory.as_ptr() == Arc::as_ptr(buffer)
                && (told.crop, told.format) == (frame.crop, format)
        });
        let mut told = match known {
            Some(index) => self.told.remove(index),
            None => {
                self.make_room()?;
                let picture = InFile {
                    fd: buffer.shared_fd()?,
                    layout: &frame.layout,
                    crop: frame.crop,
                    format,
                };
                Told {
                    memory: Arc::downgrade(buffer),
                    held: None,
                    crop: frame.crop,
                    format,
                    number: name.number,
                    proxy: create_buffer(link, &picture, name)?,
                }
            }
        };
        told.held = Some(Arc::clone(buffer));
        let proxy = told.proxy.clone();
        self.told.push(told);
        Some(proxy)
    }

    /// The compositor has done with a buffer; whether it had it.
    pub(super) fn release(&mut self, number: u64) -> bool {
        let told = self.told.iter_mut().find(|told| told.number == number);
        told.is_some_and(|told| told.held.take().is_some())
    }

    /// Tells the compositor of buffers that are gone.
    pub(super) fn prune(&mut self) {
        self.told.retain(|told| told.memory.strong_count() > 0);
    }

    pub(super) fn clear(&mut self) {
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
