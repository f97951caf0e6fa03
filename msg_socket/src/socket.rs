//! Sockets for typed messages, and their halves.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{SockType, UnixAddr, getpeername, getsockname, getsockopt, sockopt};

use crate::message::HEADER_BYTES;
use crate::packet::{connect_to, pair, recv_packet, send_packet};
use crate::{Error, Incoming, MAX_FDS, Message, Outgoing, Wait};

/// One end of a connection that sends `Out` and receives `In`.
///
/// Each message goes whole or not at all, so that nothing has to be kept for later; its descriptors go with it. The
/// descriptors of a message that is refused are closed, and the next message can be received all the same.
#[derive(Debug)]
pub struct Socket<Out, In> {
    sender: Sender<Out>,
    receiver: Receiver<In>,
}

/// The half that sends. The connection ends when both halves are dropped.
#[derive(Debug)]
pub struct Sender<Out> {
    fd: Arc<OwnedFd>,
    /// Memory for the bytes of a message.
    scratch: Vec<u8>,
    message: PhantomData<fn(&Out)>,
}

/// The half that receives.
#[derive(Debug)]
pub struct Receiver<In> {
    fd: Arc<OwnedFd>,
    buffer: Vec<u8>,
    message: PhantomData<fn() -> In>,
}

/// A process at the other end, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its id; it may have ended, and the id be another process's, meanwhile.
    pub process: i32,
    /// The user it ran as.
    pub user: u32,
    /// The group it ran as.
    pub group: u32,
}

impl<Out: Message, In: Message> Socket<Out, In> {
    /// Both ends of a new connection.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn pair() -> Result<(Self, Socket<In, Out>), Error> {
        let (ours, theirs) = pair()?;
        Ok((Self::over(ours), Socket::over(theirs)))
    }

    /// Connects to whoever listens at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] and [`Error::TimedOut`] while too many others wait there, [`Error::System`] if nobody
    /// listens.
    pub fn connect(path: &Path, wait: Wait) -> Result<Self, Error> {
        connect_to(path, wait).map(Self::over)
    }

    /// An inherited connection. It is closed on exec from now on.
    ///
    /// # Errors
    ///
    /// [`Error::WrongSocket`] unless it is a connected Unix socket of sequenced packets.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        let wrong = || Error::WrongSocket {
            expected: "a connected Unix socket of sequenced packets",
        };
        adopt(&fd, wrong)?;
        getpeername::<UnixAddr>(std::os::fd::AsRawFd::as_raw_fd(&fd)).map_err(|_| wrong())?;
        Ok(Self::over(fd))
    }

    /// Who connected, or whom it was connected to, when that happened.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn peer(&self) -> Result<Peer, Error> {
        let peer = getsockopt(&self.receiver.fd, sockopt::PeerCredentials)
            .map_err(|errno| Error::from_errno("getsockopt", errno))?;
        Ok(Peer {
            process: peer.pid(),
            user: peer.uid(),
            group: peer.gid(),
        })
    }

    pub(crate) fn over(fd: OwnedFd) -> Self {
        let fd = Arc::new(fd);
        Self {
            sender: Sender {
                fd: Arc::clone(&fd),
                scratch: Vec::new(),
                message: PhantomData,
            },
            receiver: Receiver {
                fd,
                buffer: vec![0; HEADER_BYTES.saturating_add(In::MAX_BODY)],
                message: PhantomData,
            },
        }
    }

    /// The two halves, for two threads or two owners.
    #[must_use]
    pub fn split(self) -> (Sender<Out>, Receiver<In>) {
        (self.sender, self.receiver)
    }

    /// Sends one message, see [`Sender::send`].
    ///
    /// # Errors
    ///
    /// Those of [`Sender::send`].
    pub fn send(&mut self, message: &Out, wait: Wait) -> Result<(), Error> {
        self.sender.send(message, wait)
    }

    /// Receives one message, see [`Receiver::recv`].
    ///
    /// # Errors
    ///
    /// Those of [`Receiver::recv`].
    pub fn recv(&mut self, wait: Wait) -> Result<In, Error> {
        self.receiver.recv(wait)
    }

    pub(crate) fn send_as(&mut self, id: u64, message: &Out, wait: Wait) -> Result<(), Error> {
        self.sender.send_as(id, message, wait)
    }

    pub(crate) fn recv_with_id(&mut self, wait: Wait) -> Result<(u64, In), Error> {
        self.receiver.recv_with_id(wait)
    }
}

impl<Out: Message> Sender<Out> {
    /// Sends one message. Its descriptors stay the caller's.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] and [`Error::TimedOut`] when there is no room, [`Error::Closed`] when the peer is gone,
    /// [`Error::TooLarge`] for a message that breaks the promises of its type, [`Error::System`]; then nothing was
    /// sent.
    pub fn send(&mut self, message: &Out, wait: Wait) -> Result<(), Error> {
        self.send_as(0, message, wait)
    }

    fn send_as(&mut self, id: u64, message: &Out, wait: Wait) -> Result<(), Error> {
        let mut out = Outgoing::new(std::mem::take(&mut self.scratch), id);
        message.write(&mut out);
        let Outgoing { bytes, fds } = out;
        let body = bytes.len().saturating_sub(HEADER_BYTES);
        let sent = if body > Out::MAX_BODY || fds.len() > Out::MAX_FDS.min(MAX_FDS) {
            Err(Error::TooLarge {
                bytes: body,
                fds: fds.len(),
            })
        } else {
            send_packet(&self.fd, &bytes, &fds, wait)
        };
        self.scratch = bytes;
        sent
    }
}

impl<In: Message> Receiver<In> {
    /// Receives one message.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`], [`Error::TimedOut`], [`Error::Closed`], [`Error::System`]; and for a message that is
    /// no good, whose descriptors are closed: [`Error::Truncated`], [`Error::Length`], [`Error::UnknownTag`],
    /// [`Error::Value`], [`Error::FdsLost`], [`Error::MissingFds`], [`Error::SurplusFds`].
    pub fn recv(&mut self, wait: Wait) -> Result<In, Error> {
        self.recv_with_id(wait).map(|(_, message)| message)
    }

    fn recv_with_id(&mut self, wait: Wait) -> Result<(u64, In), Error> {
        let max_fds = In::MAX_FDS.min(MAX_FDS);
        let (bytes, fds) = recv_packet(&self.fd, &mut self.buffer, max_fds, wait)?;
        let mut incoming = Incoming::new(bytes, fds)?;
        let id = incoming.id();
        let message = In::read(&mut incoming)?;
        incoming.finish()?;
        Ok((id, message))
    }
}

impl<Out, In> AsFd for Socket<Out, In> {
    /// Readable when a message, or the peer's end, can be received.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

impl<Out> AsFd for Sender<Out> {
    /// Writable when there is room.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<In> AsFd for Receiver<In> {
    /// Readable when a message, or the peer's end, can be received.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes an inherited socket one of ours: of packets, in the Unix domain, closed on exec.
pub(crate) fn adopt(fd: &OwnedFd, wrong: impl Fn() -> Error) -> Result<(), Error> {
    if getsockopt(fd, sockopt::SockType) != Ok(SockType::SeqPacket) {
        return Err(wrong());
    }
    getsockname::<UnixAddr>(std::os::fd::AsRawFd::as_raw_fd(fd)).map_err(|_| wrong())?;
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
        .map_err(|errno| Error::from_errno("fcntl", errno))?;
    Ok(())
}
