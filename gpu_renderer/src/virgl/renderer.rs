//! The renderer itself: checks, then the library.

use std::os::fd::OwnedFd;

use gpu_buffer::ScatterList;

use super::check::{self, target};
use super::commands;
use super::egl::GlErrors;
use super::fences::Fences;
use super::images::Images;
use super::init::{self, Started};
use super::iovec::Iovecs;
use super::pieces::Scratch;
use super::resources::{Backing, Resource, Tables};
use super::{VirglConfig, log};
use crate::{
    CapsetId, Capsets, ContextArgs, ContextId, Direction, DmaBuf, FenceId, PassedFence, ReadBack,
    RenderError, Renderer, ResourceArgs, ResourceId, Timeline, Transfer, Upload,
};

/// The library keeps 63 bytes of a context's name.
const NAME_BYTES: usize = 63;

/// The library writes this many bytes of a query's result, whatever the size
/// of the buffer.
const QUERY_BYTES: u32 = 16;

/// What fences can be for other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExportedFences {
    /// Files that are readable when the fence has passed.
    SyncFiles,
    Nothing,
}

/// OpenGL for guests; see [the module](super).
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<gpu_renderer::virgl::VirglRenderer>();
/// ```
#[derive(Debug)]
pub struct VirglRenderer {
    /// First, so that the library has ended before memory is let go.
    pub(super) started: Started,
    fences: Fences,
    pub(super) tables: Tables,
    pub(super) scratch: Scratch,
    /// `None` where textures cannot be shared.
    pub(super) images: Option<Images>,
    /// What fences can be outside of this process.
    exported: ExportedFences,
    description: String,
}

impl VirglRenderer {
    /// Starts virglrenderer on this thread.
    ///
    /// Without a render node it sets `LP_NUM_THREADS` to 0 in the environment of
    /// the process if it is not set: make it before C code in other threads
    /// reads the environment.
    ///
    /// # Errors
    /// [`RenderError::Unavailable`]: this process has a renderer already, the
    /// render node cannot be opened, EGL is missing, or one of the libraries
    /// fails; with what they said, and what may help.
    pub fn new(config: VirglConfig) -> Result<Self, RenderError> {
        let started = init::start(&config)?;
        started.library.make_current();
        let description = started.egl.describe();
        let images = Images::new(&started.egl);
        let exported = match started.egl.has_native_fences() {
            true => ExportedFences::SyncFiles,
            false => ExportedFences::Nothing,
        };
        Ok(Self {
            started,
            fences: Fences::new(),
            tables: Tables::default(),
            scratch: Scratch::default(),
            images,
            exported,
            description,
        })
    }

    /// What it renders with: the GL renderer and its version.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Has the library say what has passed, and let go of it.
    fn retire(&mut self) {
        if self.fences.is_waiting()
            && let Some(newest) = self.started.library.poll()
        {
            self.fences.retire(newest);
        }
    }

    fn detach(&mut self, resource: ResourceId) {
        if let Some(entry) = self.tables.resources.get_mut(&resource)
            && let Some(backing) = entry.backing.take()
        {
            if backing.ranges.len() > 0 {
                self.started.library.detach_memory(resource);
            }
            drop(backing);
        }
    }
}

impl Renderer for VirglRenderer {
    fn capsets(&self) -> Capsets {
        self.started.capsets.clone()
    }

    /// EGL is on a DRM device and has the functions.
    fn shares_textures(&self) -> bool {
        self.images.is_some()
    }

    /// EGL has native fences, as on a GPU; Mesa's software GL has none.
    fn exports_fences(&self) -> bool {
        self.exported == ExportedFences::SyncFiles
    }

    fn create_context(
        &mut self,
        context: ContextId,
        args: &ContextArgs,
    ) -> Result<(), RenderError> {
        if context.0 == 0 || self.tables.contexts.contains(&context) {
            return Err(RenderError::ContextIdTaken(context));
        }
        let offered = &self.started.capsets;
        let capset = match args.capset {
            Some(capset) => offered.find(capset, 0),
            None => offered
                .find(CapsetId::VIRGL2, 0)
                .or_else(|| offered.by_index(0)),
        }
        .ok_or(RenderError::Impossible(
            "a capability set that is not offered",
        ))?;
        let name = args.name.get(..NAME_BYTES).unwrap_or(&args.name);
        self.started
            .library
            .create_context(context, capset.id, name)?;
        self.tables.contexts.insert(context);
        Ok(())
    }

    fn destroy_context(&mut self, context: ContextId) -> Result<(), RenderError> {
        self.tables.context(context)?;
        self.started.library.destroy_context(context);
        self.tables.remove_context(context);
        self.fences.end_context(context);
        Ok(())
    }

    fn attach_resource(
        &mut self,
        context: ContextId,
        resource: ResourceId,
    ) -> Result<(), RenderError> {
        self.tables.context(context)?;
        if self.tables.resource_mut(resource)?.contexts.insert(context) {
            self.started.library.attach_resource(context, resource);
        }
        Ok(())
    }

    fn detach_resource(
        &mut self,
        context: ContextId,
        resource: ResourceId,
    ) -> Result<(), RenderError> {
        self.tables.context(context)?;
        if self
            .tables
            .resource_mut(resource)?
            .contexts
            .remove(&context)
        {
            self.started.library.detach_resource(context, resource);
        }
        Ok(())
    }

    fn create_resource(
        &mut self,
        resource: ResourceId,
        args: &ResourceArgs,
    ) -> Result<(), RenderError> {
        if resource.0 == 0 || self.tables.resources.contains_key(&resource) {
            return Err(RenderError::ResourceIdTaken(resource));
        }
        let block = check::resource(args).map_err(|flaw| flaw.error(resource))?;
        let mut made = *args;
        if args.target == target::BUFFER && args.bind == check::BIND_CUSTOM {
            made.width = made.width.max(QUERY_BYTES);
        }
        self.started.egl.take_gl_errors();
        self.started.library.create_resource(resource, &made)?;
        // The library does not look.
        if self.started.egl.take_gl_errors() == GlErrors::OutOfMemory {
            self.started.library.unref_resource(resource);
            return Err(RenderError::OutOfMemory(resource));
        }
        let entry = Resource {
            args: *args,
            block,
            backing: None,
            contexts: std::collections::BTreeSet::new(),
        };
        self.tables.resources.insert(resource, entry);
        Ok(())
    }

    fn import(
        &mut self,
        resource: ResourceId,
        args: &ResourceArgs,
        picture: &DmaBuf,
    ) -> Result<(), RenderError> {
        self.import_picture(resource, args, picture)
    }

    fn share(&mut self, resource: ResourceId) -> Result<DmaBuf, RenderError> {
        self.export_texture(resource)
    }

    fn destroy_resource(&mut self, resource: ResourceId) -> Result<(), RenderError> {
        self.tables.resource(resource)?;
        // First: contexts may hold on to it, with its pointer to the ranges.
        self.detach(resource);
        self.started.library.unref_resource(resource);
        self.tables.resources.remove(&resource);
        Ok(())
    }

    fn attach_backing(
        &mut self,
        resource: ResourceId,
        backing: ScatterList,
    ) -> Result<(), RenderError> {
        let entry = self.tables.resource_mut(resource)?;
        if entry.backing.is_some() || !backing.is_mapped() {
            return Err(RenderError::Backing(resource));
        }
        let ranges = Iovecs::of_list(&backing)?;
        if ranges.len() > 0 {
            // SAFETY: the ranges go into the table with the list that keeps
            // their memory, and stay there until they are detached or the
            // library is reset or ends.
            unsafe { self.started.library.attach_memory(resource, &ranges) }?;
        }
        entry.backing = Some(Backing {
            ranges,
            list: backing,
        });
        Ok(())
    }

    fn detach_backing(&mut self, resource: ResourceId) -> Result<(), RenderError> {
        self.tables.resource(resource)?;
        self.detach(resource);
        Ok(())
    }

    fn revoke(&mut self) {
        let backed: Vec<_> = self
            .tables
            .resources
            .iter()
            .filter(|(_, entry)| entry.backing.is_some())
            .map(|(&resource, _)| resource)
            .collect();
        for resource in backed {
            self.detach(resource);
        }
    }

    fn reset(&mut self) {
        self.started.library.reset();
        self.tables = Tables::default();
        self.fences.clear();
        log::forget();
    }

    fn transfer(&mut self, transfer: &Transfer) -> Result<(), RenderError> {
        self.copy_backing(transfer)
    }

    fn upload(&mut self, upload: &Upload) -> Result<(), RenderError> {
        self.copy_picture(upload)
    }

    fn read_back(&mut self, read: &ReadBack) -> Result<(), RenderError> {
        self.copy_rects(
            Direction::FromHost,
            read.resource,
            &read.target,
            (read.x, read.y),
            &read.rects,
        )
    }

    fn submit(&mut self, context: ContextId, commands: &mut [u32]) -> Result<(), RenderError> {
        self.tables.context(context)?;
        if commands.is_empty() {
            return Ok(());
        }
        let resources = &self.tables.resources;
        commands::check(commands, |resource| resources.get(&resource))?;
        self.started.library.submit(context, commands)
    }

    fn create_fence(&mut self, timeline: Timeline, fence: FenceId) -> Result<(), RenderError> {
        if let Timeline::Context { context, ring } = timeline {
            self.tables.context(context)?;
            if ring != 0 {
                return Err(RenderError::Impossible("a ring of a context that has one"));
            }
        }
        if self.fences.has_orphans() {
            // They would pile up in the library: it is polled only while
            // somebody waits.
            self.retire();
        }
        self.started
            .library
            .create_fence(self.fences.next_number())?;
        self.fences.push(timeline, fence);
        Ok(())
    }

    fn export_fence(&mut self, fence: Option<FenceId>) -> Result<OwnedFd, RenderError> {
        if !self.exports_fences() {
            return Err(RenderError::Impossible("EGL has no native fences"));
        }
        let pending = fence.and_then(|fence| self.fences.number_of(fence));
        // The library has no fence of the number that comes next.
        let number = pending.unwrap_or_else(|| self.fences.next_number());
        self.started.library.export_fence(number)
    }

    fn poll(&mut self, passed: &mut Vec<PassedFence>) {
        self.retire();
        self.fences.take_passed(passed);
    }
}
