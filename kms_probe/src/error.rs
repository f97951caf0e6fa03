//! What can go wrong while drawing.

use std::io;

/// Result of everything that talks to the device.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failure that ends the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The kernel refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// There is no such screen.
    #[error("screen {head} does not exist or is not connected")]
    NoScreen {
        /// Its number.
        head: usize,
    },
    /// A screen that shows nothing has nothing to grab.
    #[error("screen {head} shows no framebuffer")]
    NoFramebuffer {
        /// Its number.
        head: usize,
    },
    /// A framebuffer in a format other than 32-bit RGB.
    #[error("the framebuffer's format is not supported: {0}")]
    Format(String),
    /// The framebuffer is smaller than what is shown of it.
    #[error("the framebuffer is smaller than the screen")]
    Short,
}

impl Error {
    /// A refused system call, told as "cannot `action`".
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
