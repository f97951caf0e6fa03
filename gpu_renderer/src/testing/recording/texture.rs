//! A resource of a [`super::Recording`]: arguments, pixels, backing.

use gpu_buffer::copy::read_rect;
use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Layout, MemfdAllocator, Rect,
    ScatterList, with_alpha,
};
use vm_memory::VolatileSlice;

use super::shared::{Imported, Sharing};
use crate::{Box3, Direction, DmaBuf, Plane, RenderError, ResourceArgs, ResourceId, Transfer};

const TEXTURE_2D: u32 = 2;

/// More than any texture has: levels, and texels a side.
const LEVELS: u32 = 15;
const SIDE: u32 = 1 << 14;

#[derive(Debug)]
pub(super) struct Texture {
    pub(super) args: ResourceArgs,
    pub(super) backing: Option<ScatterList>,
    /// `None` if it is not 2D of four bytes a texel and one level.
    pixels: Option<Pixels>,
}

/// The texels of a texture.
#[derive(Debug)]
enum Pixels {
    Own(Buffer),
    Imported(Imported),
}

/// A picture somewhere in memory.
#[derive(Clone, Copy)]
struct View<'a> {
    layout: Layout,
    memory: VolatileSlice<'a>,
}

impl Pixels {
    fn view(&self) -> View<'_> {
        match self {
            Self::Own(buffer) => buffer.into(),
            Self::Imported(imported) => View {
                layout: imported.layout,
                memory: imported.memory(),
            },
        }
    }
}

impl<'a> From<&'a Buffer> for View<'a> {
    fn from(buffer: &'a Buffer) -> Self {
        Self {
            layout: *buffer.layout(),
            memory: buffer.memory(),
        }
    }
}

impl Texture {
    pub(super) fn new(
        resource: ResourceId,
        args: &ResourceArgs,
        sharing: Sharing,
    ) -> Result<Self, RenderError> {
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
                let request = BufferRequest { layout };
                let buffer = match sharing {
                    Sharing::No => AnonymousAllocator.allocate(&request),
                    Sharing::Yes => MemfdAllocator.allocate(&request),
                };
                Some(buffer.map_err(|_| RenderError::OutOfMemory(resource))?)
            }
            None => None,
        };
        Ok(Self {
            args: *args,
            backing: None,
            pixels: pixels.map(Pixels::Own),
        })
    }

    /// A texture whose texels are those of `picture`.
    pub(super) fn import(args: &ResourceArgs, picture: &DmaBuf) -> Result<Self, RenderError> {
        let size = (picture.width, picture.height);
        let Some(layout) = layout(args).filter(|of| (of.width(), of.height()) == size) else {
            return Err(RenderError::Impossible("a picture of another size"));
        };
        Ok(Self {
            args: *args,
            backing: None,
            pixels: Some(Pixels::Imported(Imported::new(&layout, picture)?)),
        })
    }

    /// The memory file with the texels.
    pub(super) fn share(&self) -> Result<DmaBuf, RenderError> {
        let single = RenderError::Impossible("sharing what is no single picture");
        let pixels = self.pixels.as_ref().ok_or(single)?;
        let layout = pixels.view().layout;
        let file = match pixels {
            Pixels::Own(buffer) => buffer.shared_fd(),
            Pixels::Imported(imported) => imported.fd(),
        };
        let not_shared = RenderError::Impossible("sharing private memory");
        let fd = file.ok_or(not_shared)?.try_clone_to_owned();
        let fd = fd.map_err(|error| RenderError::System {
            call: "fcntl",
            code: error.raw_os_error().unwrap_or(0),
        })?;
        Ok(DmaBuf {
            width: layout.width(),
            height: layout.height(),
            fourcc: layout.format(),
            modifier: Some(0),
            planes: vec![Plane {
                fd,
                stride: layout.stride(),
                offset: 0,
            }],
        })
    }

    /// The pixels in memory order.
    pub(super) fn pixels(&self) -> Option<Vec<u8>> {
        let View { layout, memory } = self.pixels.as_ref()?.view();
        let mut bytes = Vec::new();
        let bounds = layout.bounds();
        read_rect(&memory, &layout, bounds, layout.format(), &mut bytes).ok()?;
        Some(bytes)
    }

    pub(super) fn fill(&self, colour: u32) -> Result<(), RenderError> {
        let pixels = self.pixels_or_error()?;
        let row = vec![colour.to_le(); pixels.layout.width() as usize];
        for y in 0..pixels.layout.height() {
            let line = Rect::new(0, y, pixels.layout.width(), 1);
            for slice in pieces(pixels, line)? {
                slice.copy_from(&row);
            }
        }
        Ok(())
    }

    pub(super) fn upload(&self, from: &Buffer) -> Result<(), RenderError> {
        let (from, to) = (View::from(from), self.pixels_or_error()?);
        let bounds = to.layout.bounds();
        if from.layout.bounds() != bounds || !is_alike(from, to) {
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
        let (from, target) = (self.pixels_or_error()?, View::from(target));
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
        let Some(pixels) = self.pixels.as_ref().map(Pixels::view) else {
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
        let layout = &pixels.layout;
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

    fn pixels_or_error(&self) -> Result<View<'_>, RenderError> {
        let none = RenderError::Impossible("a texture without pixels");
        self.pixels.as_ref().map(Pixels::view).ok_or(none)
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

fn is_alike(one: View<'_>, other: View<'_>) -> bool {
    with_alpha(one.layout.format()) == with_alpha(other.layout.format())
}

/// The memory of the rows of a rectangle of a picture.
fn pieces(
    picture: View<'_>,
    rect: Rect,
) -> Result<impl Iterator<Item = VolatileSlice<'_>>, RenderError> {
    let outside = RenderError::Impossible("a rectangle outside the picture");
    let span = picture.layout.span(&rect).ok_or(outside)?;
    let memory = picture.memory;
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
