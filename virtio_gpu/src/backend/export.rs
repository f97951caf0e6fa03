//! Resources and fences for other device models: what they are, and the memory of
//! their pixels.

use std::os::fd::OwnedFd;

use gpu_display::Display;
use gpu_renderer::{DmaBuf, RenderError, Work};
use resource_bridge::{Buffer, Description, Plane, Reason, Shared, Sharing, Ticket, Uuid};

use super::Backend;
use super::rendering::{Expected, Rendering, resource_id};
use crate::protocol::ResourceId;

/// The modifier of rows that follow each other, `DRM_FORMAT_MOD_LINEAR`.
const LINEAR: u64 = 0;

/// Which question of another device model the renderer was asked for.
pub(super) type Export = Ticket;

/// The answer to it.
pub(super) type Exported = (Ticket, Result<Shared, Reason>);

/// What is known of a fence of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FenceState {
    /// Its command was not answered yet, and maybe not done.
    Waits {
        /// What the command waits for; `None` if only earlier ones.
        running: Option<crate::fence::Ticket>,
    },
    /// It has passed.
    Passed,
    /// No command has had it.
    Unknown,
}

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

    /// What the resource with a UUID is.
    ///
    /// # Errors
    /// Those of [`Backend::describe`].
    pub fn describe_named(&mut self, uuid: &Uuid) -> Result<Description, Reason> {
        let named = self.resources.named(uuid);
        self.describe(named.ok_or(Reason::UnknownResource)?)
    }

    /// The UUID of the resource that was described.
    ///
    /// # Errors
    /// [`Reason::Gone`], [`Reason::NoUuid`].
    pub fn uuid(&mut self, described: &Description) -> Result<Uuid, Reason> {
        let resource = self.resources.get(ResourceId(described.resource));
        let resource = resource.map_err(|_| Reason::Gone)?;
        if resource.generation() != described.generation {
            return Err(Reason::Gone);
        }
        resource.uuid().ok_or(Reason::NoUuid)
    }

    /// Shares the resource that was described. The pixels of a 2D resource
    /// move to a memory file the first time, and stay there until the renderer
    /// takes them over; the charge for them stays the same. What the renderer
    /// has is shared by it, and comes with [`Backend::next_export`].
    pub fn export(&mut self, described: &Description, ticket: Ticket) -> Sharing<Buffer> {
        let id = ResourceId(described.resource);
        if !self.resources.is_generation(id, described.generation) {
            return Sharing::Done(Err(Reason::Gone));
        }
        if !self.resources.is_rendered(id) {
            return Sharing::Done(self.export_pixels(id));
        }
        let has_room = self.renderer_has_room();
        match &mut self.rendering {
            Some(rendering) if rendering.queue().shares_textures() && has_room => {
                let work = Work::Share {
                    resource: resource_id(id),
                };
                let generation = described.generation;
                let expected = Expected::Export { ticket, generation };
                self.render_aside(work, expected);
                Sharing::Later
            }
            Some(rendering) if rendering.queue().shares_textures() => {
                Sharing::Done(Err(Reason::Busy))
            }
            _ => Sharing::Done(Err(Reason::RendererSharesNothing)),
        }
    }

    /// What [`Backend::export`] did not have at once. It comes once for each
    /// ticket, also if the resource or everything else is gone.
    pub fn next_export(&mut self) -> Option<(Ticket, Result<Shared, Reason>)> {
        self.exported.pop_front()
    }

    /// Whether [`Backend::next_export`] has something.
    pub fn has_exports(&self) -> bool {
        !self.exported.is_empty()
    }

    /// A sync file of a fence of the guest, which the renderer makes: it comes
    /// with [`Backend::next_export`]. A fence that does not wait for the renderer
    /// passes soon, and may be asked for again.
    pub(crate) fn export_fence(&mut self, state: FenceState, ticket: Ticket) -> Sharing<OwnedFd> {
        let has_room = self.renderer_has_room();
        let exports = |rendering: &&mut Rendering| rendering.queue().exports_fences();
        let Some(rendering) = self.rendering.as_mut().filter(exports) else {
            return Sharing::Done(Err(Reason::NoFences));
        };
        let job = match state {
            FenceState::Unknown => return Sharing::Done(Err(Reason::UnknownFence)),
            FenceState::Passed => None,
            FenceState::Waits { running } => {
                let job = running.and_then(|command| rendering.job_of(command));
                if job.is_none() {
                    return Sharing::Done(Err(Reason::Busy));
                }
                job
            }
        };
        if !has_room {
            return Sharing::Done(Err(Reason::Busy));
        }
        self.render_aside(Work::ExportFence { job }, Expected::Fence { ticket });
        Sharing::Later
    }

    pub(super) fn finish_export(
        &mut self,
        ticket: Export,
        generation: u64,
        picture: Result<DmaBuf, RenderError>,
    ) {
        let exported = match picture {
            Ok(picture) => Ok(Shared::Buffer(buffer_of(generation, picture))),
            Err(error) => {
                self.warn("a resource cannot be shared", &error);
                Err(Reason::RendererFailed)
            }
        };
        self.exported.push_back((ticket, exported));
    }

    pub(super) fn finish_fence(&mut self, ticket: Export, fence: Result<OwnedFd, RenderError>) {
        let exported = match fence {
            Ok(fence) => Ok(Shared::Fence(fence)),
            Err(error) => {
                self.warn("a fence cannot be exported", &error);
                Err(Reason::RendererFailed)
            }
        };
        self.exported.push_back((ticket, exported));
    }

    /// Tells those who wait that there will be nothing.
    pub(super) fn give_up_exports(&mut self, unanswered: Vec<Export>) {
        let gone = unanswered
            .into_iter()
            .map(|ticket| (ticket, Err(Reason::Gone)));
        self.exported.extend(gone);
    }

    fn export_pixels(&mut self, id: ResourceId) -> Result<Buffer, Reason> {
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

/// A picture of the renderer's, for others.
fn buffer_of(generation: u64, picture: DmaBuf) -> Buffer {
    let rows = u64::from(picture.height);
    let end = |plane: &gpu_renderer::Plane| {
        let pixels = u64::from(plane.stride).saturating_mul(rows);
        pixels.saturating_add(plane.offset.into())
    };
    Buffer {
        generation,
        width: picture.width,
        height: picture.height,
        format: picture.fourcc,
        modifier: picture.modifier,
        size: picture.planes.iter().map(end).max().unwrap_or(0),
        mappable: picture.modifier == Some(LINEAR),
        planes: picture
            .planes
            .into_iter()
            .map(|plane| Plane {
                fd: plane.fd,
                offset: plane.offset,
                stride: plane.stride,
            })
            .collect(),
    }
}
