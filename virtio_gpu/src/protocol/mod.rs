//! The virtio-gpu protocol as data: bytes to commands, outcomes to bytes.
//!
//! The device's queues call [`decode`] with a request that was already copied
//! out of guest memory, and [`encode`] with its outcome. Nothing here keeps
//! state, looks an id up or touches guest memory, and nothing allocates by a
//! number the guest sent.

pub mod command;
pub mod config;
pub mod features;
pub mod format;
mod header;
mod id;
mod kind;
pub mod response;
pub mod wire;

pub use command::{
    Box3, Command, CursorPosition, CursorUpdate, DecodeError, Rejected, Request, ResourceCreate2d,
    ResourceCreate3d, ResourceCreateBlob, SetScanoutBlob, Transfer3d, decode,
};
pub use config::ConfigSpace;
pub use features::Features;
pub use header::{HeaderFlags, RequestHeader};
pub use id::{ContextId, ResourceId, ScanoutId};
pub use kind::{CommandKind, QueueKind};
pub use response::{
    DisplayMode, ErrorCode, ResponseError, ResponseHeader, Success, decode_response, encode,
    encoded_length,
};
