#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod clients;
mod error;
mod owner;
mod protocol;
mod server;

pub use client::Client;
pub use error::Error;
pub use owner::{Description, Key, Owner, Shared, Sharing, Ticket, Verdict};
pub use protocol::{Buffer, MAX_PLANES, Plane, Reason, Request, Response, Uuid};
pub use server::{Policy, Server, ServerConfig, Statistics};
