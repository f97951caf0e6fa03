//! Receiving bytes with descriptors.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{MsgFlags, recvmsg};

use crate::wait::wait_for;
use crate::{Error, Wait};

/// The most descriptors that one message can carry on Linux (`SCM_MAX_FD`).
pub const MAX_FDS: usize = 253;

/// Bytes of `struct cmsghdr` on 64-bit Linux: length (8), level (4), type (4).
const CONTROL_HEADER: usize = 16;

/// Bytes of control data that hold [`MAX_FDS`] descriptors.
const CONTROL_BYTES: usize = CONTROL_HEADER + MAX_FDS * size_of::<RawFd>();

/// What one call received.
#[derive(Debug)]
pub struct Received {
    /// Bytes at the start of the caller's buffer; 0 only if that buffer is empty.
    pub bytes: usize,
    /// The descriptors that came with them, in the order in which they were sent.
    pub fds: Vec<OwnedFd>,
}

/// Receives what has arrived, up to the length of `buffer` bytes and `max_fds` descriptors.
///
/// On a stream, the kernel ends a call after the bytes that carried descriptors, but the call may begin with
/// earlier bytes that carried none: a caller who must know which message descriptors belong to
/// asks for no more bytes than that message still lacks. `max_fds` beyond [`MAX_FDS`] counts as that.
///
/// # Errors
///
/// [`Error::Closed`] at the end of the stream, [`Error::WouldBlock`] when nothing is there,
/// [`Error::ControlTruncated`] when descriptors were lost (none is kept), [`Error::System`] otherwise.
pub fn recv_with_fds(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    max_fds: usize,
    wait: Wait,
) -> Result<Received, Error> {
    if buffer.is_empty() {
        return Ok(Received {
            bytes: 0,
            fds: Vec::new(),
        });
    }
    let max_fds = max_fds.min(MAX_FDS);
    let wanted = Wanted {
        max_fds,
        framing: Framing::Stream,
        wait,
    };
    let Arrival { bytes, fds, loss } = receive(socket, buffer, wanted)?;
    if loss.is_some() {
        return Err(Error::ControlTruncated { bytes, max_fds });
    }
    if bytes == 0 {
        return Err(Error::Closed);
    }
    Ok(Received { bytes, fds })
}

/// How the bytes of a socket belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// They do not.
    Stream,
    /// Each send is a packet.
    Packets,
}

/// What to receive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Room for descriptors, at most [`MAX_FDS`].
    pub(crate) max_fds: usize,
    pub(crate) framing: Framing,
    pub(crate) wait: Wait,
}

/// What one `recvmsg` brought.
pub(crate) struct Arrival {
    /// Bytes received; of a packet that is longer than the buffer, all that it has.
    pub(crate) bytes: usize,
    /// The descriptors that arrived.
    pub(crate) fds: Vec<OwnedFd>,
    /// What became of other descriptors, if there were any.
    pub(crate) loss: Option<Loss>,
}

/// Why not all descriptors of a message arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// There were more than were asked for.
    Surplus,
    /// The process has no room for them.
    NoRoom,
}

/// Receives once, into a buffer that is not empty.
///
/// # Errors
///
/// Those of [`Error::from_errno`], and [`Error::TimedOut`].
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    wanted: Wanted,
) -> Result<Arrival, Error> {
    let Wanted {
        max_fds,
        framing,
        wait,
    } = wanted;
    let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
    if framing == Framing::Packets {
        flags |= MsgFlags::MSG_TRUNC;
    }
    if wait != Wait::Block {
        flags |= MsgFlags::MSG_DONTWAIT;
    }
    if let Wait::Until(_) = wait {
        wait_for(socket, PollFlags::POLLIN, wait)?;
    }
    let mut control = [0_u8; CONTROL_BYTES];
    loop {
        let mut slices = [IoSliceMut::new(&mut *buffer)];
        let space = control.get_mut(..control_length(max_fds));
        let space = space.filter(|space| !space.is_empty());
        let received = recvmsg::<()>(socket.as_raw_fd(), &mut slices, space, flags);
        let (bytes, truncated) = match received {
            Ok(message) => (message.bytes, message.flags.contains(MsgFlags::MSG_CTRUNC)),
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => {
                wait_for(socket, PollFlags::POLLIN, wait)?;
                continue;
            }
            Err(errno) => return Err(Error::from_errno("recvmsg", errno)),
        };
        let fds = adopt_descriptors(&control);
        // The kernel fills the room there is, unless it runs out of numbers.
        let loss = match truncated {
            _ if fds.len() > max_fds => Some(Loss::Surplus),
            true if fds.len() == max_fds => Some(Loss::Surplus),
            true => Some(Loss::NoRoom),
            false => None,
        };
        return Ok(Arrival { bytes, fds, loss });
    }
}

/// Bytes of control data that hold exactly `max_fds` descriptors.
fn control_length(max_fds: usize) -> usize {
    match max_fds {
        0 => 0,
        count => count
            .saturating_mul(size_of::<RawFd>())
            .saturating_add(CONTROL_HEADER),
    }
}

/// Takes ownership of each descriptor that the kernel has put into `control`.
///
/// `control` was all zeroes before the call: a header of length 0 is its end. nix's own iterator is no use
/// here, as it refuses truncated control data and so loses the descriptors in it.
fn adopt_descriptors(control: &[u8]) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    let mut rest = control;
    while let Some((length, is_rights)) = control_header(rest) {
        let Some(data) = rest.get(CONTROL_HEADER..length) else {
            break;
        };
        if is_rights {
            for raw in data.as_chunks::<{ size_of::<RawFd>() }>().0 {
                let raw = RawFd::from_ne_bytes(*raw);
                // SAFETY: from_raw_fd asks for an open descriptor that nobody else owns. The kernel has just
                // installed it for this SCM_RIGHTS message; its number was read once, here, and is in no
                // other hands.
                fds.push(unsafe { OwnedFd::from_raw_fd(raw) });
            }
        }
        let next = length.next_multiple_of(size_of::<usize>());
        rest = rest.get(next..).unwrap_or_default();
    }
    fds
}

/// The length of the control message at the start of `control`, and whether it carries descriptors.
fn control_header(control: &[u8]) -> Option<(usize, bool)> {
    let (length, rest) = control.split_first_chunk::<8>()?;
    let (level, rest) = rest.split_first_chunk::<4>()?;
    let (kind, _) = rest.split_first_chunk::<4>()?;
    let length = usize::from_ne_bytes(*length);
    let is_rights = i32::from_ne_bytes(*level) == nix::libc::SOL_SOCKET
        && i32::from_ne_bytes(*kind) == nix::libc::SCM_RIGHTS;
    (length >= CONTROL_HEADER).then_some((length, is_rights))
}
