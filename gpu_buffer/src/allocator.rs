//! Where buffers come from.

use std::fmt::Debug;

use crate::{Buffer, Error, Layout};

/// What a new buffer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferRequest {
    /// How its picture lies in memory.
    pub layout: Layout,
}

/// A source of buffers. A fresh buffer reads as zero, whatever was in its memory before.
pub trait Allocator: Debug {
    /// Makes a buffer.
    ///
    /// # Errors
    /// Out of memory or of file descriptors, with the kernel's answer as the source;
    /// [`Error::BufferTooLarge`].
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error>;
}
