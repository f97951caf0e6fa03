//! What can go wrong with a buffer.

use std::io;

/// Result of everything here.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failure that ends the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The machine lacks what was asked for.
    #[error("{0}")]
    Absent(String),
    /// A call failed that must not.
    #[error("{action}")]
    Buffer {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: gpu_buffer::Error,
    },
    /// A system call failed.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Something is not as it must be.
    #[error("{0}")]
    Wrong(String),
}

impl Error {
    /// A failure of the library, told as "`action`: why".
    pub(crate) fn buffer(action: impl Into<String>) -> impl FnOnce(gpu_buffer::Error) -> Self {
        move |source| Self::Buffer {
            action: action.into(),
            source,
        }
    }

    /// A refused system call, told as "cannot `action`".
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
