//! Why a request could not be read.

use crate::protocol::{CommandKind, ErrorCode, RequestHeader};
use thiserror::Error;

/// A request that could not be read. It must be answered all the same.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("request rejected")]
pub struct Rejected {
    /// The header, whose fence the answer echoes; None if not even 24 bytes
    /// came.
    pub header: Option<RequestHeader>,
    /// What is wrong.
    #[source]
    pub error: DecodeError,
}

/// What is wrong with a request's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Fewer bytes than a header.
    #[error("a request of {length} bytes has no room for a header")]
    ShortHeader {
        /// Bytes of the request.
        length: usize,
    },
    /// No command has that number.
    #[error("command {kind:#x} is unknown")]
    UnknownCommand {
        /// The number.
        kind: u32,
    },
    /// Fewer bytes than the command's fixed part.
    #[error("{kind} needs {needed} bytes, the request has {length}")]
    ShortCommand {
        /// The command.
        kind: CommandKind,
        /// Bytes of its fixed part.
        needed: usize,
        /// Bytes of the request.
        length: usize,
    },
    /// Fewer memory entries than promised.
    #[error("{kind} promises {promised} memory entries, the request holds {present}")]
    MissingEntries {
        /// The command.
        kind: CommandKind,
        /// Entries the command claims.
        promised: u32,
        /// Whole entries in the request.
        present: usize,
    },
    /// A shorter command stream than promised.
    #[error("SUBMIT_3D promises {promised} bytes, the request holds {present}")]
    ShortPayload {
        /// Bytes the command claims.
        promised: u32,
        /// Bytes in the request.
        present: usize,
    },
}

impl DecodeError {
    /// The error the driver is told; the choice is QEMU's, the specification
    /// leaves it open.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::ShortHeader { .. } | Self::ShortCommand { .. } | Self::ShortPayload { .. } => {
                ErrorCode::InvalidParameter
            }
            Self::UnknownCommand { .. } | Self::MissingEntries { .. } => ErrorCode::Unspec,
        }
    }
}
