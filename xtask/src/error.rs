//! What can go wrong, in one line each, with what to do about it where we know.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

/// Result of every fallible step of this program.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failure that ends the command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something this machine lacks.
    #[error("{what}")]
    Missing {
        /// The lack, as a sentence.
        what: String,
        /// How to get it.
        hint: String,
    },
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program that was run did not succeed.
    #[error("`{command}` failed ({status}){}", logs(output))]
    Command {
        /// The program and its first argument.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// A wait reached its deadline.
    #[error("{what} did not happen within {} s{}", after.as_secs(), logs(output))]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// The ends of the logs that may tell why.
        output: String,
    },
    /// A program that the rig needs ended by itself.
    #[error("{name} ended unexpectedly ({status}){}", logs(output))]
    Ended {
        /// Which program.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The ends of the logs that may tell why.
        output: String,
    },
    /// A peer answered something else than agreed.
    #[error("{peer}: {message}")]
    Protocol {
        /// Who answered.
        peer: &'static str,
        /// The answer, or what is wrong with it.
        message: String,
    },
    /// A test that cannot tell anything here.
    #[error("{0}")]
    Unsuitable(String),
    /// The user pressed Ctrl-C, or SIGTERM came.
    #[error("interrupted")]
    Interrupted,
}

fn logs(output: &str) -> String {
    if output.trim().is_empty() {
        String::new()
    } else {
        format!("\n{}", output.trim_end())
    }
}

impl Error {
    /// A failed system call, told as "cannot `action` `path`".
    pub(crate) fn io(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let action = format!("{action} {}", path.display());
        |source| Self::Io { action, source }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Self::Missing { hint, .. } => Some(hint),
            _ => None,
        }
    }

    /// Adds the ends of the rig's logs to a time-out or an unexpected end.
    pub(crate) fn with_logs(self, extra: impl FnOnce() -> String) -> Self {
        match self {
            Self::TimedOut {
                what,
                after,
                output,
            } if output.is_empty() => Self::TimedOut {
                what,
                after,
                output: extra(),
            },
            Self::Ended {
                name,
                status,
                output,
            } if output.is_empty() => Self::Ended {
                name,
                status,
                output: extra(),
            },
            other => other,
        }
    }
}
