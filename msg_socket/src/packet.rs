//! Packets over a sequenced-packet socket: bytes and descriptors of one send, which stay together.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, setsockopt, socket,
    socketpair, sockopt,
};
use nix::sys::time::TimeVal;

use crate::receive::{Framing, Loss, Wanted, receive};
use crate::send::send;
use crate::{Error, Wait};

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC;

/// Two sockets that are connected to each other.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, FLAGS)
        .map_err(|errno| Error::from_errno("socketpair", errno))
}

/// A socket that belongs to nobody yet.
pub(crate) fn unconnected() -> Result<OwnedFd, Error> {
    socket(AddressFamily::Unix, SockType::SeqPacket, FLAGS, None)
        .map_err(|errno| Error::from_errno("socket", errno))
}

/// The address of `path`.
pub(crate) fn address(path: &Path) -> Result<UnixAddr, Error> {
    UnixAddr::new(path).map_err(|errno| Error::from_errno("sockaddr_un", errno))
}

/// A socket connected to whoever listens at `path`. It waits for a place in the line of those who wait there.
pub(crate) fn connect_to(path: &Path, wait: Wait) -> Result<OwnedFd, Error> {
    let socket = unconnected()?;
    let address = address(path)?;
    loop {
        // The kernel bounds the wait for a place in the line like that for room to send.
        let limit = match wait {
            Wait::Block => Duration::ZERO,
            Wait::DontWait => Duration::from_micros(1),
            Wait::Until(deadline) => deadline
                .checked_duration_since(Instant::now())
                .filter(|left| *left > Duration::ZERO)
                .ok_or(Error::TimedOut)?
                .max(Duration::from_micros(1)),
        };
        set_send_limit(&socket, limit)?;
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => break,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) if wait == Wait::DontWait => return Err(Error::WouldBlock),
            Err(Errno::EAGAIN) => {}
            Err(errno) => return Err(Error::from_errno("connect", errno)),
        }
    }
    set_send_limit(&socket, Duration::ZERO)?;
    Ok(socket)
}

fn set_send_limit(socket: &OwnedFd, limit: Duration) -> Result<(), Error> {
    let seconds = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    let limit = TimeVal::new(seconds, i64::from(limit.subsec_micros()));
    setsockopt(socket, sockopt::SendTimeout, &limit)
        .map_err(|errno| Error::from_errno("setsockopt", errno))
}

/// Sends one packet, whole or not at all.
pub(crate) fn send_packet(
    socket: &OwnedFd,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    wait: Wait,
) -> Result<(), Error> {
    send(socket.as_fd(), &[IoSlice::new(bytes)], fds, wait).map(|_| ())
}

/// Receives one packet into `buffer`, and returns its bytes and descriptors.
///
/// # Errors
///
/// [`Error::Truncated`] and [`Error::Length`] for a packet that does not fit or is empty, [`Error::FdsLost`],
/// [`Error::SurplusFds`]; what the packet brought is closed.
pub(crate) fn recv_packet<'b>(
    socket: &OwnedFd,
    buffer: &'b mut [u8],
    max_fds: usize,
    wait: Wait,
) -> Result<(&'b [u8], Vec<OwnedFd>), Error> {
    let wanted = Wanted {
        max_fds,
        framing: Framing::Packets,
        wait,
    };
    let arrival = receive(socket.as_fd(), buffer, wanted)?;
    let max = buffer.len();
    match arrival.loss {
        Some(Loss::NoRoom) => {
            return Err(Error::FdsLost {
                arrived: arrival.fds.len(),
            });
        }
        Some(Loss::Surplus) => {
            return Err(Error::SurplusFds {
                tag: 0,
                expected: max_fds,
            });
        }
        None => {}
    }
    if arrival.bytes == 0 && arrival.fds.is_empty() && is_at_end(socket) {
        return Err(Error::Closed);
    }
    let bytes = buffer.get(..arrival.bytes).ok_or(Error::Truncated {
        length: arrival.bytes,
        max,
    })?;
    Ok((bytes, arrival.fds))
}

/// Whether nothing follows a packet of no bytes, which is what the end looks like, too.
fn is_at_end(socket: &OwnedFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(socket.as_raw_fd(), &mut [0], flags) == Ok(0)
}
