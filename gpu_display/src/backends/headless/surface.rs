//! One surface of the headless display: the pixels of its newest frame.

use std::collections::BTreeMap;

use gpu_buffer::copy::read_rect;
use gpu_buffer::{Layout, Rect, channel_order};

use super::Picture;
use super::compose::{Cursor, compose, draw_cursors};
use crate::{Damage, DisplayError, Frame, Role, SurfaceId, SurfaceRequest};

/// Bytes of pixels that are converted at a time: no copy of a whole frame is made on the way.
const BAND_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Surface {
    pub(super) request: SurfaceRequest,
    /// The newest frame, `None` before the first. A scanout's is opaque.
    pub(super) image: Option<Picture>,
}

impl Surface {
    /// A surface without a frame, for which there could be memory.
    pub(super) fn new(request: &SurfaceRequest) -> Result<Self, DisplayError> {
        Picture::check(request.width, request.height)?;
        Ok(Self {
            request: *request,
            image: None,
        })
    }

    /// Copies what changed out of a checked frame of a usable format.
    pub(super) fn take(&mut self, frame: &Frame<'_>) -> Result<Damage, DisplayError> {
        let mut image = match self.image.take() {
            Some(image) => image,
            None => self.blank_image()?,
        };
        let taken = self.copy(frame, &mut image);
        self.image = Some(image);
        taken
    }

    fn copy(&self, frame: &Frame<'_>, image: &mut Picture) -> Result<Damage, DisplayError> {
        let memory = frame.pixels.memory();
        let mut damage = Damage::new();
        for &rect in frame.damage {
            damage.add(rect);
        }
        let mut pixels = Vec::new();
        for band in damage.rects().iter().flat_map(bands) {
            let source = Rect {
                x: frame.crop.x.saturating_add(band.x),
                y: frame.crop.y.saturating_add(band.y),
                ..band
            };
            pixels.clear();
            read_rect(&memory, &frame.layout, source, Picture::FORMAT, &mut pixels)?;
            if self.is_opaque(&frame.layout) {
                make_opaque(&mut pixels);
            }
            image.write(&band, pixels.chunks(row_bytes(&band).max(1)));
        }
        Ok(damage)
    }

    /// What is where no frame has been.
    fn blank_image(&self) -> Result<Picture, DisplayError> {
        let mut image = Picture::new(self.request.width, self.request.height)?;
        if matches!(self.request.role, Role::Scanout { .. }) {
            make_opaque(&mut image.pixels);
        }
        Ok(image)
    }

    /// Whether the alpha of a frame of this layout is to be ignored: a monitor has none.
    fn is_opaque(&self, layout: &Layout) -> bool {
        let has_alpha = channel_order(layout.format()).is_some_and(|order| order.alpha.is_some());
        has_alpha && matches!(self.request.role, Role::Scanout { .. })
    }
}

/// The rectangle in pieces of whole rows, from top to bottom.
fn bands(rect: &Rect) -> impl Iterator<Item = Rect> + use<> {
    let rect = *rect;
    let rows = BAND_BYTES.checked_div(row_bytes(&rect)).unwrap_or(1).max(1);
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    (0..rect.height)
        .step_by(usize::try_from(rows).unwrap_or(usize::MAX))
        .map(move |y| Rect {
            y: rect.y.saturating_add(y),
            height: rows.min(rect.height.saturating_sub(y)),
            ..rect
        })
}

fn row_bytes(rect: &Rect) -> usize {
    usize::try_from(rect.width)
        .unwrap_or(usize::MAX)
        .saturating_mul(4)
}

fn make_opaque(pixels: &mut [u8]) {
    for [_, _, _, alpha] in pixels.as_chunks_mut::<4>().0 {
        *alpha = u8::MAX;
    }
}

/// What a monitor shows of a scanout.
#[derive(Debug)]
pub(super) struct View<'a> {
    surfaces: &'a BTreeMap<SurfaceId, Surface>,
    scanout: SurfaceId,
    image: &'a Picture,
}

impl<'a> View<'a> {
    /// `None` if there is no scanout or no frame of it.
    pub(super) fn of(
        surfaces: &'a BTreeMap<SurfaceId, Surface>,
        scanout: Option<SurfaceId>,
    ) -> Option<Self> {
        let scanout = scanout?;
        Some(Self {
            surfaces,
            scanout,
            image: surfaces.get(&scanout)?.image.as_ref()?,
        })
    }

    /// The whole picture.
    pub(super) fn picture(&self) -> Result<Picture, DisplayError> {
        let mut picture = Picture::new(self.image.width, self.image.height)?;
        self.draw(&mut picture, &self.image.bounds());
        Ok(picture)
    }

    /// Draws `area` of it.
    pub(super) fn draw(&self, target: &mut Picture, area: &Rect) {
        let cursors = cursors(self.surfaces, self.scanout);
        compose(target, area, self.image, cursors);
    }
}

/// Takes away what a monitor shows of a scanout, which then has no frame.
pub(super) fn take_picture(
    surfaces: &mut BTreeMap<SurfaceId, Surface>,
    scanout: SurfaceId,
) -> Option<Picture> {
    let mut picture = surfaces.get_mut(&scanout)?.image.take()?;
    let whole = picture.bounds();
    draw_cursors(&mut picture, &whole, cursors(surfaces, scanout));
    Some(picture)
}

/// The cursors over a scanout that have a frame, the oldest first.
fn cursors(
    surfaces: &BTreeMap<SurfaceId, Surface>,
    scanout: SurfaceId,
) -> impl Iterator<Item = Cursor<'_>> {
    surfaces
        .values()
        .filter_map(move |surface| match surface.request.role {
            Role::Cursor {
                parent, position, ..
            } if parent == scanout => Some(Cursor {
                image: surface.image.as_ref()?,
                position,
            }),
            _ => None,
        })
}
