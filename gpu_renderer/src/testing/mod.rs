//! Renderers and command streams for tests of this crate and of devices that
//! are built on it. What is here fails loudly, as tests do.

mod recording;
pub mod stream;

pub use recording::{Call, Journal, Method, Order, Recording};
