//! What the one thread of the daemon waits for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::Error;

/// The most events that one wait reports; more wait for the next.
const MAX_EVENTS: usize = 16;

/// What has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The listening socket.
    Listener,
    /// The vhost-user connection.
    Session,
    /// The kick descriptor of the ring with this index.
    Kick(u16),
    /// The display.
    Display,
    /// The renderer.
    Renderer,
    /// Other device models that ask for resources.
    Bridge,
    /// A termination signal.
    Signal,
}

impl Token {
    const fn to_bits(self) -> u64 {
        match self {
            Self::Listener => 0,
            Self::Session => 1,
            Self::Display => 2,
            Self::Signal => 3,
            Self::Renderer => 4,
            Self::Bridge => 5,
            // A u16 widens losslessly; `From` is not usable in a const fn.
            Self::Kick(index) => 0x1_0000 | index as u64,
        }
    }

    fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Self::Listener),
            1 => Some(Self::Session),
            2 => Some(Self::Display),
            3 => Some(Self::Signal),
            4 => Some(Self::Renderer),
            5 => Some(Self::Bridge),
            kick => {
                let index = kick.checked_sub(0x1_0000)?;
                u16::try_from(index).ok().map(Self::Kick)
            }
        }
    }
}

/// A set of descriptors to wait for. Clones are the same set.
#[derive(Clone, Debug)]
pub(crate) struct Poller {
    epoll: Arc<Epoll>,
}

/// A descriptor that is being waited for as long as this lives.
///
/// A front end keeps copies of the descriptors it sends, so that closing ours would not end the waiting: it is
/// ended before.
#[derive(Debug)]
pub(crate) struct Watched<F: AsFd = OwnedFd> {
    epoll: Arc<Epoll>,
    fd: F,
    token: Token,
    interest: Interest,
}

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the system refuses.
    pub(crate) fn new() -> Result<Self, Error> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|errno| Error::system("epoll_create1", errno))?;
        Ok(Self {
            epoll: Arc::new(epoll),
        })
    }

    /// Waits for `fd` to become readable from now on, under the name `token`.
    ///
    /// # Errors
    ///
    /// What the system said: descriptors such as plain files cannot be waited for.
    pub(crate) fn watch<F: AsFd>(&self, fd: F, token: Token) -> Result<Watched<F>, Errno> {
        self.add(fd, token, EpollFlags::EPOLLIN)
    }

    /// Waits for something to be written to the eventfd `fd` from now on, which nobody reads: one report for all that
    /// was written since the last.
    ///
    /// # Errors
    ///
    /// As for [`Poller::watch`].
    pub(crate) fn watch_writes<F: AsFd>(&self, fd: F, token: Token) -> Result<Watched<F>, Errno> {
        self.add(fd, token, EpollFlags::EPOLLIN | EpollFlags::EPOLLET)
    }

    fn add<F: AsFd>(&self, fd: F, token: Token, flags: EpollFlags) -> Result<Watched<F>, Errno> {
        self.epoll
            .add(&fd, EpollEvent::new(flags, token.to_bits()))?;
        Ok(Watched {
            epoll: Arc::clone(&self.epoll),
            fd,
            token,
            interest: Interest::Read,
        })
    }

    /// Waits until something has work to do or `deadline` has come, and says what.
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the system refuses. A wait that a signal interrupts reports nothing.
    pub(crate) fn wait(&self, deadline: Deadline) -> Result<Vec<Token>, Error> {
        let mut events = [EpollEvent::empty(); MAX_EVENTS];
        let count = match self.epoll.wait(&mut events, deadline.timeout()) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(Error::system("epoll_wait", errno)),
        };
        Ok(events
            .iter()
            .take(count)
            .filter_map(|event| Token::from_bits(event.data()))
            .collect())
    }
}

impl AsFd for Poller {
    /// Readable when something in the set has work: a set may be part of another.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// Until when to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// Not at all: there is work left.
    Now,
    /// Until this moment.
    At(Instant),
    /// For as long as nothing happens.
    Never,
}

impl Deadline {
    fn timeout(self) -> EpollTimeout {
        match self {
            Self::Now => EpollTimeout::ZERO,
            Self::Never => EpollTimeout::NONE,
            Self::At(moment) => {
                let left = moment.saturating_duration_since(Instant::now());
                // Whole milliseconds, rounded up: waking before the deadline would spin until it comes.
                let left = left.saturating_add(Duration::from_micros(999));
                EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
            }
        }
    }
}

impl<F: AsFd> Watched<F> {
    /// What is being waited for.
    pub(crate) const fn get_ref(&self) -> &F {
        &self.fd
    }

    /// Waits for this no longer, but keeps it open.
    pub(crate) fn unwatch(&self) {
        // Only a descriptor that is not in the set can fail here.
        let _ = self.epoll.delete(&self.fd);
    }

    /// Waits for this from now on.
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the system refuses.
    pub(crate) fn set_interest(&mut self, interest: Interest) -> Result<(), Error> {
        if self.interest == interest {
            return Ok(());
        }
        let flags = match interest {
            Interest::Nothing => EpollFlags::empty(),
            Interest::Read => EpollFlags::EPOLLIN,
            Interest::Write => EpollFlags::EPOLLOUT,
            Interest::ReadOrWrite => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        };
        let mut event = EpollEvent::new(flags, self.token.to_bits());
        self.epoll
            .modify(&self.fd, &mut event)
            .map_err(|errno| Error::system("epoll_ctl", errno))?;
        self.interest = interest;
        Ok(())
    }
}

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Nothing but the end of the other side.
    Nothing,
    /// Something to read.
    Read,
    /// Room to write.
    Write,
    /// Either.
    ReadOrWrite,
}

impl<F: AsFd> AsFd for Watched<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<F: AsFd> Drop for Watched<F> {
    fn drop(&mut self) {
        self.unwatch();
    }
}
