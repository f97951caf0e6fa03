//! What can go wrong while sending or receiving.

use nix::errno::Errno;

/// Why bytes and descriptors did not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer has closed its end: nothing will arrive, or nothing sent would be read.
    #[error("the peer has closed the socket")]
    Closed,
    /// Nothing can be read or written without waiting.
    #[error("the socket is not ready")]
    WouldBlock,
    /// More descriptors came than were asked for, or the process has no room for them (EMFILE).
    ///
    /// All of them are closed. The bytes that came along are in the caller's buffer, so the framing of
    /// a stream is not lost.
    #[error(
        "descriptors were lost on the way: more than {max_fds} came, or too many files are open"
    )]
    ControlTruncated {
        /// Bytes that were received all the same.
        bytes: usize,
        /// The most descriptors that the caller asked for.
        max_fds: usize,
    },
    /// The system refused the call.
    #[error("{call} failed")]
    System {
        /// The call, as in its manual page.
        call: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The error that `call` means by `errno`.
    pub(crate) fn from_errno(call: &'static str, errno: Errno) -> Self {
        match errno {
            Errno::EAGAIN => Self::WouldBlock,
            Errno::EPIPE | Errno::ECONNRESET => Self::Closed,
            other => Self::System {
                call,
                source: other.into(),
            },
        }
    }
}
