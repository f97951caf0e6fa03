//! Errors of the crate.

use crate::{ContextId, ResourceId};

/// Why a renderer cannot be had, or does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// No context has this id.
    #[error("there is no context {0}")]
    UnknownContext(ContextId),
    /// The id for a new context is 0 or taken.
    #[error("context id {0} is 0 or in use")]
    ContextIdTaken(ContextId),
    /// No resource has this id.
    #[error("the renderer has no resource {0}")]
    UnknownResource(ResourceId),
    /// The id for a new resource is 0 or taken.
    #[error("resource id {0} is 0 or in use by the renderer")]
    ResourceIdTaken(ResourceId),
    /// The resource has no backing, has one already, or it is not guest
    /// memory now.
    #[error("the backing of resource {0} does not allow it")]
    Backing(ResourceId),
    /// A size, format or region that makes no sense.
    #[error("impossible: {0}")]
    Impossible(&'static str),
    /// There is no memory for a resource.
    #[error("no memory for resource {0}")]
    OutOfMemory(ResourceId),
    /// The renderer's library refused.
    #[error("{call} failed with {code}")]
    Refused {
        /// The function.
        call: &'static str,
        /// What it returned.
        code: i32,
    },
    /// The renderer cannot be started.
    #[error("no 3D renderer: {reason}")]
    Unavailable {
        /// Why not, with what the libraries said.
        reason: String,
        /// What a user may try.
        hint: Option<String>,
    },
    /// The system refuses a thread or a descriptor.
    #[error("{call} failed with error {code}")]
    System {
        /// The call.
        call: &'static str,
        /// `errno`.
        code: i32,
    },
    /// The renderer was lost: its thread has ended.
    #[error("the renderer is lost")]
    Lost,
}
