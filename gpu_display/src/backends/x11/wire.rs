//! Bytes to and from the X server: nothing waits, and what either side sends is bounded.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use msg_socket::{Error, MAX_FDS, Wait, recv_with_fds, send_with_fds};

use crate::DisplayError;

/// Bytes that are received at a time.
const CHUNK: usize = 16 << 10;

/// Bytes of an event, an error, and the head of a reply.
const HEAD: usize = 32;

/// The longest packet that is believed. What is asked for is far shorter.
const MAX_PACKET: usize = 1 << 20;

/// Bytes of the head of the server's greeting.
const GREETING_HEAD: usize = 8;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    socket: OwnedFd,
    /// What the server has not taken.
    outgoing: VecDeque<Outgoing>,
    incoming: Vec<u8>,
}

#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    fds: Vec<OwnedFd>,
}

/// Whether the server reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// All that was sent has gone.
    Free,
    /// Something waits for room.
    Jammed,
}

impl Wire {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            outgoing: VecDeque::new(),
            incoming: Vec::new(),
        }
    }

    /// The socket, to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn flow(&self) -> Flow {
        match self.outgoing.is_empty() {
            true => Flow::Free,
            false => Flow::Jammed,
        }
    }

    /// Sends bytes with the next [`Wire::flush`].
    pub(super) fn send(&mut self, bytes: &[u8]) {
        match self.outgoing.back_mut() {
            Some(outgoing) => outgoing.bytes.extend_from_slice(bytes),
            None => self.outgoing.push_back(Outgoing {
                bytes: bytes.to_vec(),
                ..Outgoing::default()
            }),
        }
    }

    /// Sends bytes with descriptors, which go with the first of them, with the next [`Wire::flush`].
    pub(super) fn send_with_fds(&mut self, bytes: Vec<u8>, fds: Vec<OwnedFd>) {
        let sent = 0;
        self.outgoing.push_back(Outgoing { bytes, sent, fds });
    }

    /// Sends what waits, as far as the server takes it.
    ///
    /// # Errors
    /// [`DisplayError::Lost`].
    pub(super) fn flush(&mut self) -> Result<Flow, DisplayError> {
        while let Some(outgoing) = self.outgoing.front_mut() {
            let rest = outgoing.bytes.get(outgoing.sent..).unwrap_or(&[]);
            if rest.is_empty() {
                self.outgoing.pop_front();
                continue;
            }
            let fds: Vec<BorrowedFd<'_>> = outgoing.fds.iter().map(OwnedFd::as_fd).collect();
            match send_with_fds(self.socket.as_fd(), &[IoSlice::new(rest)], &fds) {
                Ok(sent) => {
                    outgoing.fds.clear();
                    outgoing.sent = outgoing.sent.saturating_add(sent);
                }
                Err(Error::WouldBlock) => return Ok(Flow::Jammed),
                Err(error) => return Err(lost(error)),
            }
        }
        Ok(Flow::Free)
    }

    /// Receives some of what the server has sent; whether there was something. Descriptors are closed:
    /// none was asked for.
    ///
    /// # Errors
    /// [`DisplayError::Lost`].
    pub(super) fn receive(&mut self) -> Result<bool, DisplayError> {
        let mut bytes = [0; CHUNK];
        match recv_with_fds(self.socket.as_fd(), &mut bytes, MAX_FDS, Wait::DontWait) {
            Ok(received) => {
                let bytes = bytes.get(..received.bytes).unwrap_or(&[]);
                self.incoming.extend_from_slice(bytes);
                Ok(true)
            }
            Err(Error::WouldBlock) => Ok(false),
            Err(error) => Err(lost(error)),
        }
    }

    /// The server's greeting, once all of it is there.
    pub(super) fn take_greeting(&mut self) -> Option<Vec<u8>> {
        let rest = self.incoming.get(6..GREETING_HEAD)?;
        let words = u16::from_ne_bytes(rest.try_into().ok()?);
        let length = usize::from(words).saturating_mul(4);
        self.take(length.saturating_add(GREETING_HEAD))
    }

    /// The next reply, event or error, once all of it is there.
    ///
    /// # Errors
    /// [`DisplayError::Protocol`] if it would be longer than anything that was asked for.
    pub(super) fn take_packet(&mut self) -> Result<Option<Vec<u8>>, DisplayError> {
        let Some(head) = self.incoming.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let mut length = HEAD;
        // Replies (1) and generic events (35) say how much longer they are.
        if let [1 | 35 | 163, _, _, _, a, b, c, d, ..] = *head {
            let words = u32::from_ne_bytes([a, b, c, d]);
            let more = usize::try_from(words)
                .unwrap_or(usize::MAX)
                .saturating_mul(4);
            length = length.saturating_add(more);
        }
        if length > MAX_PACKET {
            return Err(DisplayError::Protocol {
                code: 0,
                message: format!("the X server sends {length} bytes at once"),
            });
        }
        Ok(self.take(length))
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let packet = self.incoming.get(..length)?.to_vec();
        self.incoming.drain(..length);
        Some(packet)
    }
}

fn lost(error: Error) -> DisplayError {
    DisplayError::Lost(match error {
        Error::Closed => io::ErrorKind::ConnectionReset.into(),
        Error::System { source, .. } => source,
        other => io::Error::other(other),
    })
}
