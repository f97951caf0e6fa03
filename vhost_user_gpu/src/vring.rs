//! One ring as the front end sets it up: sizes, addresses, and the descriptors for kick, call and error.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;
use virtio_gpu::QueueIndex;

use crate::poller::{Poller, Token, Watched};

/// Where the parts of a ring are in the front end's address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingAddresses {
    pub(crate) descriptor_table: u64,
    pub(crate) avail_ring: u64,
    pub(crate) used_ring: u64,
}

/// Whether a ring may be served once it has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enabled {
    No,
    Yes,
}

/// What a ring was like when it stopped, to tell a pause from a reset when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped {
    pub(crate) base: u16,
    pub(crate) addresses: Option<RingAddresses>,
}

/// One ring.
#[derive(Debug)]
pub(crate) struct Vring {
    pub(crate) index: u16,
    pub(crate) queue: QueueIndex,
    pub(crate) size: u16,
    pub(crate) base: u16,
    pub(crate) addresses: Option<RingAddresses>,
    pub(crate) enabled: Enabled,
    /// What it was like at the last stop, until it starts again.
    pub(crate) stopped: Option<Stopped>,
    started: bool,
    /// Readable when the guest has added something. A ring that has started lacks it only if it turned out broken.
    kick: Option<Watched>,
    call: Option<OwnedFd>,
    error: Option<OwnedFd>,
    /// Whether there may be something in the ring that was not looked at.
    pending: bool,
    failure_told: bool,
}

impl Vring {
    pub(crate) const fn new(index: u16, queue: QueueIndex) -> Self {
        Self {
            index,
            queue,
            size: 0,
            base: 0,
            addresses: None,
            enabled: Enabled::No,
            stopped: None,
            started: false,
            kick: None,
            call: None,
            error: None,
            pending: false,
            failure_told: false,
        }
    }

    pub(crate) const fn has_started(&self) -> bool {
        self.started
    }

    /// Whether requests may be taken from the ring now, and there may be some.
    pub(crate) fn has_work(&self) -> bool {
        self.pending && self.has_started() && self.enabled == Enabled::Yes
    }

    pub(crate) const fn set_pending(&mut self, pending: bool) {
        self.pending = pending;
    }

    /// Waits for this kick from now on. The descriptor it replaces is let go.
    ///
    /// A kick is never read: that would be a system call a kick, and could block where the front end makes it.
    pub(crate) fn start(&mut self, kick: OwnedFd, poller: &Poller) -> Result<(), Errno> {
        self.kick = Some(poller.watch_writes(kick, Token::Kick(self.index))?);
        self.started = true;
        self.stopped = None;
        self.pending = true;
        self.failure_told = false;
        Ok(())
    }

    /// Waits for kicks no longer.
    pub(crate) fn stop(&mut self) {
        self.started = false;
        self.kick = None;
        self.pending = false;
    }

    /// Back to how a ring is before it is set up. The call and error descriptors stay: a front end sends them once.
    pub(crate) fn reset(&mut self) {
        self.stop();
        self.size = 0;
        self.base = 0;
        self.addresses = None;
        self.enabled = Enabled::No;
        self.stopped = None;
    }

    pub(crate) fn set_call(&mut self, call: Option<OwnedFd>) -> Result<(), Errno> {
        if let Some(fd) = &call {
            set_nonblocking(fd)?;
        }
        self.call = call;
        Ok(())
    }

    pub(crate) fn set_error(&mut self, error: Option<OwnedFd>) -> Result<(), Errno> {
        if let Some(fd) = &error {
            set_nonblocking(fd)?;
        }
        self.error = error;
        Ok(())
    }

    /// Takes in a kick.
    pub(crate) const fn take_kick(&mut self) {
        self.pending = true;
    }

    /// Raises the ring's interrupt, without ever waiting.
    pub(crate) fn notify(&self) {
        if let Some(call) = &self.call {
            signal(call, self.index, "call");
        }
    }

    /// Tells the front end, once for each start, that the ring is broken.
    pub(crate) fn tell_failure(&mut self) {
        if self.failure_told {
            return;
        }
        self.failure_told = true;
        if let Some(error) = &self.error {
            signal(error, self.index, "error");
        }
    }
}

/// Adds one to an event counter. A full counter is fine: the other side has been told and has not looked yet. It is
/// asked before, as the front end may have made its side of the descriptor a blocking one again.
fn signal<F: AsFd>(fd: &F, index: u16, what: &str) {
    let mut room = [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)];
    let has_room = poll(&mut room, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    if !has_room {
        return;
    }
    match write(fd, &1_u64.to_ne_bytes()) {
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
        Err(errno) => log::debug!("ring {index}: cannot write its {what} descriptor: {errno}"),
    }
}

fn set_nonblocking(fd: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
