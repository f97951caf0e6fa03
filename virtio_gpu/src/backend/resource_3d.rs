//! RESOURCE_CREATE_3D, TRANSFER_TO_HOST_3D, TRANSFER_FROM_HOST_3D, and 2D
//! resources that become the renderer's.

use gpu_buffer::Layout;
use gpu_display::Display;
use gpu_renderer::{Box3, Direction, ResourceArgs, Transfer, Upload, When, Work};

use super::rendering::{Expected, context_id, resource_id};
use super::scanout_memory::Made;
use super::{Backend, Outcome};
use crate::error::CommandError;
use crate::promotion::{Promotee, PromotionEnd};
use crate::protocol::{ContextId, ResourceCreate3d, ResourceId, Transfer3d, format, wire};

/// `PIPE_TEXTURE_2D` of Gallium.
const TEXTURE_2D: u32 = 2;

/// `VIRGL_BIND_RENDER_TARGET` and `VIRGL_BIND_SAMPLER_VIEW`.
const BIND_PICTURE: u32 = 1 << 1 | 1 << 3;

/// The most bytes of a texel that there are (four 32-bit numbers): what is
/// charged where the format is not known here.
const TEXEL_BYTES: u64 = 16;

impl<D: Display> Backend<D> {
    pub(super) fn create_3d(&mut self, create: &ResourceCreate3d) -> Outcome {
        let layout = self.layout_of(create);
        let bytes = charge_of(create, layout.as_ref());
        let created = self
            .resources
            .create_rendered(create.resource, layout, bytes, &self.limits);
        let generation = match created {
            Ok(generation) => generation,
            Err(error) => return Outcome::Done(Err(error)),
        };
        let resource = create.resource;
        let args = ResourceArgs {
            target: create.target,
            format: create.format,
            bind: create.bind,
            width: create.width,
            height: create.height,
            depth: create.depth,
            array_size: create.array_size,
            last_level: create.last_level,
            samples: create.samples,
            flags: create.flags,
        };
        if let Some(image) = layout.and_then(|layout| self.image_for(create, &layout)) {
            let made = Made {
                resource,
                generation,
                args,
            };
            return self.create_of_image(made, image);
        }
        let work = Work::CreateResource {
            resource: resource_id(resource),
            args,
        };
        self.render(work, When::Taken, |ticket| Expected::Resource {
            ticket,
            resource,
            generation,
        })
    }

    /// The picture that a resource will be, if it can be shown.
    fn layout_of(&self, create: &ResourceCreate3d) -> Option<Layout> {
        let plain = create.target == TEXTURE_2D
            && create.depth == 1
            && create.array_size <= 1
            && create.last_level == 0
            && create.samples <= 1;
        let sides = 1..=self.limits.side;
        if !plain || !sides.contains(&create.width) || !sides.contains(&create.height) {
            return None;
        }
        let fourcc = format::from_wire(create.format)?;
        Layout::packed(create.width, create.height, fourcc).ok()
    }

    pub(super) fn transfer_3d(
        &mut self,
        direction: Direction,
        context: ContextId,
        transfer: &Transfer3d,
        when: When,
    ) -> Outcome {
        let id = transfer.resource;
        let context = match self.check_transfer_3d(context, id) {
            Ok(context) => context,
            Err(error) => return Outcome::Done(Err(error)),
        };
        if let Err(error) = self.promote(id) {
            return Outcome::Done(Err(error));
        }
        if let Some(context) = context
            && self.contexts.tell(context, id)
        {
            self.introduce(context, id);
        }
        let region = transfer.region;
        let work = Work::Transfer(Transfer {
            direction,
            context: context.map(context_id),
            resource: resource_id(id),
            level: transfer.level,
            stride: transfer.stride,
            layer_stride: transfer.layer_stride,
            region: Box3 {
                x: region.x,
                y: region.y,
                z: region.z,
                width: region.width,
                height: region.height,
                depth: region.depth,
            },
            offset: transfer.offset,
        });
        self.render(work, when, Expected::Command)
    }

    /// The context that a transfer is in; 0 is the renderer's own.
    fn check_transfer_3d(
        &mut self,
        context: ContextId,
        id: ResourceId,
    ) -> Result<Option<ContextId>, CommandError> {
        let context = (context.0 != 0).then_some(context);
        if let Some(context) = context {
            self.contexts.check(context)?;
        }
        let resource = self.resources.get(id)?;
        if !resource.backing().is_some_and(|list| list.is_mapped()) {
            return Err(CommandError::NoBacking(id));
        }
        if let Some(context) = context
            && !self.contexts.is_attached(context, id)
        {
            return Err(CommandError::NotAttached {
                resource: id,
                context,
            });
        }
        Ok(context)
    }

    /// Makes a 2D resource the renderer's, with its picture and its backing.
    /// From then on the renderer's copy is the truth. One that is the
    /// renderer's already, or gone, stays so.
    ///
    /// # Errors
    /// [`CommandError::LimitReached`]: the resource stays as it is.
    pub(super) fn promote(&mut self, id: ResourceId) -> Result<(), CommandError> {
        let Some(promotee) = self.resources.begin_promotion(id, &self.limits)? else {
            return Ok(());
        };
        let Promotee {
            generation,
            layout,
            pixels,
            backing,
        } = promotee;
        let resource = resource_id(id);
        let args = ResourceArgs {
            target: TEXTURE_2D,
            format: format::to_wire(layout.format()).unwrap_or(wire::FORMAT_B8G8R8X8),
            bind: BIND_PICTURE,
            width: layout.width(),
            height: layout.height(),
            depth: 1,
            array_size: 1,
            last_level: 0,
            samples: 0,
            flags: wire::RESOURCE_FLAG_Y_0_TOP,
        };
        let create = Work::CreateResource { resource, args };
        let upload = pixels.map(|pixels| Work::Upload(Upload { resource, pixels }));
        let attach = backing.map(|backing| Work::AttachBacking { resource, backing });
        for work in [Some(create), upload, attach].into_iter().flatten() {
            let expected = Expected::Promotion {
                resource: id,
                generation,
            };
            self.render_aside(work, expected);
        }
        self.show_uses(id);
        Ok(())
    }

    /// A promotion is over.
    pub(super) fn end_promotion(&mut self, id: ResourceId, end: PromotionEnd) {
        match end {
            PromotionEnd::Done => {
                if let Some(rendering) = &mut self.rendering {
                    let promotions = &mut rendering.statistics_mut().promotions;
                    *promotions = promotions.saturating_add(1);
                }
                return;
            }
            PromotionEnd::Refused => {}
            PromotionEnd::Spoilt => {
                let resource = resource_id(id);
                self.render_aside(Work::DestroyResource { resource }, Expected::Aside);
            }
        }
        self.contexts.untell(id);
        self.show_uses(id);
    }

    /// Has all that shows a resource show it from where it is now.
    fn show_uses(&mut self, id: ResourceId) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        let cursors = resource.cursors;
        self.choose_sources(id);
        for scanout in cursors.iter() {
            if let Ok(index) = self.scanout_index(scanout) {
                self.mirror_cursor(index);
            }
        }
    }
}

/// Bytes to charge for a resource: what its texels take, and half as much
/// again for smaller levels.
fn charge_of(create: &ResourceCreate3d, layout: Option<&Layout>) -> u64 {
    if let Some(layout) = layout {
        return layout.size();
    }
    let texel = match create.target {
        0 => 1,
        _ if format::from_wire(create.format).is_some() => 4,
        _ => TEXEL_BYTES,
    };
    let texels = [
        create.width,
        create.height,
        create.depth,
        create.array_size,
        create.samples,
    ];
    let base = texels.into_iter().fold(texel, |product, count| {
        product.saturating_mul(u64::from(count.max(1)))
    });
    match create.last_level {
        0 => base,
        _ => base.saturating_add(base / 2),
    }
}
