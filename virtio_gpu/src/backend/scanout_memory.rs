//! Resources that will be scanned out, in memory that is allocated here: a
//! display can show it, and the renderer draws there.

use std::sync::Arc;

use gpu_buffer::{Allocator, DrmModifier, ExportedImage, ImageRequest, Layout, Usage};
use gpu_display::Display;
use gpu_renderer::{JobId, Plane, RenderError, ResourceArgs, When, Work};

use super::rendering::{Expected, resource_id};
use super::{Backend, Outcome};
use crate::error::chain_of;
use crate::protocol::{ResourceCreate3d, ResourceId, wire};
use crate::share::{Share, for_display};

/// `VIRGL_BIND_SCANOUT`.
const BIND_SCANOUT: u32 = 1 << 18;

/// Where the memory of resources comes from that will be scanned out.
#[derive(Debug)]
pub(super) struct ScanoutMemory {
    allocator: Box<dyn Allocator + Send>,
    trouble: Trouble,
}

/// Whether it was told that such memory could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Untold,
    Told,
}

/// A resource that is to be made.
pub(super) struct Made {
    pub(super) resource: ResourceId,
    pub(super) generation: u64,
    pub(super) args: ResourceArgs,
}

impl ScanoutMemory {
    fn complain(&mut self, error: &dyn std::error::Error) {
        if self.trouble == Trouble::Untold {
            self.trouble = Trouble::Told;
            let reason = chain_of(error);
            log::warn!("the renderer allocates what is scanned out, not this program: {reason}");
        }
    }
}

impl<D: Display> Backend<D> {
    /// Has resources that will be scanned out made of images of this
    /// allocator. Without one the renderer allocates them, as it does where the
    /// allocator or the renderer refuses.
    pub fn set_scanout_allocator(&mut self, allocator: Box<dyn Allocator + Send>) {
        self.scanout_memory = Some(ScanoutMemory {
            allocator,
            trouble: Trouble::Untold,
        });
    }

    /// An image for a resource that is a picture in `layout`, if it will be
    /// scanned out and one can be had. What the renderer turns upside down is
    /// no picture to others.
    pub(super) fn image_for(
        &mut self,
        create: &ResourceCreate3d,
        layout: &Layout,
    ) -> Option<ExportedImage> {
        let rendering = self.rendering.as_ref()?;
        let is_shown_so = !rendering.unshown.contains(&layout.format());
        if create.bind & BIND_SCANOUT == 0
            || create.flags & wire::RESOURCE_FLAG_Y_0_TOP != 0
            || !rendering.queue().shares_textures()
            || !is_shown_so
            || self.resources.shared() >= self.limits.shared_resources
        {
            return None;
        }
        let memory = self.scanout_memory.as_mut()?;
        let request = ImageRequest {
            width: layout.width(),
            height: layout.height(),
            format: layout.format(),
            usage: Usage::SCANOUT | Usage::RENDERING,
            modifiers: Vec::new(),
        };
        let image = memory.allocator.create(&request);
        match image.and_then(|image| image.export()) {
            Ok(image) => Some(image),
            Err(error) => {
                memory.complain(&error);
                None
            }
        }
    }

    /// Makes a resource of an image. Behind that it is made without: what the
    /// guest does next with the resource must find it, whatever becomes of the
    /// import.
    pub(super) fn create_of_image(&mut self, made: Made, image: ExportedImage) -> Outcome {
        let Made {
            resource,
            generation,
            args,
        } = made;
        if let Some(picture) = of_image(image)
            && let Some(rendering) = &mut self.rendering
            && let Some(share) = self.resources.share(resource)
        {
            let picture = Arc::new(picture);
            let work = Work::Import {
                resource: resource_id(resource),
                args,
                picture: Arc::clone(&picture),
            };
            let expected = Expected::Import { resource, picture };
            *share = Share::Asked(rendering.push(work, When::Taken, expected));
        }
        let plain = Work::CreateResource {
            resource: resource_id(resource),
            args,
        };
        self.render(plain, When::Taken, |ticket| Expected::Unimported {
            ticket,
            resource,
            generation,
        })
    }

    /// The renderer has taken an image, or not: then the resource is as any
    /// other.
    pub(super) fn finish_import(
        &mut self,
        id: ResourceId,
        job: JobId,
        result: Result<(), RenderError>,
        picture: Arc<gpu_renderer::DmaBuf>,
    ) {
        // The renderer has given its reference back.
        let picture = Arc::into_inner(picture).map(for_display);
        let missing = RenderError::Impossible("an image that is still in use");
        match result.and_then(|()| picture.ok_or(missing)) {
            Ok(picture) => self.finish_share(id, job, Ok(picture)),
            Err(error) => {
                if let Some(memory) = &mut self.scanout_memory {
                    memory.complain(&error);
                }
                if let Some(share) = self.resources.share(id)
                    && matches!(share, Share::Asked(asked) if *asked == job)
                {
                    *share = Share::Unknown;
                    self.choose_sources(id);
                }
            }
        }
    }
}

/// The image as renderers take it, unless a plane is too far from the start.
fn of_image(image: ExportedImage) -> Option<gpu_renderer::DmaBuf> {
    let planes = image.planes.into_iter().map(|plane| {
        Some(Plane {
            fd: plane.fd,
            stride: plane.place.stride,
            offset: u32::try_from(plane.place.offset).ok()?,
        })
    });
    Some(gpu_renderer::DmaBuf {
        width: image.width,
        height: image.height,
        fourcc: image.format,
        modifier: match image.modifier {
            DrmModifier::Invalid => None,
            modifier => Some(modifier.into()),
        },
        planes: planes.collect::<Option<_>>()?,
    })
}
