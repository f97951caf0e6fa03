//! How the pixels of a picture lie in memory: the one place that multiplies widths, heights and
//! strides. Everything here is checked in 64 bits, because the numbers come from guests.

use drm_fourcc::DrmFourcc;

use crate::{Error, Rect, bytes_per_pixel, with_alpha};

/// A linear picture in one piece of memory: rows of pixels, `stride` bytes apart. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    width: u32,
    height: u32,
    stride: u32,
    bytes_per_pixel: u32,
    format: DrmFourcc,
}

/// The bytes of a rectangle within a [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Byte of the first pixel.
    pub first: u64,
    /// Bytes of one row of the rectangle.
    pub row_bytes: u64,
    /// Number of rows, at least one.
    pub rows: u32,
    /// Bytes from the start of one row to the start of the next.
    pub stride: u64,
    /// One past the last byte of the last row.
    pub end: u64,
}

impl Layout {
    /// Rows that follow each other without a gap.
    ///
    /// # Errors
    /// [`Error::UnsupportedFormat`], [`Error::EmptyPicture`], [`Error::RowTooLong`].
    pub fn packed(width: u32, height: u32, format: DrmFourcc) -> Result<Self, Error> {
        let stride = row_bytes(width, format)?;
        Self::with_stride(width, height, stride, format)
    }

    /// Rows that are `stride` bytes apart.
    ///
    /// # Errors
    /// Those of [`Layout::packed`], and [`Error::StrideTooShort`].
    pub fn with_stride(
        width: u32,
        height: u32,
        stride: u32,
        format: DrmFourcc,
    ) -> Result<Self, Error> {
        let bytes_per_pixel = bytes_per_pixel(format).ok_or(Error::UnsupportedFormat { format })?;
        if width == 0 || height == 0 {
            return Err(Error::EmptyPicture { width, height });
        }
        let row_bytes = row_bytes(width, format)?;
        if stride < row_bytes {
            return Err(Error::StrideTooShort { stride, row_bytes });
        }
        Ok(Self {
            width,
            height,
            stride,
            bytes_per_pixel,
            format,
        })
    }

    /// Width in pixels.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Bytes from the start of one row to the start of the next.
    pub const fn stride(&self) -> u32 {
        self.stride
    }

    /// Bytes of one pixel.
    pub const fn bytes_per_pixel(&self) -> u32 {
        self.bytes_per_pixel
    }

    /// Pixel format.
    pub const fn format(&self) -> DrmFourcc {
        self.format
    }

    /// The same bytes, the fourth of each pixel taken as alpha.
    pub const fn with_alpha(self) -> Self {
        Self {
            format: with_alpha(self.format),
            ..self
        }
    }

    /// Bytes of the whole picture, the gaps after its rows included.
    pub const fn size(&self) -> u64 {
        // Two 32-bit factors: the product fits 64 bits.
        (self.stride as u64).saturating_mul(self.height as u64)
    }

    /// The rectangle of all pixels.
    pub const fn bounds(&self) -> Rect {
        Rect::from_size(self.width, self.height)
    }

    /// Where the pixels of `rect` lie; `None` if it is empty or leaves the picture.
    pub fn span(&self, rect: &Rect) -> Option<Span> {
        if rect.is_empty() || !self.bounds().contains(rect) {
            return None;
        }
        let pixel = u64::from(self.bytes_per_pixel);
        let stride = u64::from(self.stride);
        let row_bytes = u64::from(rect.width).checked_mul(pixel)?;
        let first = u64::from(rect.y)
            .checked_mul(stride)?
            .checked_add(u64::from(rect.x).checked_mul(pixel)?)?;
        let mut span = Span {
            first,
            row_bytes,
            rows: rect.height,
            stride,
            end: first,
        };
        span.end = span.end_at(first, stride)?;
        Some(span)
    }
}

impl Span {
    /// One past the last byte that the same rows take when they begin at byte `first` and are
    /// `stride` apart; `None` if that does not fit 64 bits.
    pub fn end_at(&self, first: u64, stride: u64) -> Option<u64> {
        let rows_before_last = u64::from(self.rows).checked_sub(1)?;
        rows_before_last
            .checked_mul(stride)?
            .checked_add(first)?
            .checked_add(self.row_bytes)
    }
}

fn row_bytes(width: u32, format: DrmFourcc) -> Result<u32, Error> {
    let bytes_per_pixel = bytes_per_pixel(format).ok_or(Error::UnsupportedFormat { format })?;
    width.checked_mul(bytes_per_pixel).ok_or(Error::RowTooLong {
        width,
        bytes_per_pixel,
    })
}
