//! What a [`super::Recording`] writes down.

use gpu_buffer::Rect;

use crate::{
    CapsetId, ContextArgs, ContextId, FenceId, ResourceArgs, ResourceId, Timeline, Transfer,
};

/// A call of a method of [`crate::Renderer`], whether or not it succeeded.
/// Only `capsets`, `shares_textures`, `exports_fences` and `poll` are not written
/// down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the method's arguments")]
pub enum Call {
    /// [`crate::Renderer::create_context`].
    CreateContext {
        context: ContextId,
        name: Vec<u8>,
        capset: Option<CapsetId>,
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
    /// [`crate::Renderer::import`], with the picture's width and height.
    Import {
        resource: ResourceId,
        args: ResourceArgs,
        size: (u32, u32),
    },
    /// [`crate::Renderer::share`].
    Share { resource: ResourceId },
    /// [`crate::Renderer::destroy_resource`].
    DestroyResource { resource: ResourceId },
    /// [`crate::Renderer::attach_backing`], with the bytes of the backing.
    AttachBacking { resource: ResourceId, bytes: u64 },
    /// [`crate::Renderer::detach_backing`].
    DetachBacking { resource: ResourceId },
    /// [`crate::Renderer::revoke`].
    Revoke,
    /// [`crate::Renderer::reset`].
    Reset,
    /// [`crate::Renderer::transfer`].
    Transfer(Transfer),
    /// [`crate::Renderer::upload`].
    Upload { resource: ResourceId },
    /// [`crate::Renderer::read_back`].
    ReadBack {
        resource: ResourceId,
        x: u32,
        y: u32,
        rects: Vec<Rect>,
    },
    /// [`crate::Renderer::submit`].
    Submit {
        context: ContextId,
        commands: Vec<u32>,
    },
    /// [`crate::Renderer::create_fence`].
    CreateFence { timeline: Timeline, fence: FenceId },
    /// [`crate::Renderer::export_fence`].
    ExportFence { fence: Option<FenceId> },
}

/// A method of [`crate::Renderer`] that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as the methods are")]
pub enum Method {
    CreateContext,
    DestroyContext,
    AttachResource,
    DetachResource,
    CreateResource,
    Import,
    Share,
    DestroyResource,
    AttachBacking,
    DetachBacking,
    Transfer,
    Upload,
    ReadBack,
    Submit,
    CreateFence,
    ExportFence,
}

impl Call {
    /// The method that was called; `None` for those that cannot fail.
    pub fn method(&self) -> Option<Method> {
        Some(match self {
            Self::CreateContext { .. } => Method::CreateContext,
            Self::DestroyContext { .. } => Method::DestroyContext,
            Self::AttachResource { .. } => Method::AttachResource,
            Self::DetachResource { .. } => Method::DetachResource,
            Self::CreateResource { .. } => Method::CreateResource,
            Self::Import { .. } => Method::Import,
            Self::Share { .. } => Method::Share,
            Self::DestroyResource { .. } => Method::DestroyResource,
            Self::AttachBacking { .. } => Method::AttachBacking,
            Self::DetachBacking { .. } => Method::DetachBacking,
            Self::Transfer(_) => Method::Transfer,
            Self::Upload { .. } => Method::Upload,
            Self::ReadBack { .. } => Method::ReadBack,
            Self::Submit { .. } => Method::Submit,
            Self::CreateFence { .. } => Method::CreateFence,
            Self::ExportFence { .. } => Method::ExportFence,
            Self::Revoke | Self::Reset => return None,
        })
    }

    pub(super) fn create_context(context: ContextId, args: &ContextArgs) -> Self {
        Self::CreateContext {
            context,
            name: args.name.clone(),
            capset: args.capset,
        }
    }
}
