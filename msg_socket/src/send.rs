//! Sending bytes, with descriptors or out of shared memory.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::libc::{iovec, msghdr};
use nix::poll::PollFlags;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use vm_memory::VolatileSlice;

use crate::wait::wait_for;
use crate::{Error, Wait};

/// The most pieces that the kernel takes at a time (`UIO_MAXIOV`).
const MAX_PIECES: usize = 1024;

/// Never waits, never raises SIGPIPE.
const FLAGS: MsgFlags = MsgFlags::MSG_NOSIGNAL.union(MsgFlags::MSG_DONTWAIT);

/// Sends as many bytes of `data` as fit now, with `fds` attached to the first of them, and returns their number.
///
/// When fewer bytes went than `data` holds, the descriptors have gone all the same: the rest is sent without
/// them. The call never waits and never raises SIGPIPE. The descriptors stay the caller's.
///
/// # Errors
///
/// [`Error::WouldBlock`] when not one byte fits, [`Error::Closed`] when the peer is gone,
/// [`Error::System`] otherwise.
pub fn send_with_fds(
    socket: BorrowedFd<'_>,
    data: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
) -> Result<usize, Error> {
    send(socket, data, fds, Wait::DontWait)
}

/// The same, for as long as `wait` says.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    data: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    wait: Wait,
) -> Result<usize, Error> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), data, control, FLAGS, None) {
            Ok(bytes) => return Ok(bytes),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => wait_for(socket, PollFlags::POLLOUT, wait)?,
            Err(errno) => return Err(Error::from_errno("sendmsg", errno)),
        }
    }
}

/// Sends as many bytes of `data` as fit now, straight out of memory that others may be writing to, and returns their
/// number. Of more than 1024 pieces, those beyond do not go.
///
/// The call never waits and never raises SIGPIPE.
///
/// # Errors
///
/// Those of [`send_with_fds`].
pub fn send_volatile(socket: BorrowedFd<'_>, data: &[VolatileSlice<'_>]) -> Result<usize, Error> {
    let data = data.get(..MAX_PIECES).unwrap_or(data);
    let guards: Vec<_> = data.iter().map(VolatileSlice::ptr_guard).collect();
    let mut pieces: Vec<iovec> = guards
        .iter()
        .zip(data)
        .map(|(guard, piece)| iovec {
            iov_base: guard.as_ptr().cast_mut().cast(),
            iov_len: piece.len(),
        })
        .collect();
    // SAFETY: a message header is plain data, and all zeros is one with nothing in it.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = pieces.as_mut_ptr();
    message.msg_iovlen = pieces.len();
    loop {
        // SAFETY: sendmsg asks that each piece names readable memory for as long as the call lasts: the slices and
        // their guards outlive it. It only reads, and does not mind that others write.
        let sent =
            unsafe { nix::libc::sendmsg(socket.as_raw_fd(), &raw const message, FLAGS.bits()) };
        match usize::try_from(sent) {
            Ok(bytes) => return Ok(bytes),
            Err(_) => match Errno::last() {
                Errno::EINTR => {}
                errno => return Err(Error::from_errno("sendmsg", errno)),
            },
        }
    }
}
