//! What goes to a renderer and what comes back: plain data.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use gpu_buffer::{Buffer, ScatterList};

use crate::{
    ContextArgs, ContextId, DmaBuf, ReadBack, RenderError, ResourceArgs, ResourceId, Timeline,
    Transfer, Upload,
};

/// Names a job of one queue. Each has a larger number than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Something for a renderer to do; see the method of [`crate::Renderer`] of
/// the same name.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are the method's arguments")]
pub enum Work {
    /// [`crate::Renderer::create_context`].
    CreateContext {
        context: ContextId,
        args: ContextArgs,
    },
    /// [`crate::Renderer::destroy_context`].
    DestroyContext { context: ContextId },
    /// [`crate::Renderer::attach_resource`].
    AttachResource {
        context: ContextId,
        resource: ResourceId,
    },
    /// [`crate::Renderer::detach_resource`].
    DetachResource {
        context: ContextId,
        resource: ResourceId,
    },
    /// [`crate::Renderer::create_resource`].
    CreateResource {
        resource: ResourceId,
        args: ResourceArgs,
    },
    /// [`crate::Renderer::import`].
    Import {
        resource: ResourceId,
        args: ResourceArgs,
        picture: Arc<DmaBuf>,
    },
    /// [`crate::Renderer::share`].
    Share { resource: ResourceId },
    /// [`crate::Renderer::export_fence`] of the fence that an earlier job waits
    /// for; of none where it does not.
    ExportFence { job: Option<JobId> },
    /// Nothing; with [`When::Passed`] it ends when all before it is done.
    Fence,
    /// [`crate::Renderer::destroy_resource`].
    DestroyResource { resource: ResourceId },
    /// [`crate::Renderer::attach_backing`].
    AttachBacking {
        resource: ResourceId,
        backing: ScatterList,
    },
    /// [`crate::Renderer::detach_backing`].
    DetachBacking { resource: ResourceId },
    /// [`crate::Renderer::revoke`].
    Revoke,
    /// [`crate::Renderer::reset`].
    Reset,
    /// [`crate::Renderer::transfer`].
    Transfer(Transfer),
    /// [`crate::Renderer::upload`].
    Upload(Upload),
    /// [`crate::Renderer::read_back`].
    ReadBack(ReadBack),
    /// [`crate::Renderer::submit`].
    Submit {
        context: ContextId,
        commands: Vec<u32>,
    },
}

impl Work {
    /// Bytes of a command stream that the work carries along.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Submit { commands, .. } => commands.len().saturating_mul(4),
            _ => 0,
        }
    }
}

/// When a job is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// As soon as the renderer has taken it.
    Taken,
    /// When all that the renderer was told up to it is done, and all earlier
    /// jobs of the timeline are complete. A job that fails is complete at once,
    /// and the end of a context completes what waits on its timelines.
    Passed(Timeline),
}

/// The end of a job.
#[derive(Debug)]
pub struct Completion {
    /// Which job.
    pub job: JobId,
    /// What came of it. After [`RenderError::Lost`] it may have been done, in
    /// part or not at all; the renderer's hold on guest memory is over.
    pub result: Result<(), RenderError>,
    /// The buffer that a read-back or an upload lent, also when it failed.
    /// `None` for other jobs, and when the renderer is lost.
    pub returned: Option<Arc<Buffer>>,
    /// The picture that [`Work::Share`] was asked for, if it worked.
    pub shared: Option<DmaBuf>,
    /// The sync file that [`Work::ExportFence`] was asked for, if it worked.
    pub fence: Option<OwnedFd>,
}
