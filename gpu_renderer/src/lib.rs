#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "virgl"), forbid(unsafe_code))]

mod capset;
mod dma_buf;
mod error;
mod id;
pub mod queue;
mod renderer;
mod resource;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "virgl")]
pub mod virgl;

pub use capset::{Capset, CapsetId, Capsets};
pub use dma_buf::{DmaBuf, Plane};
pub use error::RenderError;
pub use id::{ContextId, ResourceId};
pub use queue::{Completion, JobId, RenderQueue, When, Work};
pub use renderer::{ContextArgs, FenceId, PassedFence, Renderer, Timeline};
pub use resource::{Box3, Direction, ReadBack, ResourceArgs, Transfer, Upload};
