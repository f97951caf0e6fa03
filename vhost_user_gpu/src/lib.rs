#![doc = include_str!("../README.md")]

mod accept;
pub mod args;
pub mod capabilities;
pub mod endpoint;
mod error;
pub mod event_loop;
pub mod logger;
mod memory;
mod poller;
pub mod remote_display;
mod session;
pub mod signals;
mod vring;

pub use error::Error;
