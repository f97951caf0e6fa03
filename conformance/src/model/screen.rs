//! What displays are given.
//!
//! Where the pixels are ours, a display is given those of the end of a turn. What the renderer has
//! is read at the latest then, and not before it was flushed: any value since then is right.

use gpu_buffer::Rect;

use super::resource::Resource;

/// What is on a display's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels.
    pub width: u32,
    /// XRGB words, row by row.
    pub pixels: Vec<u32>,
}

/// A scanout.
#[derive(Debug, Default)]
pub struct Scanout {
    /// The resource and the part of it that is shown.
    pub shown: Option<(u32, Rect)>,
    /// What the display has been given.
    pub displayed: Option<Image>,
    /// Which of its pixels the display must be given.
    pub(super) pending: Vec<bool>,
    /// The values that each pixel has had since it was flushed.
    pub(super) values: Vec<Vec<u32>>,
    /// The cursor over it.
    pub cursor: Cursor,
}

/// A cursor.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The image, `None` while hidden.
    pub image: Option<u32>,
    /// Hot spot.
    pub hot: (u32, u32),
    /// Place.
    pub at: (i32, i32),
    /// What the display has been given.
    pub displayed: Option<Image>,
    /// Whether it must be given the image.
    pub(super) pending: bool,
    /// What the image has been since it was flushed or set.
    pub(super) images: Vec<Image>,
}

/// What a display may show of a pixel, or a cursor.
#[derive(Debug)]
pub struct Right<T> {
    /// Any of these.
    pub values: Vec<T>,
    /// What it showed before will do.
    pub older_will_do: bool,
}

impl Scanout {
    pub(super) fn darken(&mut self) {
        self.shown = None;
        self.displayed = None;
        self.pending.clear();
        self.values.clear();
        self.cursor.displayed = None;
    }

    /// Shows a resource from now on; all of it is new.
    pub(super) fn show(&mut self, id: u32, rect: Rect, resource: &Resource) {
        let before = self.shown.replace((id, rect));
        if before == self.shown {
            return;
        }
        let size = before.map(|(_, rect)| (rect.width, rect.height));
        if size != Some((rect.width, rect.height)) {
            self.displayed = Some(Image {
                width: rect.width,
                pixels: vec![0; rect.area() as usize],
            });
        }
        let pixels = resource.image(&rect).pixels;
        self.pending = vec![true; pixels.len()];
        self.values = pixels.into_iter().map(|pixel| vec![pixel]).collect();
        if before.is_none() {
            self.cursor.pending = true;
        }
    }

    /// A part of the resource was flushed.
    pub(super) fn flush(&mut self, rect: &Rect, resource: &Resource) {
        let Some((_, part)) = self.shown else {
            return;
        };
        let now = resource.image(&part).pixels;
        let pixels = self.pending.iter_mut().zip(&mut self.values).zip(now);
        for (place, ((pending, values), now)) in (0..).zip(pixels) {
            let (x, y) = (part.x + place % part.width, part.y + place / part.width);
            if rect.contains(&Rect::new(x, y, 1, 1)) {
                *pending = true;
                *values = vec![now];
            }
        }
    }

    /// The resource holds something else now.
    pub(super) fn note(&mut self, resource: &Resource) {
        let Some((_, part)) = self.shown else {
            return;
        };
        for (values, now) in self.values.iter_mut().zip(resource.image(&part).pixels) {
            if values.last() != Some(&now) {
                values.push(now);
            }
        }
    }
}
