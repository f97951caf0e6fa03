//! Copies into and out of resources: transfers, uploads and read-backs.

use gpu_buffer::{Buffer, Rect};

use super::VirglRenderer;
use super::check::{self, Span, target};
use super::egl::GlErrors;
use super::ffi::VirglBox;
use super::format::Block;
use super::iovec::Iovecs;
use super::library::Copy;
use super::pieces::{Scratch, pieces};
use crate::{Box3, Direction, RenderError, ResourceId, Transfer, Upload};

impl VirglRenderer {
    /// Copies between a resource and its backing.
    pub(super) fn copy_backing(&mut self, transfer: &Transfer) -> Result<(), RenderError> {
        let resource = transfer.resource;
        if let Some(context) = transfer.context {
            self.tables.context(context)?;
        }
        let entry = self.tables.resource(resource)?;
        if transfer
            .context
            .is_some_and(|context| !entry.contexts.contains(&context))
        {
            return Err(RenderError::UnknownResource(resource));
        }
        let backing = entry
            .backing
            .as_ref()
            .ok_or(RenderError::Backing(resource))?;
        let span = check::transfer(&entry.args, entry.block, transfer, backing.list.total())?;
        let is_plain = entry.args.target == target::BUFFER
            || (backing.ranges.len() == 1 && Block::is_readable(entry.args.format));
        if transfer.direction == Direction::FromHost && !is_plain {
            let mut scratch = std::mem::take(&mut self.scratch);
            let result = self.read_through(&mut scratch, transfer, span);
            self.scratch = scratch;
            result
        } else {
            self.copy_directly(transfer, entry.block, span)
        }
    }

    /// Lets the library copy from and to the attached memory.
    fn copy_directly(
        &self,
        transfer: &Transfer,
        block: Block,
        span: Span,
    ) -> Result<(), RenderError> {
        pieces(transfer, block, span, u64::MAX).try_for_each(|piece| {
            self.copy(
                transfer.direction,
                &Copy {
                    resource: transfer.resource,
                    context: transfer.context.map_or(0, |context| context.0),
                    level: transfer.level,
                    stride: transfer.stride,
                    layer_stride: 0,
                    region: library_box(&piece.region),
                    offset: piece.offset,
                    memory: None,
                },
            )
        })
    }

    /// Reads into memory of our own first. The library allocates some
    /// otherwise, and hands it to the guest as it is where GL fails.
    fn read_through(
        &self,
        scratch: &mut Scratch,
        transfer: &Transfer,
        span: Span,
    ) -> Result<(), RenderError> {
        let entry = self.tables.resource(transfer.resource)?;
        let list = entry.backing.as_ref().map(|backing| &backing.list);
        let list = list.ok_or(RenderError::Backing(transfer.resource))?;
        let stride = u32::try_from(span.row_bytes)
            .map_err(|_| RenderError::Impossible("a row of 4 GiB or more"))?;
        self.started.egl.take_gl_errors();
        for piece in pieces(transfer, entry.block, span, Scratch::rows(span)) {
            scratch.make_room(&piece, span);
            self.copy(
                Direction::FromHost,
                &Copy {
                    resource: transfer.resource,
                    // In its own context it leaves GL's errors to us.
                    context: 0,
                    level: transfer.level,
                    stride,
                    layer_stride: 0,
                    region: library_box(&piece.region),
                    offset: 0,
                    memory: Some(&scratch.ranges()),
                },
            )?;
            if self.started.egl.take_gl_errors() != GlErrors::None {
                return Err(RenderError::Impossible("a texture that GL does not read"));
            }
            scratch.scatter(list, &piece, span);
        }
        Ok(())
    }

    /// Fills a 2D resource.
    pub(super) fn copy_picture(&self, upload: &Upload) -> Result<(), RenderError> {
        let args = &self.tables.resource(upload.resource)?.args;
        let layout = upload.pixels.layout();
        if (layout.width(), layout.height()) != (args.width, args.height) {
            return Err(RenderError::Impossible("a picture of another size"));
        }
        self.copy_rects(
            Direction::ToHost,
            upload.resource,
            &upload.pixels,
            (0, 0),
            &[layout.bounds()],
        )
    }

    /// Copies between a 2D resource of four bytes a texel and rectangles of
    /// a buffer, whose first pixel is the texel at `origin`.
    pub(super) fn copy_rects(
        &self,
        direction: Direction,
        resource: ResourceId,
        buffer: &Buffer,
        origin: (u32, u32),
        rects: &[Rect],
    ) -> Result<(), RenderError> {
        let entry = self.tables.resource(resource)?;
        if ![target::TEXTURE_2D, target::RECT].contains(&entry.args.target)
            || entry.args.samples > 0
            || (entry.block.bytes, entry.block.width) != (4, 1)
            || buffer.layout().bytes_per_pixel() != 4
        {
            return Err(RenderError::Impossible(
                "a picture of other than four bytes a texel",
            ));
        }
        let memory = Iovecs::of_buffer(buffer);
        let sides = [entry.args.width, entry.args.height, 1];
        for rect in rects {
            let outside = || RenderError::Impossible("a rectangle that leaves the picture");
            let span = buffer.layout().span(rect).ok_or_else(outside)?;
            let region = region_at(origin, rect)
                .filter(|region| check::contains(sides, region))
                .ok_or_else(outside)?;
            self.copy(
                direction,
                &Copy {
                    resource,
                    context: 0,
                    level: 0,
                    stride: buffer.layout().stride(),
                    layer_stride: 0,
                    region: library_box(&region),
                    offset: span.first,
                    memory: Some(&memory),
                },
            )?;
        }
        Ok(())
    }

    fn copy(&self, direction: Direction, copy: &Copy<'_>) -> Result<(), RenderError> {
        match direction {
            // SAFETY: attached memory is kept by the tables, other memory by
            // the caller of this.
            Direction::ToHost => unsafe { self.started.library.copy_to_host(copy) },
            // SAFETY: as above.
            Direction::FromHost => unsafe { self.started.library.copy_from_host(copy) },
        }
    }
}

fn region_at(origin: (u32, u32), rect: &Rect) -> Option<Box3> {
    Some(Box3 {
        x: origin.0.checked_add(rect.x)?,
        y: origin.1.checked_add(rect.y)?,
        z: 0,
        width: rect.width,
        height: rect.height,
        depth: 1,
    })
}

fn library_box(region: &Box3) -> VirglBox {
    VirglBox {
        x: region.x,
        y: region.y,
        z: region.z,
        w: region.width,
        h: region.height,
        d: region.depth,
    }
}
