//! A renderer on the system's virglrenderer: OpenGL for guests, on a GPU or
//! on Mesa's software rasteriser.
//!
//! The library is C, has global state and trusts much of what it is told.
//! This folder is the only one of the crate with unsafe code. It keeps tables
//! of its own, gives the library nothing that contradicts them, and lets
//! guest memory go only after the library has.
//!
//! - One renderer per process at a time; after a drop there may be another.
//! - GL belongs to the thread that made the renderer, and the type stays
//!   there: it goes behind [`crate::RenderQueue::thread`].
//! - Command streams are the library's to check, but for what version 0.10 is
//!   known to die of. An error in one makes the library refuse later ones of
//!   its context, which may not be told before the context is used again.
//! - A fence is in the GL context that was used last. Rendering that another
//!   context submitted before is done too where GL keeps one queue, as
//!   software GL does.
//! - It is tested with virglrenderer 0.10.4 and 1.3.0.

mod capsets;
mod check;
mod commands;
mod copying;
mod dmabuf;
mod egl;
mod fences;
mod ffi;
mod format;
mod images;
mod init;
mod iovec;
mod library;
mod log;
mod pieces;
mod regions;
mod renderer;
mod resources;

use std::path::PathBuf;

use crate::CapsetId;
pub use renderer::VirglRenderer;

/// What to start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirglConfig {
    /// The render node to use, as `/dev/dri/renderD128`; `None` for EGL
    /// without a device, which renders in software where there is no GPU.
    pub render_node: Option<PathBuf>,
    /// The capability sets to offer, in the guest's order, as far as the
    /// library has them.
    pub capsets: Vec<CapsetId>,
}

impl Default for VirglConfig {
    fn default() -> Self {
        Self {
            render_node: None,
            capsets: vec![CapsetId::VIRGL, CapsetId::VIRGL2],
        }
    }
}
