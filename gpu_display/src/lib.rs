#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod damage;
pub mod display;
pub mod error;
pub mod event;
pub mod frame;
pub mod output;
pub mod surface;

pub use damage::Damage;
pub use display::{Display, Freshness, Interest, PollFd, Presented, Query};
pub use error::DisplayError;
pub use event::Event;
pub use frame::{Frame, PixelSource};
pub use output::{Mode, Output};
pub use surface::{Hotspot, Position, Role, SurfaceId, SurfaceIds, SurfaceRequest};
