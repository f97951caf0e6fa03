//! Answers on their way to the driver.

use super::QueueIndex;
use crate::protocol::{ErrorCode, RequestHeader, Success, encode};
use crate::queue::Chain;

/// An answer on its way to the driver.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) queue: QueueIndex,
    pub(super) chain: Chain,
    /// What the answer has to echo; `None` if the request had no header.
    pub(super) header: Option<RequestHeader>,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    /// A chain that goes back as it came.
    pub(super) fn none(queue: QueueIndex, chain: Chain) -> Self {
        Self {
            queue,
            chain,
            header: None,
            bytes: Vec::new(),
        }
    }

    /// The answer to a request whose bytes cannot be read, and so has nothing
    /// to echo.
    pub(super) fn unreadable(queue: QueueIndex, chain: Chain) -> Self {
        let mut answer = Self::none(queue, chain);
        answer.encode(Err(ErrorCode::Unspec));
        answer
    }

    /// Fills the bytes in. What does not fit becomes the error
    /// `INVALID_PARAMETER` in a bare header, never a cut answer.
    pub(super) fn encode(&mut self, outcome: Result<&Success, ErrorCode>) {
        let echo = self.header.as_ref();
        encode(outcome, echo, &mut self.bytes);
        let length = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        if length > self.chain.room() {
            encode(Err(ErrorCode::InvalidParameter), echo, &mut self.bytes);
        }
    }
}
