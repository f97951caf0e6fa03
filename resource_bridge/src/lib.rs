#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod protocol;

pub use error::Error;
pub use protocol::{BufferInfo, MAX_PLANES, PlaneInfo, Request, Response};
