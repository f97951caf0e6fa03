//! The vhost-user stream: messages in, replies out, neither ever waited for.
//!
//! A message may arrive in any number of pieces, and several at once. Its descriptors belong to it because no read
//! asks for more bytes than the message still lacks.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use msg_socket::{Wait, recv_with_fds, send_with_fds};

use super::message::{Descriptors, HEADER_SIZE, Header, MAX_DESCRIPTORS, MAX_PAYLOAD, Message};
use crate::Error;

/// Puts messages together.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: Box<[u8]>,
    filled: usize,
    received: u64,
    descriptors: Descriptors,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; HEADER_SIZE.saturating_add(MAX_PAYLOAD)].into_boxed_slice(),
            filled: 0,
            received: 0,
            descriptors: Descriptors::Whole(Vec::new()),
        }
    }

    /// Whether a part of a message has arrived.
    pub(crate) const fn is_inside_message(&self) -> bool {
        self.filled != 0
    }

    /// Bytes that have arrived so far.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// The next message, or nothing when the rest of it has not arrived yet.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`], and the two errors of a header that makes what follows unreadable.
    pub(crate) fn read(&mut self, socket: BorrowedFd<'_>) -> Result<Option<Message>, Error> {
        loop {
            let header = match self.buffer.first_chunk::<HEADER_SIZE>() {
                Some(bytes) if self.filled >= HEADER_SIZE => Some(Header::parse(bytes)?),
                _ => None,
            };
            let payload = header.map_or(0, |header| header.size);
            let wanted = HEADER_SIZE.saturating_add(payload);
            if let Some(header) = header
                && self.filled >= wanted
            {
                return Ok(Some(self.take(header, wanted)));
            }
            if !self.receive(socket, wanted)? {
                return Ok(None);
            }
        }
    }

    /// Receives up to the first `wanted` bytes of the message; false when nothing is there.
    fn receive(&mut self, socket: BorrowedFd<'_>, wanted: usize) -> Result<bool, Error> {
        let room = self.buffer.get_mut(self.filled..wanted).unwrap_or_default();
        let space = match &self.descriptors {
            Descriptors::Whole(fds) => MAX_DESCRIPTORS.saturating_sub(fds.len()),
            Descriptors::Lost => 0,
        };
        let bytes = match recv_with_fds(socket, room, space, Wait::DontWait) {
            Ok(received) => {
                if let Descriptors::Whole(fds) = &mut self.descriptors {
                    fds.extend(received.fds);
                }
                received.bytes
            }
            Err(msg_socket::Error::ControlTruncated { bytes, .. }) => {
                self.descriptors = Descriptors::Lost;
                bytes
            }
            Err(msg_socket::Error::WouldBlock) => return Ok(false),
            Err(error) => return Err(Error::Connection(error)),
        };
        if bytes == 0 {
            return Err(Error::Connection(msg_socket::Error::Closed));
        }
        self.filled = self.filled.saturating_add(bytes);
        self.received = self.received.saturating_add(length(bytes));
        Ok(true)
    }

    fn take(&mut self, header: Header, wanted: usize) -> Message {
        self.filled = 0;
        Message {
            header,
            payload: self
                .buffer
                .get(HEADER_SIZE..wanted)
                .unwrap_or_default()
                .to_vec(),
            descriptors: std::mem::replace(&mut self.descriptors, Descriptors::Whole(Vec::new())),
        }
    }
}

/// Sends replies as far as the socket takes them.
///
/// The caller reads no further message while [`Writer::is_pending`], so that no more than one reply ever waits.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// How many of these are gone.
    sent: usize,
    /// Of these and all before.
    sent_ever: u64,
}

impl Writer {
    /// Adds a reply.
    pub(crate) fn queue(&mut self, reply: &[u8]) {
        self.bytes.extend_from_slice(reply);
    }

    /// Whether bytes wait for room in the socket.
    pub(crate) fn is_pending(&self) -> bool {
        self.sent < self.bytes.len()
    }

    /// Bytes that have gone so far.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent_ever
    }

    /// Sends what fits.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`].
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>) -> Result<(), Error> {
        while let Some(rest) = self.bytes.get(self.sent..)
            && !rest.is_empty()
        {
            match send_with_fds(socket, &[IoSlice::new(rest)], &[]) {
                Ok(bytes) => {
                    self.sent = self.sent.saturating_add(bytes);
                    self.sent_ever = self.sent_ever.saturating_add(length(bytes));
                }
                Err(msg_socket::Error::WouldBlock) => return Ok(()),
                Err(error) => return Err(Error::Connection(error)),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(())
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation)]

    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn request(number: u32, flags: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&number.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&(payload.len() as u32).to_ne_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    fn send(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        let sent = send_with_fds(socket.as_fd(), &[IoSlice::new(bytes)], fds).unwrap();
        assert_eq!(sent, bytes.len());
    }

    fn descriptor_count(message: &Message) -> usize {
        match &message.descriptors {
            Descriptors::Whole(fds) => fds.len(),
            Descriptors::Lost => panic!("descriptors were lost"),
        }
    }

    #[test]
    fn a_message_split_at_every_byte_arrives_whole_with_its_descriptor() {
        let bytes = request(12, 0x1, &[7; 8]);
        for cut in 1..bytes.len() {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let null = std::fs::File::open("/dev/null").unwrap();
            let mut reader = Reader::new();

            send(&ours, &bytes[..cut], &[null.as_fd()]);
            assert!(
                reader.read(theirs.as_fd()).unwrap().is_none(),
                "cut at {cut}"
            );
            assert!(reader.is_inside_message());
            send(&ours, &bytes[cut..], &[]);
            let message = reader.read(theirs.as_fd()).unwrap().unwrap();

            assert_eq!(message.header.request, 12);
            assert_eq!(message.payload, [7; 8]);
            assert_eq!(descriptor_count(&message), 1, "cut at {cut}");
            assert!(!reader.is_inside_message());
        }
    }

    #[test]
    fn descriptors_of_coalesced_messages_stay_with_their_message() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut reader = Reader::new();

        send(&ours, &request(1, 0x1, &[]), &[]);
        send(&ours, &request(13, 0x9, &[1; 8]), &[null.as_fd()]);
        send(&ours, &request(3, 0x1, &[]), &[]);
        let messages: Vec<Message> =
            std::iter::from_fn(|| reader.read(theirs.as_fd()).unwrap()).collect();

        let seen: Vec<(u32, usize)> = messages
            .iter()
            .map(|message| (message.header.request, descriptor_count(message)))
            .collect();
        assert_eq!(seen, [(1, 0), (13, 1), (3, 0)]);
        assert!(messages[1].needs_reply() && !messages[0].needs_reply());
    }

    #[test]
    fn too_many_descriptors_are_lost_without_losing_the_framing() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let files: Vec<_> = (0..33)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let mut reader = Reader::new();

        send(&ours, &request(5, 0x1, &[0; 40]), &borrowed);
        send(&ours, &request(3, 0x1, &[]), &[]);

        let first = reader.read(theirs.as_fd()).unwrap().unwrap();
        assert!(matches!(first.descriptors, Descriptors::Lost));
        let second = reader.read(theirs.as_fd()).unwrap().unwrap();
        assert_eq!(second.header.request, 3);
        assert_eq!(descriptor_count(&second), 0);
    }

    #[test]
    fn a_header_of_another_version_a_reply_or_a_giant_ends_the_session() {
        let cases: [(u32, u32); 4] = [(0x0, 0), (0x2, 0), (0x5, 0), (0x1, 4097)];
        for (flags, size) in cases {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            for word in [1, flags, size] {
                ours.write_all(&word.to_ne_bytes()).unwrap();
            }

            let error = Reader::new().read(theirs.as_fd()).unwrap_err();

            assert!(
                error.ends_session(),
                "flags {flags:#x}, size {size}: {error}"
            );
        }
    }

    #[test]
    fn a_reply_waits_for_room_and_then_goes_whole() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        while send_with_fds(ours.as_fd(), &[IoSlice::new(&[0; 4096])], &[]).is_ok() {}
        let mut writer = Writer::default();

        writer.queue(b"reply");
        writer.flush(ours.as_fd()).unwrap();
        assert!(writer.is_pending());
        theirs.set_nonblocking(true).unwrap();
        let mut drained = Vec::new();
        let _ = std::io::Read::read_to_end(&mut theirs, &mut drained);
        writer.flush(ours.as_fd()).unwrap();

        assert!(!writer.is_pending());
        let mut arrived = [0; 8];
        let length = std::io::Read::read(&mut theirs, &mut arrived).unwrap();
        assert_eq!(&arrived[..length], b"reply");
    }
}
