//! The channel on which the device speaks first: what the front end hands over with SET_BACKEND_REQ_FD.
//!
//! One thing is said there: that configuration space has changed, so that the guest asks for its screens again. Nothing
//! is answered.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

use msg_socket::send_with_fds;
use vhost::vhost_user::message::BackendReq;

use super::message::encode_request;

/// The channel.
#[derive(Debug)]
pub(super) struct BackendChannel {
    socket: OwnedFd,
}

impl BackendChannel {
    /// Over this stream socket.
    pub(super) const fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Says that configuration space has changed. A channel that is full says so already: the front end has not read
    /// what was sent before, and will look when it does.
    ///
    /// # Errors
    ///
    /// When nobody is at the other end, or a part of the message is lost: then nothing more can be said there.
    pub(super) fn tell_config_changed(&self) -> Result<(), msg_socket::Error> {
        let message = encode_request(BackendReq::CONFIG_CHANGE_MSG.into(), &[]);
        match send_with_fds(self.socket.as_fd(), &[IoSlice::new(&message)], &[]) {
            Ok(bytes) if bytes < message.len() => Err(msg_socket::Error::Closed),
            Ok(_) | Err(msg_socket::Error::WouldBlock) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_full_channel_is_not_waited_for_and_holds_whole_messages() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let channel = BackendChannel::new(OwnedFd::from(ours));

        for _ in 0..100_000 {
            channel.tell_config_changed().unwrap();
        }

        theirs.set_nonblocking(true).unwrap();
        let mut bytes = Vec::new();
        let _ = theirs.read_to_end(&mut bytes);
        let (messages, rest) = bytes.as_chunks::<12>();
        assert!(!messages.is_empty() && messages.len() < 100_000);
        assert!(rest.is_empty());
        // VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, version 1, no payload.
        let words = [2_u32, 1, 0].map(u32::to_ne_bytes).concat();
        assert!(messages.iter().all(|message| message[..] == words[..]));
    }

    #[test]
    fn an_end_that_was_closed_is_told() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let channel = BackendChannel::new(OwnedFd::from(ours));
        drop(theirs);

        assert!(channel.tell_config_changed().is_err());
    }
}
