//! Errors of the crate.

use gpu_display::DisplayError;
use gpu_renderer::RenderError;

use crate::pixels::TransferError;
use crate::protocol::{ContextId, ErrorCode, ResourceId, ScanoutId};
use crate::queue::QueueSetup;

/// Why the device cannot be made or set up: a mistake of the embedding
/// program or of its transport, never of the guest's commands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The number of scanouts is not between 1 and 16.
    #[error("{0} scanouts asked for, 1 to 16 can be had")]
    ScanoutCount(u32),
    /// A feature was acknowledged that the device does not offer.
    #[error("features {acknowledged:#x} acknowledged, only {offered:#x} are offered")]
    UnofferedFeatures {
        /// The bits the driver set.
        acknowledged: u64,
        /// The bits the device offers.
        offered: u64,
    },
    /// Guest blobs are to be offered by a device that renders: its guest would
    /// expect them in its contexts.
    #[error("a device that renders has no guest blobs")]
    BlobsWithRenderer,
    /// A queue is started before the device was given guest memory.
    #[error("a queue is started before there is guest memory")]
    NoMemory,
    /// A ring breaks the rules of VIRTIO 1.4 §2.7.
    #[error("queue refused, {reason}: {setup:?}")]
    InvalidQueue {
        /// What was asked for.
        setup: QueueSetup,
        /// Which rule it breaks.
        reason: &'static str,
    },
}

/// Why a command of the guest fails. The guest is told [`CommandError::code`],
/// the log the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A command that the device does not know or that the negotiated
    /// features do not contain.
    #[error("{0} is not available")]
    Unavailable(&'static str),
    /// A blob command without `VIRTIO_GPU_F_RESOURCE_BLOB`.
    #[error("{0} needs blob resources, which were not negotiated")]
    BlobUnavailable(&'static str),
    /// Memory for a blob of a kind that the device does not have.
    #[error("there are no blobs of memory {0}, only of the guest's")]
    BlobMemory(u32),
    /// Flags of a blob that do not exist.
    #[error("there are no blob flags {0:#x}")]
    BlobFlags(u32),
    /// A blob of the guest's memory that is to be an object of the renderer's.
    #[error("a guest's blob is no object {0}")]
    BlobObject(u64),
    /// A blob of no bytes.
    #[error("resource {0} is to be an empty blob")]
    EmptyBlob(ResourceId),
    /// The resource is not a blob.
    #[error("resource {0} is not a blob")]
    NotABlob(ResourceId),
    /// A blob is to be mapped, or unmapped, that no window shows.
    #[error("blob {0} is not in a window of host memory, and cannot be")]
    NotInAWindow(ResourceId),
    /// A framebuffer that is not in its blob, or in no memory at all.
    #[error("framebuffer in blob {0}")]
    Framebuffer(ResourceId, #[source] gpu_buffer::Error),
    /// No resource has this id.
    #[error("there is no resource {0}")]
    UnknownResource(ResourceId),
    /// The id for a new resource is 0 or taken.
    #[error("resource id {0} is 0 or in use")]
    ResourceIdTaken(ResourceId),
    /// No context has this id.
    #[error("there is no context {0}")]
    UnknownContext(ContextId),
    /// The id for a new context is 0 or taken.
    #[error("context id {0} is 0 or in use")]
    ContextIdTaken(ContextId),
    /// A `context_init` that the device does not know.
    #[error("there is no context of kind {0:#x}")]
    ContextKind(u32),
    /// The resource is not attached to the context that wants to use it.
    #[error("resource {resource} is not attached to context {context}")]
    NotAttached {
        /// The resource.
        resource: ResourceId,
        /// The context.
        context: ContextId,
    },
    /// A ring of a timeline that cannot exist.
    #[error("there is no ring {0}")]
    UnknownRing(u8),
    /// A command stream that does not consist of whole words.
    #[error("a command stream of {0} bytes")]
    OddStream(usize),
    /// The resource is a buffer, or a texture that cannot be shown.
    #[error("resource {0} is not a picture")]
    NotAPicture(ResourceId),
    /// The renderer refused.
    #[error("renderer")]
    Renderer(#[source] RenderError),
    /// The scanout does not exist.
    #[error("scanout {0} is beyond the {1} there are")]
    UnknownScanout(ScanoutId, u32),
    /// A number of the format table that the device does not show.
    #[error("pixel format {0} is unknown")]
    UnknownFormat(u32),
    /// Width or height is zero or beyond [`Limits::side`](crate::Limits::side).
    #[error("a size of {width}x{height} pixels is impossible")]
    ImpossibleSize {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A rectangle that leaves what it refers to.
    #[error("the rectangle {rect:?} leaves {width}x{height} pixels")]
    RectangleOutside {
        /// The guest's rectangle.
        rect: gpu_buffer::Rect,
        /// Width it has to stay in.
        width: u32,
        /// Height it has to stay in.
        height: u32,
    },
    /// EDID of a scanout that does not exist.
    #[error("scanout {0} has no EDID")]
    NoEdid(ScanoutId),
    /// A capability set that the device does not have.
    #[error("there is no capability set {0}")]
    NoCapset(u32),
    /// [`Limits`](crate::Limits) grants no more of something.
    #[error("the limit of {limit} {what} is reached")]
    LimitReached {
        /// What there is too much of.
        what: &'static str,
        /// The cap.
        limit: u64,
    },
    /// The host has no memory for something.
    #[error("no memory for {0}")]
    NoMemory(&'static str),
    /// A backing of no entries at all.
    #[error("an empty backing for resource {0}")]
    NoEntries(ResourceId),
    /// More backing entries than [`Limits`](crate::Limits) grants.
    #[error("{0} backing entries are too many")]
    TooManyEntries(usize),
    /// The resource has backing already.
    #[error("resource {0} has backing already")]
    BackingAttached(ResourceId),
    /// The resource has no backing.
    #[error("resource {0} has no backing")]
    NoBacking(ResourceId),
    /// Pixel storage or a copy failed.
    #[error("pixels of resource {0}")]
    Buffer(ResourceId, #[source] gpu_buffer::Error),
    /// The backing named by the guest is not its memory.
    #[error("backing of resource {0}")]
    Backing(ResourceId, #[source] gpu_buffer::Error),
    /// The backing is shorter than the rectangle to be copied.
    #[error("transfer to resource {0}")]
    Transfer(ResourceId, #[source] gpu_buffer::Error),
    /// The display refused.
    #[error("display of scanout {0}")]
    Display(ScanoutId, #[source] DisplayError),
    /// There is no UUID for the resource.
    #[error("no UUID for resource {0}")]
    Uuid(ResourceId, #[source] getrandom::Error),
    /// The queue was stopped before the command was done.
    #[error("the queue was stopped")]
    Stopped,
}

impl CommandError {
    pub(crate) fn transfer(id: ResourceId, error: TransferError) -> Self {
        match error {
            TransferError::Storage(source) => Self::Buffer(id, source),
            TransferError::Copy(source) => Self::Transfer(id, source),
        }
    }

    /// What the guest is told. The specification leaves the choice of code to
    /// the device; these follow QEMU's, which guests have been written for.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_)
            | Self::NotInAWindow(_)
            | Self::NotAttached { .. }
            | Self::NoEntries(_)
            | Self::TooManyEntries(_)
            | Self::BackingAttached(_)
            | Self::NoBacking(_)
            | Self::Backing(..)
            | Self::Display(..)
            | Self::Uuid(..)
            | Self::Stopped => ErrorCode::Unspec,
            Self::UnknownResource(_) | Self::ResourceIdTaken(_) => ErrorCode::InvalidResourceId,
            Self::UnknownContext(_) | Self::ContextIdTaken(_) => ErrorCode::InvalidContextId,
            Self::Renderer(error) => renderer_code(error),
            Self::UnknownScanout(..) => ErrorCode::InvalidScanoutId,
            Self::BlobUnavailable(_)
            | Self::BlobMemory(_)
            | Self::BlobFlags(_)
            | Self::BlobObject(_)
            | Self::EmptyBlob(_)
            | Self::NotABlob(_)
            | Self::Framebuffer(..)
            | Self::UnknownFormat(_)
            | Self::ImpossibleSize { .. }
            | Self::RectangleOutside { .. }
            | Self::ContextKind(_)
            | Self::UnknownRing(_)
            | Self::OddStream(_)
            | Self::NotAPicture(_)
            | Self::NoEdid(_)
            | Self::NoCapset(_)
            | Self::Transfer(..) => ErrorCode::InvalidParameter,
            Self::LimitReached { .. } | Self::NoMemory(_) | Self::Buffer(..) => {
                ErrorCode::OutOfMemory
            }
        }
    }
}

/// What the guest is told of a renderer's refusal.
fn renderer_code(error: &RenderError) -> ErrorCode {
    match error {
        RenderError::UnknownContext(_) | RenderError::ContextIdTaken(_) => {
            ErrorCode::InvalidContextId
        }
        RenderError::UnknownResource(_) | RenderError::ResourceIdTaken(_) => {
            ErrorCode::InvalidResourceId
        }
        RenderError::Impossible(_) => ErrorCode::InvalidParameter,
        RenderError::OutOfMemory(_) => ErrorCode::OutOfMemory,
        _ => ErrorCode::Unspec,
    }
}

/// The cap that a [`CommandError::LimitReached`] names, for a count.
pub(crate) fn limit_reached(what: &'static str, limit: usize) -> CommandError {
    CommandError::LimitReached {
        what,
        limit: u64::try_from(limit).unwrap_or(u64::MAX),
    }
}

/// An error with its causes in one line.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}
