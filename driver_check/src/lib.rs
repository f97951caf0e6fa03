#![doc = include_str!("../README.md")]
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "it fails as tests do"
)]

mod memory;
mod transport;

pub use memory::Machine;
pub use transport::InProcess;
