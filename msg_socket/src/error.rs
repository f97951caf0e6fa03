//! What can go wrong while sending or receiving.

use std::path::PathBuf;

use nix::errno::Errno;

/// Why bytes, a message or descriptors did not pass.
///
/// Whatever descriptors had arrived by then are closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer has closed its end: nothing will arrive, or nothing sent would be read.
    #[error("the peer has closed the socket")]
    Closed,
    /// Nothing can be read or written without waiting.
    #[error("the socket is not ready")]
    WouldBlock,
    /// The deadline came first.
    #[error("the deadline has passed")]
    TimedOut,
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
    /// The message is longer than any of its kind.
    #[error("a message of {length} bytes, {max} at most were expected")]
    Truncated {
        /// Bytes of the whole message.
        length: usize,
        /// Bytes of the longest message of the kind.
        max: usize,
    },
    /// The message has another length than its tag says.
    #[error("a message with tag {tag} and {length} bytes, {expected} were expected")]
    Length {
        /// The message's tag; 0 if the message is too short for one.
        tag: u32,
        /// Its bytes after the header; of the whole message if it is too short for a header.
        length: usize,
        /// The bytes it should have.
        expected: usize,
    },
    /// No message of the kind begins with this tag.
    #[error("a message with the unknown tag {0}")]
    UnknownTag(u32),
    /// A field has a value that nobody has defined.
    #[error("a message with an impossible {what}: {value}")]
    Value {
        /// The field.
        what: &'static str,
        /// What is in it.
        value: u64,
    },
    /// Descriptors did not survive the way: the process has too many files open.
    #[error("only {arrived} of a message's descriptors arrived: too many files are open")]
    FdsLost {
        /// The descriptors that did arrive.
        arrived: usize,
    },
    /// The message lacks a descriptor that its tag asks for.
    #[error("a message with tag {tag} and {arrived} descriptors, more were expected")]
    MissingFds {
        /// The message's tag.
        tag: u32,
        /// The descriptors that came.
        arrived: usize,
    },
    /// The message brings descriptors that its tag does not ask for.
    #[error("a message with tag {tag} and more descriptors than the {expected} it should have")]
    SurplusFds {
        /// The message's tag; 0 if it was not looked at.
        tag: u32,
        /// The most that it should have.
        expected: usize,
    },
    /// A message to send is longer, or has more descriptors, than its type says.
    #[error(
        "a message of {bytes} bytes and {fds} descriptors is larger than its type says it can be"
    )]
    TooLarge {
        /// Bytes of the message.
        bytes: usize,
        /// Its descriptors.
        fds: usize,
    },
    /// An answer to a request that was never made.
    #[error("an answer to the request {0}, which was not made")]
    UnexpectedAnswer(u64),
    /// The descriptor is no Unix socket of the kind that is needed.
    #[error("the descriptor is not {expected}")]
    WrongSocket {
        /// What was needed.
        expected: &'static str,
    },
    /// Something that is no socket, or a socket on which another program listens, is at the path.
    #[error("{} is taken", path.display())]
    PathTaken {
        /// The path.
        path: PathBuf,
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
