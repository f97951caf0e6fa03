#![doc = include_str!("../README.md")]

mod error;
mod exchange;
mod listener;
mod message;
mod packet;
mod receive;
mod send;
mod socket;
mod wait;

pub use error::Error;
pub use exchange::{Asked, RequestId, Requester, Responder};
pub use listener::{Listener, SocketFile};
pub use message::{Incoming, Message, Outgoing};
pub use receive::{MAX_FDS, Received, recv_with_fds};
pub use send::{send_volatile, send_with_fds};
pub use socket::{Peer, Receiver, Sender, Socket};
pub use wait::Wait;
