//! Where the planes of a picture lie, whatever its format. Each plane is a [`Layout`] of samples, so
//! that all that works on a plain picture works on a plane.

use drm_fourcc::DrmFourcc;

use crate::format::{PlaneFormat, planes_of};
use crate::{Error, Layout, Rect};

/// Where one plane begins, and how far apart its rows are: what a driver or a peer says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlanePlace {
    /// Byte of the memory at which the plane begins.
    pub offset: u64,
    /// Bytes from the start of one row to the start of the next.
    pub stride: u32,
}

/// One plane of an [`ImageLayout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plane {
    offset: u64,
    layout: Layout,
    /// The pixels of the whole picture.
    picture: Rect,
    subsampling: (u32, u32),
}

impl Plane {
    /// Byte of the memory at which the plane begins.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How its samples lie from there on. Its width and height count samples, its format is the one
    /// of [`PlaneFormat::format`].
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// One past the last byte of its last sample.
    pub fn end(&self) -> u64 {
        // Neither the layout's own size nor the sum can be refused here: `ImageLayout` checked both.
        let rows = self.layout.span(&self.layout.bounds());
        self.offset
            .saturating_add(rows.map_or(u64::MAX, |span| span.end))
    }

    /// The samples that `rect`, in pixels of the picture, touches; `None` if it is empty or leaves
    /// the picture.
    pub fn samples_of(&self, rect: Rect) -> Option<Rect> {
        if rect.is_empty() || !self.picture.contains(&rect) {
            return None;
        }
        let (across, down) = self.subsampling;
        let x = rect.x.checked_div(across)?;
        let y = rect.y.checked_div(down)?;
        let right = rect.right().div_ceil(u64::from(across));
        let bottom = rect.bottom().div_ceil(u64::from(down));
        Some(Rect {
            x,
            y,
            width: u32::try_from(right.checked_sub(u64::from(x))?).ok()?,
            height: u32::try_from(bottom.checked_sub(u64::from(y))?).ok()?,
        })
    }
}

/// A picture of one or more planes in one piece of memory, or in one for each plane. Never empty;
/// every number in it is checked in 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageLayout {
    width: u32,
    height: u32,
    format: DrmFourcc,
    planes: Vec<Plane>,
}

impl ImageLayout {
    /// Planes that follow each other, their rows without gaps.
    ///
    /// # Errors
    /// [`Error::UnsupportedFormat`], [`Error::EmptyPicture`], [`Error::RowTooLong`],
    /// [`Error::BufferTooLarge`].
    pub fn packed(width: u32, height: u32, format: DrmFourcc) -> Result<Self, Error> {
        Self::aligned(width, height, format, 1)
    }

    /// Planes that follow each other, the stride of each a multiple of `alignment` bytes; 0 counts
    /// as 1. Devices that import memory want 64 or 256.
    ///
    /// # Errors
    /// Those of [`ImageLayout::packed`].
    pub fn aligned(
        width: u32,
        height: u32,
        format: DrmFourcc,
        alignment: u32,
    ) -> Result<Self, Error> {
        let formats = planes_of(format).ok_or(Error::UnsupportedFormat { format })?;
        let mut places = Vec::with_capacity(formats.len());
        let mut offset = 0;
        for plane in formats {
            let packed = plane_layout(width, height, plane, None)?;
            let stride = packed
                .stride()
                .checked_next_multiple_of(alignment.max(1))
                .ok_or(Error::RowTooLong {
                    width,
                    bytes_per_pixel: packed.bytes_per_pixel(),
                })?;
            places.push(PlanePlace { offset, stride });
            let size = plane_layout(width, height, plane, Some(stride))?.size();
            offset = add(offset, size)?;
        }
        Self::from_places(width, height, format, &places)
    }

    /// Planes where somebody else has put them, one place for each plane of the format. Whether that
    /// fits any memory is not looked at: [`ImageLayout::size`] says what it takes.
    ///
    /// # Errors
    /// Those of [`ImageLayout::packed`], [`Error::PlaneCount`], [`Error::StrideTooShort`].
    pub fn from_places(
        width: u32,
        height: u32,
        format: DrmFourcc,
        places: &[PlanePlace],
    ) -> Result<Self, Error> {
        let formats = planes_of(format).ok_or(Error::UnsupportedFormat { format })?;
        if formats.len() != places.len() {
            return Err(Error::PlaneCount {
                format,
                expected: formats.len(),
                got: places.len(),
            });
        }
        let planes: Result<Vec<Plane>, Error> = formats
            .iter()
            .zip(places)
            .map(|(plane, place)| {
                let layout = plane_layout(width, height, plane, Some(place.stride))?;
                add(place.offset, layout.size())?;
                Ok(Plane {
                    offset: place.offset,
                    layout,
                    picture: Rect::from_size(width, height),
                    subsampling: (plane.horizontal_subsampling, plane.vertical_subsampling),
                })
            })
            .collect();
        Ok(Self {
            width,
            height,
            format,
            planes: planes?,
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

    /// Pixel format of the whole.
    pub const fn format(&self) -> DrmFourcc {
        self.format
    }

    /// The planes, in the order of [`planes_of`]; at least one.
    pub fn planes(&self) -> &[Plane] {
        &self.planes
    }

    /// One plane.
    ///
    /// # Errors
    /// [`Error::NoSuchPlane`].
    pub fn plane(&self, index: usize) -> Result<&Plane, Error> {
        self.planes.get(index).ok_or(Error::NoSuchPlane {
            index,
            planes: self.planes.len(),
        })
    }

    /// Bytes of memory that hold all planes, the gaps after their rows included.
    pub fn size(&self) -> u64 {
        let ends = self
            .planes
            .iter()
            .map(|plane| plane.offset.saturating_add(plane.layout.size()));
        ends.max().unwrap_or(0)
    }
}

fn plane_layout(
    width: u32,
    height: u32,
    plane: &PlaneFormat,
    stride: Option<u32>,
) -> Result<Layout, Error> {
    if width == 0 || height == 0 {
        return Err(Error::EmptyPicture { width, height });
    }
    let width = width.div_ceil(plane.horizontal_subsampling.max(1));
    let height = height.div_ceil(plane.vertical_subsampling.max(1));
    match stride {
        Some(stride) => Layout::with_stride(width, height, stride, plane.format),
        None => Layout::packed(width, height, plane.format),
    }
}

fn add(offset: u64, size: u64) -> Result<u64, Error> {
    offset
        .checked_add(size)
        .ok_or(Error::BufferTooLarge { bytes: u64::MAX })
}
