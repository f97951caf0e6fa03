#![doc = include_str!("../README.md")]

mod error;
mod receive;
mod send;

pub use error::Error;
pub use receive::{MAX_FDS, Received, Wait, recv_with_fds};
pub use send::{send_volatile, send_with_fds};
