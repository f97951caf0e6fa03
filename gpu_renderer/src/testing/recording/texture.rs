//! A resource of a [`super::Recording`]: arguments, pixels, backing.

use gpu_buffer::copy::read_rect;
use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Layout, Rect, ScatterList,
    with_alpha,
};
use vm_memory::VolatileSlice;

use crate::{Box3, Direction, RenderError, ResourceArgs, ResourceId, Transfer};

const TEXTURE_2D: u32 = 2;

/// More than any texture has: levels, and texels a side.
const LEVELS: u32 = 15;
const SIDE: u32 = 1 << 14;

#[derive(Debug)]
pub(super) struct Texture {
    pub(super) args: ResourceArgs,
    pub(super) backing: Option<ScatterList>,
    /// `None` if it is not 2D of four bytes a texel and one level.
    pixels: Option<Buffer>,
}

impl Texture {
    pub(super) fn new(resource: ResourceId, args: &ResourceArgs) -> Result<Self, RenderError> {
        let sizes = [args.width, args.height, args.depth, args.array_size];
        if sizes.contains(&0) || args.last_level >= LEVELS {
            return Err(RenderError::Impossible("a texture of that size"));
        }
        let is_buffer = args.target == 0;
        if !is_buffer && sizes.iter().any(|&size| size > SIDE) {
            return Err(RenderError::OutOfMemory(resource));
        }
        if is_buffer && sizes.iter().skip(1).any(|&size| size != 1) {
            return Err(RenderError::Impossible("a buffer of more than one row"));
        }
        if args.target == TEXTURE_2D && (args.depth != 1 || args.array_size != 1) {
            return Err(RenderError::Impossible("a flat texture with depth"));
        }
        let pixels = match layout(args) {
            Some(layout) => {
                let buffer = AnonymousAllocator.allocate(&BufferRequest { layout });
                Some(buffer.map_err(|_| RenderError::OutOfMemory(resource))?)
            }
            None => None,
        };
        Ok(Self {
            args: *args,
            backing: None,
            pixels,
        })
    }

    /// The pixels in memory order.
    pub(super) fn pixels(&self) -> Option<Vec<u8>> {
        let pixels = self.pixels.as_ref()?;
        let layout = pixels.layout();
        let mut bytes = Vec::new();
        let bounds = layout.bounds();
        read_rect(
            &pixels.memory(),
            layout,
            bounds,
            layout.format(),
            &mut bytes,
        )
        .ok()?;
        Some(bytes)
    }

    pub(super) fn fill(&self, colour: u32) -> Result<(), RenderError> {
        let pixels = self.pixels_or_error()?;
        let row = vec![colour.to_le(); pixels.layout().width() as usize];
        for y in 0..pixels.layout().height() {
            let line = Rect::new(0, y, pixels.layout().width(), 1);
            for slice in pieces(pixels, line)? {
                slice.copy_from(&row);
            }
        }
        Ok(())
    }

    pub(super) fn upload(&self, from: &Buffer) -> Result<(), RenderError> {
        let to = self.pixels_or_error()?;
        let bounds = to.layout().bounds();
        if from.layout().bounds() != bounds || !is_alike(from, to) {
            return Err(RenderError::Impossible("a picture of another kind"));
        }
        pour(pieces(from, bounds)?, pieces(to, bounds)?);
        Ok(())
    }

    /// Copies `rect` of `target`, whose first pixel shows the texel (`x`, `y`).
    pub(super) fn read_back(
        &self,
        x: u32,
        y: u32,
        rect: Rect,
        target: &Buffer,
    ) -> Result<(), RenderError> {
        let from = self.pixels_or_error()?;
        if !is_alike(from, target) {
            return Err(RenderError::Impossible("a picture of another format"));
        }
        let outside = RenderError::Impossible("a place outside the texture");
        let (Some(x), Some(y)) = (rect.x.checked_add(x), rect.y.checked_add(y)) else {
            return Err(outside);
        };
        let there = Rect { x, y, ..rect };
        pour(pieces(from, there)?, pieces(target, rect)?);
        Ok(())
    }

    pub(super) fn transfer(&self, transfer: &Transfer) -> Result<(), RenderError> {
        let Some(backing) = &self.backing else {
            return Err(RenderError::Backing(transfer.resource));
        };
        if !self.has(transfer.level, &transfer.region) {
            return Err(RenderError::Impossible("a region outside the texture"));
        }
        let Some(pixels) = &self.pixels else {
            return Ok(());
        };
        let Box3 {
            x,
            y,
            width,
            height,
            ..
        } = transfer.region;
        let rect = Rect::new(x, y, width, height);
        let layout = pixels.layout();
        let stride = match transfer.stride {
            0 => layout.stride(),
            stride => stride,
        };
        let rows = rows(backing, layout, rect, transfer.offset, u64::from(stride))
            .ok_or(RenderError::Backing(transfer.resource))?;
        let texels = pieces(pixels, rect)?;
        match transfer.direction {
            Direction::ToHost => pour(rows, texels),
            Direction::FromHost => pour(texels, rows),
        }
        Ok(())
    }

    fn has(&self, level: u32, region: &Box3) -> bool {
        if level > self.args.last_level {
            return false;
        }
        let at_level = |size: u32| size.checked_shr(level).unwrap_or(0).max(1);
        let slices = self.args.depth.max(self.args.array_size);
        let fits = |at: u32, size: u32, all: u32| {
            size > 0 && at.checked_add(size).is_some_and(|end| end <= all)
        };
        fits(region.x, region.width, at_level(self.args.width))
            && fits(region.y, region.height, at_level(self.args.height))
            && fits(region.z, region.depth, slices)
    }

    fn pixels_or_error(&self) -> Result<&Buffer, RenderError> {
        let none = RenderError::Impossible("a texture without pixels");
        self.pixels.as_ref().ok_or(none)
    }
}

/// How the pixels of such a resource lie, if it has any.
fn layout(args: &ResourceArgs) -> Option<Layout> {
    if args.target != TEXTURE_2D || args.last_level > 0 || args.samples > 1 {
        return None;
    }
    Layout::packed(args.width, args.height, fourcc(args.format)?).ok()
}

/// The eight formats of VIRTIO 1.4 §5.7.6.8, by their Gallium numbers.
fn fourcc(format: u32) -> Option<DrmFourcc> {
    Some(match format {
        1 => DrmFourcc::Argb8888,
        2 => DrmFourcc::Xrgb8888,
        3 => DrmFourcc::Bgra8888,
        4 => DrmFourcc::Bgrx8888,
        67 => DrmFourcc::Abgr8888,
        68 => DrmFourcc::Rgbx8888,
        121 => DrmFourcc::Rgba8888,
        134 => DrmFourcc::Xbgr8888,
        _ => return None,
    })
}

fn is_alike(one: &Buffer, other: &Buffer) -> bool {
    with_alpha(one.layout().format()) == with_alpha(other.layout().format())
}

/// The memory of the rows of a rectangle of a picture.
fn pieces(
    buffer: &Buffer,
    rect: Rect,
) -> Result<impl Iterator<Item = VolatileSlice<'_>>, RenderError> {
    let outside = RenderError::Impossible("a rectangle outside the picture");
    let span = buffer.layout().span(&rect).ok_or(outside)?;
    let memory = buffer.memory();
    let row = move |row: u32| {
        let at = u64::from(row)
            .checked_mul(span.stride)?
            .checked_add(span.first)?;
        let (at, bytes) = (usize::try_from(at).ok()?, span.row_bytes.try_into().ok()?);
        memory.subslice(at, bytes).ok()
    };
    Ok((0..span.rows).filter_map(row))
}

/// The memory of the rows of a rectangle in a backing, `None` if any of it
/// lies outside.
fn rows<'a>(
    backing: &'a ScatterList,
    layout: &Layout,
    rect: Rect,
    offset: u64,
    stride: u64,
) -> Option<impl Iterator<Item = VolatileSlice<'a>>> {
    let span = layout.span(&rect)?;
    if !backing.is_mapped() || span.end_at(offset, stride)? > backing.total() {
        return None;
    }
    let row = move |row: u32| {
        let at = u64::from(row).checked_mul(stride)?.checked_add(offset)?;
        backing.slices_at(at, span.row_bytes)
    };
    Some((0..span.rows).filter_map(row).flatten())
}

/// Copies as many bytes as both sides have.
fn pour<'a>(
    from: impl Iterator<Item = VolatileSlice<'a>>,
    mut to: impl Iterator<Item = VolatileSlice<'a>>,
) {
    let mut room: Option<VolatileSlice<'a>> = None;
    for mut piece in from {
        while !piece.is_empty() {
            let Some(target) = room.take().or_else(|| to.next()) else {
                return;
            };
            piece.copy_to_volatile_slice(target);
            let copied = piece.len().min(target.len());
            room = target.offset(copied).ok().filter(|rest| !rest.is_empty());
            match piece.offset(copied) {
                Ok(rest) => piece = rest,
                Err(_) => break,
            }
        }
    }
}
