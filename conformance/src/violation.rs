//! What a device did that it must not.

use std::time::Duration;

use crate::case::{Expect, Outcome};
use crate::executor::ShownCursor;
use crate::picture::Picture;

/// A rule of the oracle that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The device ended.
    #[error("the device is gone: {0}")]
    Gone(String),
    /// A request ended in another way than it must.
    #[error("{what} ended in {got}, not in {}", listed(.expected))]
    Outcome {
        /// The request, in a few words.
        what: String,
        /// How it ended.
        got: Outcome,
        /// How it may end.
        expected: Expect,
    },
    /// A head never came back.
    #[error("descriptor {head} did not come back within {within:?}")]
    Lost {
        /// The head.
        head: u16,
        /// How long was waited.
        within: Duration,
    },
    /// A head came back and no interrupt told of it.
    #[error("no interrupt came for what the {0:?} queue returned")]
    NoInterrupt(virtio_gpu::QueueIndex),
    /// A head came back that was not in flight.
    #[error("descriptor {head} came back and was not in flight")]
    NotInFlight {
        /// The head.
        head: u16,
    },
    /// The used length is not that of the response.
    #[error("{used} bytes used, {needed} written in {room} of room")]
    UsedLength {
        /// What the used ring says.
        used: u32,
        /// Length of the response whose type was written.
        needed: u32,
        /// Writable bytes of the chain.
        room: u64,
    },
    /// A type that no response has.
    #[error("{0:#x} is no response")]
    NoResponse(u32),
    /// The fence of the request was not repeated, or one was that it had not.
    #[error(
        "flags {flags:#x} and fence {fence:#x} in the answer to flags {sent_flags:#x} and fence {sent_fence:#x}"
    )]
    Fence {
        /// Flags of the answer.
        flags: u32,
        /// Fence of the answer.
        fence: u64,
        /// Flags of the request.
        sent_flags: u32,
        /// Fence of the request.
        sent_fence: u64,
    },
    /// A byte was written where none may be.
    #[error("guest memory was written at {0:#x}")]
    Canary(u64),
    /// Guest memory does not hold what it must.
    #[error("guest memory is not right at {0:#x}")]
    Memory(u64),
    /// A refused request changed something.
    #[error("{what} was refused and changed {before} to {after}")]
    SideEffect {
        /// The request.
        what: String,
        /// The tracker before.
        before: String,
        /// The tracker after.
        after: String,
    },
    /// A setup that must be refused was accepted.
    #[error("the setup was accepted")]
    SetupAccepted,
    /// A setup as good as any was refused.
    #[error("the setup was refused")]
    SetupRefused,
    /// The probe took too long.
    #[error("a probe was answered after {0:?}")]
    Slow(Duration),
    /// Something was not given back.
    #[error("a reset leaves {after}, there was {before}")]
    Leak {
        /// Before the case.
        before: String,
        /// After it and a reset.
        after: String,
    },
    /// One kind of log line came more often than once a second.
    #[error("logged {count} times within {span:?}: {line}")]
    LogFlood {
        /// How often.
        count: usize,
        /// In how much time.
        span: Duration,
        /// The line.
        line: String,
    },
    /// A scanout shows something else.
    #[error("scanout {scanout} shows {got:?}, not {expected:?}; first different pixel {at:?}")]
    Shows {
        /// The scanout.
        scanout: u32,
        /// What it shows.
        got: Option<Picture>,
        /// What it must show.
        expected: Option<Picture>,
        /// The first pixel that differs.
        at: Option<(u32, u32)>,
    },
    /// A scanout has another cursor.
    #[error("the cursor of scanout {scanout} is {got:?}, not {expected:?}")]
    Cursor {
        /// The scanout.
        scanout: u32,
        /// What is seen.
        got: ShownCursor,
        /// Width and height that its image must have.
        expected: Option<(u32, u32)>,
    },
}

fn listed(expected: Expect) -> String {
    let names: Vec<_> = expected.iter().map(Outcome::to_string).collect();
    names.join(" or ")
}
