//! How the render thread wakes the main thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::RenderError;

/// Wakes the main thread: rung once for any number of completions.
///
/// While `rung` is false nothing is in `fd` and nobody is about to write to
/// it. Only whoever has read `fd` makes it false: otherwise a write that comes
/// late would leave `fd` readable with nobody to read it.
#[derive(Clone, Debug)]
pub(super) struct Bell {
    fd: Arc<EventFd>,
    rung: Arc<AtomicBool>,
}

impl Bell {
    pub(super) fn new() -> Result<Self, RenderError> {
        let fd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let system = |errno: Errno| RenderError::System {
            call: "eventfd",
            code: errno as i32,
        };
        Ok(Self {
            fd: Arc::new(fd.map_err(system)?),
            rung: Arc::new(AtomicBool::new(false)),
        })
    }

    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It cannot be full: it is written once between two reads.
            let _ = self.fd.write(1);
        }
    }

    /// Whether there may be completions that came after the last one that was
    /// taken. If not, and some come, `fd` gets readable.
    pub(super) fn answer(&self) -> bool {
        // What was sent before the bell was rung is seen after the swap.
        self.rung.load(Ordering::Acquire)
            && self.fd.read().is_ok()
            && self.rung.swap(false, Ordering::AcqRel)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn is_readable(bell: &Bell) -> bool {
        let timeout = PollTimeout::try_from(Duration::ZERO).unwrap();
        poll(&mut [PollFd::new(bell.fd(), PollFlags::POLLIN)], timeout).unwrap() > 0
    }

    #[test]
    fn a_bell_that_was_rung_is_answered_once() {
        let bell = Bell::new().unwrap();

        bell.ring();
        bell.ring();

        assert!(is_readable(&bell));
        assert!(bell.answer());
        assert!(!bell.answer());
        assert!(!is_readable(&bell));
    }

    #[test]
    fn a_bell_is_written_to_once_until_it_is_answered() {
        let bell = Bell::new().unwrap();

        bell.ring();
        bell.ring();

        assert_eq!(bell.fd.read(), Ok(1));
    }

    // The other thread may be stopped between saying so and writing.
    #[test]
    fn a_write_that_comes_late_is_answered_later() {
        let bell = Bell::new().unwrap();

        bell.rung.store(true, Ordering::Release);
        let early = bell.answer();
        bell.fd.write(1).unwrap();

        assert!(!early);
        assert!(bell.answer());
        assert!(!is_readable(&bell));
    }
}
