//! What renders: virglrenderer, or the recording one of tests.

use std::os::fd::OwnedFd;

use gpu_buffer::ScatterList;

use crate::{
    CapsetId, Capsets, ContextId, DmaBuf, ReadBack, RenderError, ResourceArgs, ResourceId,
    Transfer, Upload,
};

/// A context to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextArgs {
    /// A name for logs, any bytes.
    pub name: Vec<u8>,
    /// The capability set that the context speaks, `None` for the renderer's
    /// choice.
    pub capset: Option<CapsetId>,
}

/// A line of fences: one passes only after all earlier ones of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeline {
    /// The renderer's own.
    Global,
    /// One ring of one context.
    Context {
        /// The context.
        context: ContextId,
        /// The ring, 0 to 63.
        ring: u8,
    },
}

/// Names a fence. Each one asked for has a larger number than all before, on
/// any timeline; none is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FenceId(pub u64);

/// Says that a fence has passed, and with it all earlier ones of its timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassedFence {
    /// The timeline.
    pub timeline: Timeline,
    /// Its fence. The earlier ones need not be reported.
    pub fence: FenceId,
}

/// Something that renders.
///
/// All calls come from the thread that made it, and it is dropped there: it
/// need not be `Send`. Only a queue that carries jobs out inline may move it
/// first, and asks for `Send`.
///
/// Ids and sizes come from a guest, unchecked unless the method says
/// otherwise; a call that fails leaves everything as it was, unless the method
/// says otherwise.
///
/// A [`ScatterList`] given to it may be read and written by any later call
/// until `detach_backing`, `destroy_resource`, `revoke` or `reset` returns, or
/// it is dropped. Buffers are looked at during the call only.
pub trait Renderer {
    /// What it can do, complete: each set is there in full.
    fn capsets(&self) -> Capsets;

    /// Whether pictures can be in memory that others see, too:
    /// [`Renderer::share`] and [`Renderer::import`] may work. It stays so.
    fn shares_textures(&self) -> bool;

    /// Whether fences can be files that others wait for:
    /// [`Renderer::export_fence`] may work. It stays so.
    fn exports_fences(&self) -> bool;

    /// Makes a context.
    ///
    /// # Errors
    /// [`RenderError`]: the id is 0 or taken, or the renderer refuses.
    fn create_context(&mut self, context: ContextId, args: &ContextArgs)
    -> Result<(), RenderError>;

    /// Destroys a context. Its fences that have not passed count as passed,
    /// whether or not [`Renderer::poll`] still reports them.
    ///
    /// # Errors
    /// [`RenderError::UnknownContext`].
    fn destroy_context(&mut self, context: ContextId) -> Result<(), RenderError>;

    /// Lets a context use a resource. Twice is the same as once.
    ///
    /// # Errors
    /// [`RenderError::UnknownContext`], [`RenderError::UnknownResource`].
    fn attach_resource(
        &mut self,
        context: ContextId,
        resource: ResourceId,
    ) -> Result<(), RenderError>;

    /// Takes a resource away from a context.
    ///
    /// # Errors
    /// [`RenderError::UnknownContext`], [`RenderError::UnknownResource`].
    fn detach_resource(
        &mut self,
        context: ContextId,
        resource: ResourceId,
    ) -> Result<(), RenderError>;

    /// Makes a resource; its contents are zero.
    ///
    /// # Errors
    /// [`RenderError`]: the id is 0 or taken, the arguments contradict each
    /// other, or there is no memory.
    fn create_resource(
        &mut self,
        resource: ResourceId,
        args: &ResourceArgs,
    ) -> Result<(), RenderError>;

    /// Makes a 2D resource whose texels are those of a picture, of its size.
    /// What the picture shows stays.
    ///
    /// # Errors
    /// As [`Renderer::create_resource`]; [`RenderError::Impossible`] where
    /// textures cannot be shared, the picture is of another size, or the
    /// resource would be upside down in memory.
    fn import(
        &mut self,
        resource: ResourceId,
        args: &ResourceArgs,
        picture: &DmaBuf,
    ) -> Result<(), RenderError>;

    /// The memory of a 2D resource, which others may look at. What is drawn
    /// later is there as well, once it is done; the memory outlives the
    /// resource.
    ///
    /// # Errors
    /// [`RenderError::UnknownResource`]; [`RenderError::Impossible`] where
    /// textures cannot be shared, or this one has no single picture or is
    /// upside down in memory, as one with `VIRGL_RESOURCE_Y_0_TOP` is.
    fn share(&mut self, resource: ResourceId) -> Result<DmaBuf, RenderError>;

    /// Destroys a resource and lets go of its backing.
    ///
    /// # Errors
    /// [`RenderError::UnknownResource`].
    fn destroy_resource(&mut self, resource: ResourceId) -> Result<(), RenderError>;

    /// Gives a resource guest memory to copy from and to.
    ///
    /// # Errors
    /// [`RenderError::UnknownResource`], [`RenderError::Backing`] if it has
    /// some or the list is not mapped.
    fn attach_backing(
        &mut self,
        resource: ResourceId,
        backing: ScatterList,
    ) -> Result<(), RenderError>;

    /// Lets go of a resource's guest memory. Without any there is nothing to
    /// do.
    ///
    /// # Errors
    /// [`RenderError::UnknownResource`].
    fn detach_backing(&mut self, resource: ResourceId) -> Result<(), RenderError>;

    /// Lets go of the guest memory of all resources.
    fn revoke(&mut self);

    /// Destroys all contexts and resources. No fence of before is reported
    /// any more.
    fn reset(&mut self);

    /// Copies between a resource and its backing.
    ///
    /// # Errors
    /// [`RenderError`]: an id is unknown, there is no backing, the region
    /// leaves the resource or the backing.
    fn transfer(&mut self, transfer: &Transfer) -> Result<(), RenderError>;

    /// Puts a picture into a resource.
    ///
    /// # Errors
    /// [`RenderError`]: the resource is unknown, or not of the picture's size and
    /// format.
    fn upload(&mut self, upload: &Upload) -> Result<(), RenderError>;

    /// Copies rectangles out of a resource, after everything that was
    /// submitted before.
    ///
    /// # Errors
    /// [`RenderError`]: the resource is unknown or not of the target's format, or
    /// a rectangle leaves either. The target may hold anything then.
    fn read_back(&mut self, read: &ReadBack) -> Result<(), RenderError>;

    /// Carries out a command stream in a context; the stream may be written
    /// to. The work itself may go on after the call.
    ///
    /// # Errors
    /// [`RenderError::UnknownContext`], or that the stream is no good. What was
    /// before the command that is no good may have been done.
    fn submit(&mut self, context: ContextId, commands: &mut [u32]) -> Result<(), RenderError>;

    /// Marks the end of everything done so far. [`Renderer::poll`] reports it.
    ///
    /// # Errors
    /// [`RenderError`]: the context is unknown, or has no such ring. Nothing will
    /// be reported then.
    fn create_fence(&mut self, timeline: Timeline, fence: FenceId) -> Result<(), RenderError>;

    /// A sync file of a fence: readable when that has passed. Without a fence, or
    /// for one that has passed, it is readable at once.
    ///
    /// # Errors
    /// [`RenderError::Impossible`] where fences cannot be exported, and what the
    /// renderer says.
    fn export_fence(&mut self, fence: Option<FenceId>) -> Result<OwnedFd, RenderError>;

    /// Appends the fences that have passed since the last call, without
    /// waiting. It is called only while fences are pending.
    fn poll(&mut self, passed: &mut Vec<PassedFence>);
}
