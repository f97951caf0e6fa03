//! How long a call may take.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Error;

/// What to do when nothing has arrived yet, or there is no room for what is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Wait for as long as it takes.
    Block,
    /// Answer [`Error::WouldBlock`] at once.
    DontWait,
    /// Wait until then, and answer [`Error::TimedOut`].
    Until(Instant),
}

/// Waits until `socket` is ready for one of `events`, or its peer is gone.
///
/// # Errors
///
/// [`Error::WouldBlock`], [`Error::TimedOut`], [`Error::System`].
pub(crate) fn wait_for(socket: BorrowedFd<'_>, events: PollFlags, wait: Wait) -> Result<(), Error> {
    loop {
        let timeout = match wait {
            Wait::DontWait => return Err(Error::WouldBlock),
            Wait::Block => PollTimeout::NONE,
            Wait::Until(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                // Whole milliseconds, rounded up: waking before the deadline would spin until it comes.
                let left = left.saturating_add(Duration::from_micros(999));
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(&mut [PollFd::new(socket, events)], timeout) {
            Ok(0) if timeout != PollTimeout::MAX => return Err(Error::TimedOut),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(Error::from_errno("poll", errno)),
        }
    }
}
