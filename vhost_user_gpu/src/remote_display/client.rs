//! The display socket: whole messages out as far as it takes them, answers in as far as they have come.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_buffer::{Buffer, Rect, copy};
use gpu_display::DmaBuf;
use msg_socket::{Wait, recv_with_fds, send_volatile, send_with_fds};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::wire::{HEADER_SIZE, Header, MAX_REPLY, Request, Update};
use crate::Error;
use crate::poller::{Interest, Poller, Token, Watched};

/// Bytes that the socket should hold: some screens' worth of small updates. The system may grant less.
const SEND_BUFFER: usize = 1 << 20;

/// Bytes that may stay allocated for what does not fit. A large frame's memory is given back once the frame has gone.
const KEPT_BUFFER: usize = 1 << 20;

/// How long to wait when the system has no room for what is sent: the socket says that it has room all the while.
const MEMORY_PAUSE: Duration = Duration::from_millis(10);

/// Errors that pass. The last: too many descriptors of this user are on their way, to whoever does not read them.
const SHORTAGES: [Errno; 3] = [Errno::ENOBUFS, Errno::ENOMEM, Errno::ETOOMANYREFS];

/// Rows of a picture that are sent in one go.
const MAX_PIECES: usize = 1024;

/// Pieces read in one go; what has come beyond waits for the next.
const MAX_READS: usize = 32;

/// A question that will be answered, in the order of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// GET_PROTOCOL_FEATURES.
    Features,
    /// GET_DISPLAY_INFO.
    Outputs,
    /// GET_EDID of this output.
    Edid(u32),
    /// DMABUF_UPDATE of this output, answered when it is shown.
    Frame(u32),
}

impl Question {
    const fn request(self) -> Request {
        match self {
            Self::Features => Request::GetProtocolFeatures,
            Self::Outputs => Request::GetDisplayInfo,
            Self::Edid(_) => Request::GetEdid,
            Self::Frame(_) => Request::DmaBufUpdate,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) question: Question,
    pub(super) payload: Vec<u8>,
}

/// Pixels on their way straight out of a buffer.
#[derive(Debug)]
struct Picture {
    buffer: Arc<Buffer>,
    rect: Rect,
    sent: u64,
}

/// One display socket.
#[derive(Debug)]
pub(super) struct Client {
    socket: Watched<Arc<OwnedFd>>,
    /// Goes before `outgoing`.
    picture: Option<Picture>,
    outgoing: Vec<u8>,
    sent: usize,
    /// Pictures whose descriptor goes with this byte of `outgoing`, in order.
    attached: VecDeque<(usize, Arc<DmaBuf>)>,
    /// When to send on after the system had no room.
    retry: Option<Instant>,
    /// What was asked and not answered, oldest first.
    asked: VecDeque<Question>,
    incoming: Vec<u8>,
    filled: usize,
}

impl Client {
    /// Uses a socket and waits for it in `poller`. Dropping the client ends both, and leaves the socket open for as
    /// long as someone else has it.
    pub(super) fn new(socket: Arc<OwnedFd>, poller: &Poller) -> Result<Self, Error> {
        if let Err(errno) = setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER) {
            log::debug!("the display socket keeps its send buffer: {errno}");
        }
        let socket = poller
            .watch(socket, Token::Display)
            .map_err(|errno| Error::system("epoll_ctl", errno))?;
        Ok(Self {
            socket,
            picture: None,
            outgoing: Vec::new(),
            sent: 0,
            attached: VecDeque::new(),
            retry: None,
            asked: VecDeque::new(),
            incoming: vec![0; HEADER_SIZE.saturating_add(MAX_REPLY)],
            filled: 0,
        })
    }

    /// Whether bytes wait for room in the socket.
    pub(super) fn is_full(&self) -> bool {
        self.picture.is_some() || self.sent < self.outgoing.len()
    }

    /// Adds a message, or the head of one whose remaining `tail` bytes the caller adds with [`Client::bytes`].
    pub(super) fn message<T: IntoBytes + Immutable>(
        &mut self,
        request: Request,
        head: &T,
        tail: u32,
    ) {
        let head = head.as_bytes();
        let size = u32::try_from(head.len())
            .unwrap_or(u32::MAX)
            .saturating_add(tail);
        let header = Header::request(request, size);
        self.outgoing.extend_from_slice(header.as_bytes());
        self.outgoing.extend_from_slice(head);
    }

    /// Adds a message that brings the descriptor of a picture's first plane.
    pub(super) fn message_with_picture<T: IntoBytes + Immutable>(
        &mut self,
        request: Request,
        body: &T,
        picture: &Arc<DmaBuf>,
    ) {
        self.attached
            .push_back((self.outgoing.len(), Arc::clone(picture)));
        self.message(request, body, 0);
    }

    /// Has what changed in a dma-buf shown, and asks to be told when it is.
    pub(super) fn show(&mut self, update: &Update) {
        let question = Question::Frame(update.scanout);
        self.message(question.request(), update, 0);
        self.asked.push_back(question);
    }

    /// Where the caller puts more bytes of the message it has begun.
    pub(super) const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Asks a question.
    pub(super) fn ask(&mut self, question: Question) {
        match question {
            Question::Edid(output) => self.message(question.request(), &output, 0),
            Question::Features | Question::Outputs => self.message(question.request(), &(), 0),
            Question::Frame(_) => return,
        }
        self.asked.push_back(question);
    }

    /// Whether this question was asked and is not answered yet.
    pub(super) fn is_asked(&self, question: Question) -> bool {
        self.asked.contains(&question)
    }

    /// When to flush even if the socket says nothing.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.retry
    }

    /// Sends the pixels of `rect` next, which the message lacks that was begun, without a copy. The buffer must keep
    /// its contents as long as there is a reference to it here. Nothing else may be waiting.
    ///
    /// # Errors
    ///
    /// Those of [`Client::flush`].
    pub(super) fn picture(&mut self, buffer: &Arc<Buffer>, rect: Rect) -> Result<(), Error> {
        self.picture = Some(Picture {
            buffer: Arc::clone(buffer),
            rect,
            sent: 0,
        });
        self.flush()
    }

    /// Sends what fits.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`]; the socket is of no more use.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.retry = None;
        while let Some(picture) = &mut self.picture {
            let Picture { buffer, rect, sent } = picture;
            let pieces: Vec<_> = copy::slices(&buffer.memory(), buffer.layout(), *rect, *sent)
                .map(|rows| rows.take(MAX_PIECES).collect())
                .unwrap_or_default();
            if pieces.is_empty() {
                self.picture = None;
                break;
            }
            match send_volatile(self.socket.as_fd(), &pieces) {
                Ok(bytes) => {
                    *sent = sent.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
                }
                Err(error) => return self.stop_sending(error),
            }
        }
        while let Some((bytes, fds)) = self.next_piece() {
            match send_with_fds(self.socket.as_fd(), &[IoSlice::new(bytes)], &fds) {
                Ok(bytes) => {
                    if !fds.is_empty() {
                        self.attached.pop_front();
                    }
                    self.sent = self.sent.saturating_add(bytes);
                }
                Err(error) => return self.stop_sending(error),
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(KEPT_BUFFER);
        self.sent = 0;
        Ok(())
    }

    /// The bytes that go next, and the descriptors that go with the first of them.
    fn next_piece(&self) -> Option<(&[u8], Vec<BorrowedFd<'_>>)> {
        let mut attached = self.attached.iter().peekable();
        let now = attached.next_if(|(at, _)| *at <= self.sent);
        let end = attached.peek().map_or(self.outgoing.len(), |(at, _)| *at);
        let bytes = self.outgoing.get(self.sent..end)?;
        let planes = now.map(|(_, picture)| picture.planes.iter().take(1));
        let fds = planes.into_iter().flatten().map(|plane| plane.fd.as_fd());
        (!bytes.is_empty()).then(|| (bytes, fds.collect()))
    }

    /// What to do when not one more byte went.
    fn stop_sending(&mut self, error: msg_socket::Error) -> Result<(), Error> {
        match &error {
            msg_socket::Error::WouldBlock => Ok(()),
            msg_socket::Error::System { source, .. }
                if SHORTAGES
                    .iter()
                    .any(|errno| source.raw_os_error() == Some(*errno as i32)) =>
            {
                self.retry = Instant::now().checked_add(MEMORY_PAUSE);
                Ok(())
            }
            _ => Err(Error::Connection(error)),
        }
    }

    /// Waits for room only while something is waiting to be sent for want of room.
    pub(super) fn update_interest(&mut self) -> Result<(), Error> {
        let interest = if self.is_full() && self.retry.is_none() {
            Interest::ReadOrWrite
        } else {
            Interest::Read
        };
        self.socket.set_interest(interest)
    }

    /// The answers that have come.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] or [`Error::DisplayProtocol`]; the socket is of no more use.
    pub(super) fn receive(&mut self) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::new();
        for _ in 0..MAX_READS {
            let wanted = match self.header()? {
                None => HEADER_SIZE,
                Some((request, size)) => {
                    let wanted = HEADER_SIZE.saturating_add(size);
                    if self.filled >= wanted {
                        answers.push(self.take_answer(request, wanted)?);
                        continue;
                    }
                    wanted
                }
            };
            let room = self
                .incoming
                .get_mut(self.filled..wanted)
                .unwrap_or_default();
            let bytes = match recv_with_fds(self.socket.as_fd(), room, 0, Wait::DontWait) {
                Ok(received) => received.bytes,
                // No answer brings descriptors; those that came are closed already.
                Err(msg_socket::Error::ControlTruncated { bytes: 1.., .. }) => {
                    return Err(Error::DisplayProtocol {
                        problem: "an answer with descriptors",
                    });
                }
                Err(msg_socket::Error::WouldBlock) => break,
                Err(error) => return Err(Error::Connection(error)),
            };
            self.filled = self.filled.saturating_add(bytes);
        }
        Ok(answers)
    }

    /// The request number and payload size of the answer that is coming in, once its header is there.
    fn header(&self) -> Result<Option<(u32, usize)>, Error> {
        let Some((header, _)) = self.incoming.split_at_checked(HEADER_SIZE) else {
            return Ok(None);
        };
        if self.filled < HEADER_SIZE {
            return Ok(None);
        }
        Header::read_from_bytes(header)
            .ok()
            .and_then(Header::reply)
            .map(Some)
            .ok_or(Error::DisplayProtocol {
                problem: "not an answer, or one of a giant size",
            })
    }

    /// Answers come in the order of the questions, but QEMU leaves a question about a scanout that it does not have
    /// unanswered: questions before the one that fits are given up.
    fn take_answer(&mut self, request: u32, end: usize) -> Result<Answer, Error> {
        self.filled = 0;
        let payload = self
            .incoming
            .get(HEADER_SIZE..end)
            .unwrap_or_default()
            .to_vec();
        while let Some(question) = self.asked.pop_front() {
            if question.request() as u32 == request {
                return Ok(Answer { question, payload });
            }
        }
        Err(Error::DisplayProtocol {
            problem: "an answer that nothing asked for",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (Poller, Client, UnixStream) {
        let poller = Poller::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let client = Client::new(Arc::new(ours.into()), &poller).unwrap();
        (poller, client, theirs)
    }

    #[test]
    fn want_of_memory_or_descriptors_keeps_the_socket_and_sends_on_after_a_pause() {
        for errno in [Errno::ENOBUFS, Errno::ENOMEM, Errno::ETOOMANYREFS] {
            let (poller, mut client, mut theirs) = pair();
            client.bytes().extend_from_slice(b"frame");
            let failed = Instant::now();

            client
                .stop_sending(msg_socket::Error::System {
                    call: "sendmsg",
                    source: errno.into(),
                })
                .unwrap();
            client.update_interest().unwrap();

            assert!(client.is_full());
            assert!(client.deadline().unwrap() > failed);
            let spins = poller.wait(crate::poller::Deadline::Now).unwrap();
            assert_eq!(spins, [], "there is room, but that does not help");
            client.flush().unwrap();
            assert_eq!(client.deadline(), None);
            let mut arrived = [0; 5];
            theirs.read_exact(&mut arrived).unwrap();
            assert_eq!(&arrived, b"frame");
        }
    }

    #[test]
    fn another_failure_loses_the_socket() {
        let (_poller, mut client, _theirs) = pair();

        let lost = client.stop_sending(msg_socket::Error::System {
            call: "sendmsg",
            source: Errno::ENOTSOCK.into(),
        });

        assert!(lost.is_err());
    }

    #[test]
    fn a_descriptor_goes_with_the_first_byte_of_its_own_message() {
        let (_poller, mut client, theirs) = pair();
        let plane = |file: std::fs::File| gpu_display::DmaBufPlane {
            fd: file.into(),
            offset: 0,
            stride: 4,
        };
        let picture = || {
            Arc::new(DmaBuf {
                width: 1,
                height: 1,
                format: gpu_buffer::DrmFourcc::Xrgb8888,
                modifier: 0,
                planes: vec![plane(tempfile::tempfile().unwrap())],
            })
        };
        client.bytes().extend_from_slice(b"before");
        client.message_with_picture(Request::DmaBufScanout, &1_u32, &picture());
        client.message_with_picture(Request::DmaBufScanout, &2_u32, &picture());
        client.bytes().extend_from_slice(b"after");

        client.flush().unwrap();

        assert!(!client.is_full() && client.attached.is_empty());
        for (length, descriptors) in [(6, 0), (12 + 4, 1), (12 + 4, 1), (5, 0)] {
            let mut bytes = vec![0; length];
            let received = recv_with_fds(theirs.as_fd(), &mut bytes, 2, Wait::DontWait).unwrap();
            assert_eq!((received.bytes, received.fds.len()), (length, descriptors));
        }
    }

    #[test]
    fn the_memory_of_a_large_frame_is_given_back_when_the_frame_has_gone() {
        let (_poller, mut client, mut theirs) = pair();
        let reader = std::thread::spawn(move || {
            let mut arrived = vec![0; 8 << 20];
            theirs.read_exact(&mut arrived).unwrap();
        });
        client.bytes().resize(8 << 20, 1);

        while client.is_full() {
            client.flush().unwrap();
        }

        reader.join().unwrap();
        let kept = client.bytes().capacity();
        assert!(kept <= 1 << 20, "{kept}");
    }
}
