//! Resources for other device models: what they are, and the memory of their
//! pixels.

use gpu_display::Display;
use resource_bridge::{Buffer, Description, Plane, Reason, Sharing};

use super::Backend;
use crate::protocol::ResourceId;

/// The modifier of rows that follow each other, `DRM_FORMAT_MOD_LINEAR`.
const LINEAR: u64 = 0;

impl<D: Display> Backend<D> {
    /// What a resource is, for those who decide whether it may leave.
    ///
    /// # Errors
    /// [`Reason::UnknownResource`], [`Reason::NotAPicture`].
    pub fn describe(&mut self, id: ResourceId) -> Result<Description, Reason> {
        let resource = self.resources.get(id);
        let resource = resource.map_err(|_| Reason::UnknownResource)?;
        let layout = resource.layout().ok_or(Reason::NotAPicture)?;
        Ok(Description {
            resource: id.0,
            generation: resource.generation(),
            width: layout.width(),
            height: layout.height(),
            shown: !resource.scanouts.is_empty(),
            rendered: resource.is_rendered(),
        })
    }

    /// Shares the pixels of a resource. Those of a 2D resource move to a
    /// memory file the first time, and stay there until the renderer takes
    /// them over; the charge for them stays the same.
    pub fn share(&mut self, id: ResourceId, generation: u64) -> Sharing {
        if !self.resources.is_generation(id, generation) {
            return Sharing::Done(Err(Reason::Gone));
        }
        if self.resources.is_rendered(id) {
            return Sharing::Done(Err(Reason::RendererSharesNothing));
        }
        Sharing::Done(self.share_pixels(id))
    }

    fn share_pixels(&mut self, id: ResourceId) -> Result<Buffer, Reason> {
        let others = self.resources.shared();
        let resource = self.resources.get(id);
        let resource = resource.map_err(|_| Reason::UnknownResource)?;
        if !resource.is_shared() && others >= self.limits.shared_resources {
            return Err(Reason::TooManyShared);
        }
        let generation = resource.generation();
        let pixels = resource.host().ok_or(Reason::RendererSharesNothing)?;
        let no_memory = |error: &dyn std::error::Error| {
            log::warn!("resource {} cannot be shared: {error}", id.0);
            Reason::NoMemory
        };
        let pixels = pixels.share().map_err(|error| no_memory(&error))?;
        let file = pixels.shared_fd().ok_or(Reason::NoMemory)?;
        let file = file
            .try_clone_to_owned()
            .map_err(|error| no_memory(&error))?;
        let layout = pixels.layout();
        Ok(Buffer {
            generation,
            width: layout.width(),
            height: layout.height(),
            format: layout.format(),
            modifier: Some(LINEAR),
            size: layout.size(),
            mappable: true,
            planes: vec![Plane {
                fd: file,
                offset: 0,
                stride: layout.stride(),
            }],
        })
    }
}
