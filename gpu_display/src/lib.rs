#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod backends;
pub mod damage;
#[cfg(any(feature = "wayland", feature = "x11"))]
mod desktop;
pub mod display;
pub mod dma_buf;
pub mod error;
pub mod event;
pub mod frame;
pub mod input;
mod news;
pub mod output;
pub mod surface;
mod surfaces;
pub mod swapchain;

pub use backends::embedded::{CursorView, Embedded, Viewer};
pub use backends::headless::{self, Headless, HeadlessConfig, Picture};
#[cfg(feature = "wayland")]
pub use backends::wayland::{
    WaylandConfig, WaylandDisplay, WaylandPresentation, WaylandStatistics,
};
#[cfg(feature = "x11")]
pub use backends::x11::{X11Config, X11Display, X11Statistics, X11Transport};
pub use damage::Damage;
pub use display::{Display, Freshness, Interest, PictureMemory, PollFd, Presented, Query};
pub use dma_buf::{DmaBuf, DmaBufPlane};
pub use error::DisplayError;
pub use event::Event;
pub use frame::{Frame, PixelSource};
pub use input::{
    AbsoluteAxes, EventDevice, EventDeviceKind, EventDevices, Input, InputEvent, InputQueue,
    InputSource, KeyState,
};
pub use output::{Mode, Output};
pub use surface::{Hotspot, Position, Role, SurfaceId, SurfaceIds, SurfaceRequest};
pub use swapchain::{Lease, Swapchain};
