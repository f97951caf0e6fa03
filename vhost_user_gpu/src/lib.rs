#![doc = include_str!("../README.md")]

mod accept;
pub mod args;
pub mod bridge;
pub mod capabilities;
pub mod endpoint;
mod error;
mod event_loop;
pub mod exit;
pub mod guest_blobs;
pub mod input;
pub mod logger;
mod memory;
mod poller;
pub mod remote_display;
pub mod renderer;
pub mod screens;
pub mod serve;
mod session;
pub mod signals;
mod vring;

pub use error::Error;
