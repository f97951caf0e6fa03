//! Sending bytes with descriptors.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::Error;

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
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), data, control, flags, None) {
            Ok(bytes) => return Ok(bytes),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::from_errno("sendmsg", errno)),
        }
    }
}
