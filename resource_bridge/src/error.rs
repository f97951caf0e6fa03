//! Errors of the crate.

use crate::Reason;

/// Why a question has no answer, or a server does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device says no.
    #[error("the device refuses: {0}")]
    Invalid(Reason),
    /// The device answers another question.
    #[error("the answer is not one to the question")]
    OtherAnswer,
    /// The socket does not work, or what came over it is no good.
    #[error("the socket fails")]
    Connection(#[from] msg_socket::Error),
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
