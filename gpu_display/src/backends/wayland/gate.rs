//! The way between the compositor's socket and wayland-client, which trusts both ends.
//!
//! wayland-client reads until there is nothing left, keeps what it cannot send, and ends the process
//! on some messages that no compositor should send. So it gets one end of a socket pair, and the
//! gate passes on what comes: whole messages, so many bytes in a turn, so many descriptors that
//! nobody took, and nothing at all while the compositor does not read.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use msg_socket::{Error, MAX_FDS, Wait, recv_with_fds, send_with_fds};

use crate::DisplayError;

/// Bytes that are received at a time: the most that a message has.
const CHUNK: usize = 4096;

/// Receptions in one turn.
const CHUNKS_PER_TURN: usize = 4;

/// Descriptors that the compositor may have sent without a message that takes them.
const MAX_LOOSE_FDS: usize = 64;

/// Bytes of a message's header: object, size and opcode.
const HEADER: usize = 8;

/// The two sockets.
#[derive(Debug)]
pub(super) struct Gate {
    compositor: UnixStream,
    client: UnixStream,
    /// What wayland-client sent and the compositor has not taken.
    outgoing: Option<Outgoing>,
    /// What the compositor sent, up to a message that is not complete.
    incoming: Vec<u8>,
    incoming_fds: VecDeque<OwnedFd>,
    /// Descriptors that were passed on and not taken.
    loose_fds: usize,
}

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

/// Whether the compositor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// All that was sent has gone.
    Free,
    /// Something waits for room.
    Jammed,
}

impl Gate {
    /// A gate before a compositor, and the socket for wayland-client.
    ///
    /// # Errors
    /// [`DisplayError::Lost`].
    pub(super) fn new(compositor: UnixStream) -> Result<(Self, UnixStream), DisplayError> {
        let (client, theirs) = UnixStream::pair().map_err(DisplayError::Lost)?;
        let gate = Self {
            compositor,
            client,
            outgoing: None,
            incoming: Vec::new(),
            incoming_fds: VecDeque::new(),
            loose_fds: 0,
        };
        Ok((gate, theirs))
    }

    /// The compositor's socket, to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.compositor.as_fd()
    }

    pub(super) fn flow(&self) -> Flow {
        match self.outgoing {
            Some(_) => Flow::Jammed,
            None => Flow::Free,
        }
    }

    /// Passes on what wayland-client has sent, as far as the compositor takes it.
    ///
    /// # Errors
    /// [`DisplayError::Lost`].
    pub(super) fn send(&mut self) -> Result<Flow, DisplayError> {
        if let Some(rest) = self.outgoing.take() {
            self.pass(&rest.bytes, rest.fds)?;
        }
        let mut bytes = [0; CHUNK];
        while self.outgoing.is_none() {
            match recv_with_fds(self.client.as_fd(), &mut bytes, MAX_FDS, Wait::DontWait) {
                Ok(received) => {
                    let bytes = bytes.get(..received.bytes).unwrap_or(&[]);
                    self.pass(bytes, received.fds)?;
                }
                Err(Error::WouldBlock) => break,
                Err(error) => return Err(lost(error)),
            }
        }
        Ok(self.flow())
    }

    /// Sends bytes, and keeps what the compositor does not take.
    fn pass(&mut self, mut bytes: &[u8], mut fds: Vec<OwnedFd>) -> Result<(), DisplayError> {
        while !bytes.is_empty() {
            let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(OwnedFd::as_fd).collect();
            match send_with_fds(self.compositor.as_fd(), &[IoSlice::new(bytes)], &borrowed) {
                Ok(sent) => {
                    fds.clear();
                    bytes = bytes.get(sent..).unwrap_or(&[]);
                }
                Err(Error::WouldBlock) => {
                    let bytes = bytes.to_vec();
                    self.outgoing = Some(Outgoing { bytes, fds });
                    break;
                }
                Err(error) => return Err(lost(error)),
            }
        }
        Ok(())
    }

    /// Passes on what the compositor has sent: at most 16 KiB, and whole messages.
    ///
    /// # Errors
    /// [`DisplayError::Lost`], [`DisplayError::Protocol`].
    pub(super) fn receive(&mut self) -> Result<(), DisplayError> {
        for _ in 0..CHUNKS_PER_TURN {
            let mut bytes = [0; CHUNK];
            let received =
                recv_with_fds(self.compositor.as_fd(), &mut bytes, MAX_FDS, Wait::DontWait);
            let received = match received {
                Ok(received) => received,
                Err(Error::WouldBlock) => return Ok(()),
                Err(error) => return Err(lost(error)),
            };
            self.incoming
                .extend_from_slice(bytes.get(..received.bytes).unwrap_or(&[]));
            self.loose_fds = self.loose_fds.saturating_add(received.fds.len());
            self.incoming_fds.extend(received.fds);
            if self.loose_fds > MAX_LOOSE_FDS {
                return Err(malformed("descriptors that no message takes"));
            }
            self.pass_messages()?;
        }
        Ok(())
    }

    /// A message took a descriptor.
    pub(super) fn fd_taken(&mut self) {
        self.loose_fds = self.loose_fds.saturating_sub(1);
    }

    fn pass_messages(&mut self) -> Result<(), DisplayError> {
        let mut whole: usize = 0;
        while let Some(message) = next_message(self.incoming.get(whole..).unwrap_or(&[]))? {
            check(message)?;
            whole = whole.saturating_add(message.len());
        }
        let bytes = self.incoming.get(..whole).unwrap_or(&[]);
        if bytes.is_empty() {
            return Ok(());
        }
        let fds: Vec<BorrowedFd<'_>> = self.incoming_fds.iter().map(OwnedFd::as_fd).collect();
        let sent = send_with_fds(self.client.as_fd(), &[IoSlice::new(bytes)], &fds);
        // The other end is read empty after every turn, so there is room.
        match sent {
            Ok(sent) if sent == whole => {}
            Ok(_) => return Err(DisplayError::Lost(io::ErrorKind::WriteZero.into())),
            Err(error) => return Err(lost(error)),
        }
        self.incoming_fds.clear();
        self.incoming.drain(..whole);
        Ok(())
    }
}

/// The first message, if all of it is there.
fn next_message(bytes: &[u8]) -> Result<Option<&[u8]>, DisplayError> {
    let Some(word) = word(bytes, 1) else {
        return Ok(None);
    };
    let size = usize::try_from(word >> 16).unwrap_or(0);
    if !(HEADER..=CHUNK).contains(&size) || size % 4 != 0 {
        return Err(malformed("a message of an impossible size"));
    }
    Ok(bytes.get(..size))
}

/// Keeps back what wayland-client ends the process for: an error that it cannot read. An error
/// that can be read is the end as well.
fn check(message: &[u8]) -> Result<(), DisplayError> {
    let (Some(1), Some(head)) = (word(message, 0), word(message, 1)) else {
        return Ok(());
    };
    match head & 0xffff {
        // wl_display.error: object, code, text.
        0 => {
            let code = word(message, 3).unwrap_or(0);
            let length = word(message, 4).unwrap_or(0);
            let text = message.get(20..).unwrap_or(&[]);
            let length = usize::try_from(length).unwrap_or(0).saturating_sub(1);
            let text = text.get(..length).unwrap_or(text);
            Err(DisplayError::Protocol {
                code,
                message: String::from_utf8_lossy(text).into_owned(),
            })
        }
        // wl_display.delete_id: an object.
        1 if message.len() == 12 => Ok(()),
        _ => Err(malformed("an event that wl_display does not have")),
    }
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.get(index).map(|word| u32::from_ne_bytes(*word))
}

fn malformed(what: &str) -> DisplayError {
    DisplayError::Protocol {
        code: 0,
        message: what.to_owned(),
    }
}

fn lost(error: Error) -> DisplayError {
    DisplayError::Lost(match error {
        Error::Closed => io::ErrorKind::ConnectionReset.into(),
        Error::System { source, .. } => source,
        other => io::Error::other(other),
    })
}
