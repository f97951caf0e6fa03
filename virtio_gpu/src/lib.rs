#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod backend;
pub mod blob;
pub mod context;
mod copying;
mod descriptors;
pub mod device;
pub mod edid;
mod error;
pub mod fence;
mod in_flight;
mod limits;
mod mirror;
pub mod pixels;
pub mod promotion;
pub mod protocol;
pub mod queue;
pub mod resource;
pub mod scanout;
mod share;
pub mod statistics;
#[cfg(feature = "testing")]
pub mod testing;
pub mod throttle;

pub use device::{
    Activation, Device, DeviceBuilder, DeviceConfig, GuestBlobs, Interrupts, Progress, QueueIndex,
    Quiescing, StoppedQueue, Turn, Wakeup, Watch,
};
pub use error::{CommandError, DeviceError};
pub use limits::Limits;
pub use queue::QueueSetup;
pub use statistics::{FrameStatistics, Frames};
