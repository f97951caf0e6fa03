#![doc = include_str!("../README.md")]

pub mod args;
pub mod capabilities;
pub mod endpoint;
mod error;
pub mod event_loop;
pub mod logger;
pub mod memory;
pub mod poller;
pub mod remote_display;
pub mod session;
pub mod signals;
mod vring;

pub use error::Error;
