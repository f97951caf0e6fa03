//! SIGTERM and SIGINT as something to wait for.
//!
//! The event loop must end in an orderly way, so the signals are blocked and read from a descriptor. SIGPIPE needs
//! nothing here: the Rust runtime ignores it before `main`, and sockets are written with MSG_NOSIGNAL.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::Error;

/// The termination signals of this process.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks SIGTERM and SIGINT in the calling thread, and in those that it starts later, and opens the descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the system refuses.
    pub fn block() -> Result<Self, Error> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGTERM);
        mask.add(Signal::SIGINT);
        mask.thread_block()
            .map_err(|errno| Error::system("pthread_sigmask", errno))?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map_err(|errno| Error::system("signalfd", errno))?;
        Ok(Self { fd })
    }

    /// Takes a signal that has come, so that only another one is reported.
    pub(crate) fn take(&self) {
        // Without one there is nothing to take.
        let _ = self.fd.read_signal();
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
