//! Errors of the crate.

/// Why a message cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message has another length than its kind.
    #[error("a message of {length} bytes, {expected} were expected")]
    Length {
        /// Bytes received.
        length: usize,
        /// Bytes of such a message.
        expected: usize,
    },
    /// No message begins with this tag.
    #[error("a message with the unknown tag {0}")]
    Tag(u32),
    /// A buffer has between one and four planes.
    #[error("a buffer of {0} planes")]
    Planes(u32),
    /// The pixel format is no fourcc that this program knows.
    #[error("a buffer of the unknown format {0:#010x}")]
    Format(u32),
}
