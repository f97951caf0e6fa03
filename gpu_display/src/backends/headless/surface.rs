//! One surface of the headless display: the pixels of its newest frame.

use std::collections::BTreeMap;

use gpu_buffer::copy::read_rect;
use gpu_buffer::{Layout, Rect, channel_order};

use super::Picture;
use super::compose::Cursor;
use crate::{Damage, DisplayError, Frame, PixelSource, Role, SurfaceId, SurfaceRequest};

#[derive(Debug)]
pub(super) struct Surface {
    pub(super) request: SurfaceRequest,
    /// A scanout's is opaque.
    pub(super) image: Picture,
    /// Whether a frame was taken.
    pub(super) shown: bool,
}

impl Surface {
    /// A surface without a frame.
    pub(super) fn new(request: &SurfaceRequest) -> Result<Self, DisplayError> {
        let mut image = Picture::new(request.width, request.height)?;
        if matches!(request.role, Role::Scanout { .. }) {
            make_opaque(&mut image.pixels);
        }
        Ok(Self {
            request: *request,
            image,
            shown: false,
        })
    }

    /// Copies what changed out of a checked frame.
    pub(super) fn take(&mut self, frame: &Frame<'_>) -> Result<Damage, DisplayError> {
        let PixelSource::Memory(memory) = frame.pixels;
        let mut damage = Damage::new();
        for &rect in frame.damage {
            damage.add(rect);
        }
        let mut pixels = Vec::new();
        for rect in damage.rects() {
            let source = Rect {
                x: frame.crop.x.saturating_add(rect.x),
                y: frame.crop.y.saturating_add(rect.y),
                ..*rect
            };
            pixels.clear();
            read_rect(&memory, &frame.layout, source, Picture::FORMAT, &mut pixels)?;
            if self.is_opaque(&frame.layout) {
                make_opaque(&mut pixels);
            }
            let row = Layout::packed(rect.width, 1, Picture::FORMAT)?.size();
            let row = usize::try_from(row).unwrap_or(usize::MAX);
            self.image.write(rect, pixels.chunks(row));
        }
        self.shown = true;
        Ok(damage)
    }

    /// Whether the alpha of a frame of this layout is to be ignored: a monitor has none.
    fn is_opaque(&self, layout: &Layout) -> bool {
        let has_alpha = channel_order(layout.format()).is_some_and(|order| order.alpha.is_some());
        has_alpha && matches!(self.request.role, Role::Scanout { .. })
    }
}

fn make_opaque(pixels: &mut [u8]) {
    for [_, _, _, alpha] in pixels.as_chunks_mut::<4>().0 {
        *alpha = u8::MAX;
    }
}

/// The cursors over a scanout, the oldest first. The image of one without a frame is transparent.
pub(super) fn cursors(
    surfaces: &BTreeMap<SurfaceId, Surface>,
    scanout: SurfaceId,
) -> impl Iterator<Item = Cursor<'_>> {
    surfaces
        .values()
        .filter_map(move |surface| match surface.request.role {
            Role::Cursor {
                parent, position, ..
            } if parent == scanout => Some(Cursor {
                image: &surface.image,
                position,
            }),
            _ => None,
        })
}
