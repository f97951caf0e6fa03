//! What can go wrong while drawing.

use std::io;

/// Result of everything that talks to EGL, GL or a display device.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failure that ends the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// There is no EGL library, or an old one.
    #[error("cannot load libEGL.so.1: {0}")]
    NoEgl(String),
    /// EGL refused.
    #[error("cannot {action}: {source}")]
    Egl {
        /// What was tried.
        action: &'static str,
        /// EGL's answer.
        source: khronos_egl::Error,
    },
    /// EGL offers nothing of the kind.
    #[error("EGL has no configuration {0}")]
    NoConfiguration(&'static str),
    /// GL refused.
    #[error("cannot {action}: {message}")]
    Gl {
        /// What was tried.
        action: &'static str,
        /// GL's words, or its error's number.
        message: String,
    },
    /// No screen is connected.
    #[error("no screen is connected")]
    NoScreen,
}

impl Error {
    /// A refused system call, told as "cannot `action`".
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    /// A refused call of EGL, told as "cannot `action`".
    pub(crate) fn egl(action: &'static str) -> impl FnOnce(khronos_egl::Error) -> Self {
        move |source| Self::Egl { action, source }
    }

    /// A refused call of GL, told as "cannot `action`: `message`".
    pub(crate) fn gl(action: &'static str, message: impl Into<String>) -> Self {
        Self::Gl {
            action,
            message: message.into(),
        }
    }
}
