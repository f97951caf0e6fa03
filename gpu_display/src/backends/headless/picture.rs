//! A picture in ordinary memory.

use std::fmt;
use std::ops::Range;

use gpu_buffer::{DrmFourcc, Layout, Rect};

use crate::DisplayError;

/// Rows of pixels, each four bytes: red, green, blue, and the alpha that the colours were multiplied by. What a
/// monitor shows is opaque.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height * 4` bytes.
    pub pixels: Vec<u8>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture")
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

impl Picture {
    /// The format of the pixels: R, G, B, A in memory.
    pub(super) const FORMAT: DrmFourcc = DrmFourcc::Abgr8888;

    /// A picture of transparent black pixels.
    pub(super) fn new(width: u32, height: u32) -> Result<Self, DisplayError> {
        let mut picture = Self::empty();
        let length = picture.reserve(width, height)?;
        picture.pixels.resize(length, 0);
        Ok(Self {
            width,
            height,
            ..picture
        })
    }

    /// A picture of no pixels.
    pub(super) const fn empty() -> Self {
        Self {
            width: 0,
            height: 0,
            pixels: Vec::new(),
        }
    }

    /// Whether there could be a picture of this size.
    pub(super) fn check(width: u32, height: u32) -> Result<(), DisplayError> {
        Self::empty().reserve(width, height).map(drop)
    }

    /// Gets memory for the pixels, and says how many bytes they are.
    fn reserve(&mut self, width: u32, height: u32) -> Result<usize, DisplayError> {
        let bytes = Layout::packed(width, height, Self::FORMAT)?.size();
        let out_of_memory = || DisplayError::OutOfMemory { bytes };
        let length = usize::try_from(bytes).map_err(|_| out_of_memory())?;
        self.pixels
            .try_reserve_exact(length)
            .map_err(|_| out_of_memory())?;
        Ok(length)
    }

    /// The red, green, blue and alpha of one pixel; `None` outside the picture.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        let row = self.rows(&Rect::new(x, y, 1, 1)).next()?;
        row.first_chunk().copied()
    }

    pub(super) fn bounds(&self) -> Rect {
        Rect::from_size(self.width, self.height)
    }

    /// The rows of `rect`; none if it is empty or leaves the picture.
    pub(super) fn rows(&self, rect: &Rect) -> impl Iterator<Item = &[u8]> {
        self.find(rect)
            .and_then(|found| Some((self.pixels.get(found.bytes)?, found.stride, found.row)))
            .into_iter()
            .flat_map(|(bytes, stride, row)| {
                bytes
                    .chunks(stride)
                    .filter_map(move |bytes| bytes.get(..row))
            })
    }

    /// The rows of `rect` to write; none if it is empty or leaves the picture.
    pub(super) fn rows_mut(&mut self, rect: &Rect) -> impl Iterator<Item = &mut [u8]> {
        self.find(rect)
            .and_then(|found| Some((self.pixels.get_mut(found.bytes)?, found.stride, found.row)))
            .into_iter()
            .flat_map(|(bytes, stride, row)| {
                bytes
                    .chunks_mut(stride)
                    .filter_map(move |bytes| bytes.get_mut(..row))
            })
    }

    /// Writes rows into `rect`, as many as there are.
    pub(super) fn write<'a>(&mut self, rect: &Rect, rows: impl Iterator<Item = &'a [u8]>) {
        for (target, source) in self.rows_mut(rect).zip(rows) {
            if target.len() == source.len() {
                target.copy_from_slice(source);
            }
        }
    }

    fn find(&self, rect: &Rect) -> Option<Rows> {
        let layout = Layout::packed(self.width, self.height, Self::FORMAT).ok()?;
        let span = layout.span(rect)?;
        Some(Rows {
            bytes: usize::try_from(span.first).ok()?..usize::try_from(span.end).ok()?,
            stride: usize::try_from(span.stride).ok()?,
            row: usize::try_from(span.row_bytes).ok()?,
        })
    }
}

/// Where the rows of a rectangle are.
struct Rows {
    bytes: Range<usize>,
    stride: usize,
    row: usize,
}
