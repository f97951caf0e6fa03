//! Requests to the X server, and which answer belongs to which.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};

use x11rb_protocol::connect::Connect;
use x11rb_protocol::protocol::Event;
use x11rb_protocol::protocol::xproto::{
    FreeCursorRequest, FreePixmapRequest, GetInputFocusRequest, Setup,
};
use x11rb_protocol::protocol::{shm, xproto};

use super::address::{Dialed, Transport};
use super::extensions::{Extension, Extensions};
use super::ids::Ids;
use super::wire::{Flow, Wire};
use crate::DisplayError;

/// Requests that may go by without an answer: the server counts them in 16 bits.
const MAX_UNANSWERED: u64 = 60_000;

/// What an answer is awaited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// Whether there is an extension.
    Extension(Extension),
    /// Which version of it.
    Version(Extension),
    /// The formats of RENDER.
    PictureFormats,
    /// The modifiers of dma-bufs.
    Modifiers,
    /// Whether keys that repeat go up meanwhile.
    KeyboardFlags,
    /// The number of a name.
    Atom(usize),
    /// That everything before was done.
    Done(Barrier),
}

/// What was before a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    /// Requests without an answer.
    Count,
    /// The frame of an output.
    Frame { output: u32 },
    /// The cursor of an output.
    Cursor { output: u32 },
    /// The request of this number, which gave the server a dma-buf for an output's window.
    Import { output: u32, request: u64 },
}

/// What the server says.
#[derive(Debug)]
pub(super) enum Message {
    /// The greeting.
    Welcome(Box<Setup>),
    /// An answer.
    Reply(Expect, Vec<u8>),
    /// There is no answer.
    Failed(Expect),
    /// A request went wrong that has no answer.
    Error {
        /// The request's number.
        request: u64,
        /// Its own number.
        code: u8,
        /// Of the extension, or of the request.
        major: u8,
        /// Of the request of an extension.
        minor: u16,
    },
    /// Something happened.
    Event(Event),
}

/// An object that nobody uses any more.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dead {
    Segment(u32),
    Pixmap(u32),
    /// There never was one.
    Name(u32),
    Cursor(u32),
}

/// A connection's requests.
#[derive(Debug)]
pub(super) struct Client {
    wire: Wire,
    transport: Transport,
    /// Until the server has greeted.
    ids: Option<Ids>,
    /// Number of the last request, and of the last one with an answer.
    sent: u64,
    asked: u64,
    /// Number of the last request that the server has spoken of.
    heard: u64,
    expected: VecDeque<(u64, Expect)>,
    pub(super) extensions: Extensions,
    graveyard: (Sender<Dead>, Receiver<Dead>),
}

impl Client {
    /// Asks to be let in.
    pub(super) fn new(dialed: Dialed) -> Self {
        let (name, data) = dialed.authorization;
        let (_, request) = Connect::with_authorization(name, data);
        let mut wire = Wire::new(dialed.socket);
        wire.send(&request);
        Self {
            wire,
            transport: dialed.transport,
            ids: None,
            sent: 0,
            asked: 0,
            heard: 0,
            expected: VecDeque::new(),
            extensions: Extensions::default(),
            graveyard: mpsc::channel(),
        }
    }

    /// The socket, to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.wire.fd()
    }

    /// What lies between us and the server.
    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    pub(super) fn flow(&self) -> Flow {
        self.wire.flow()
    }

    /// Sends what was asked for, as far as the server takes it.
    ///
    /// # Errors
    /// [`DisplayError::Lost`].
    pub(super) fn flush(&mut self) -> Result<Flow, DisplayError> {
        self.bury();
        self.wire.flush()
    }

    /// Receives some of what the server has sent; whether there was something.
    ///
    /// # Errors
    /// [`DisplayError::Lost`].
    pub(super) fn receive(&mut self) -> Result<bool, DisplayError> {
        self.wire.receive()
    }

    /// A name for a new object; `None` if there is none left.
    pub(super) fn new_id(&mut self) -> Option<u32> {
        self.ids.as_mut()?.take()
    }

    /// Objects of these names are gone: the server was told.
    pub(super) fn give_back<const N: usize>(&mut self, dead: [u32; N]) {
        if let Some(ids) = &mut self.ids {
            for id in dead {
                ids.give_back(id);
            }
        }
    }

    /// Where objects tell that they are not used any more.
    pub(super) fn graveyard(&self) -> Sender<Dead> {
        self.graveyard.0.clone()
    }

    /// Asks for something that has no answer.
    pub(super) fn send<const N: usize>(
        &mut self,
        (parts, fds): ([Cow<'_, [u8]>; N], Vec<OwnedFd>),
    ) {
        if self.sent.saturating_sub(self.asked) >= MAX_UNANSWERED {
            self.barrier(Barrier::Count);
        }
        self.sent = self.sent.saturating_add(1);
        if fds.is_empty() {
            for part in parts {
                self.wire.send(&part);
            }
        } else {
            self.wire.send_with_fds(parts.concat(), fds);
        }
    }

    /// Number of the request that was sent last.
    pub(super) fn last_request(&self) -> u64 {
        self.sent
    }

    /// Asks for something that has an answer.
    pub(super) fn ask<const N: usize>(
        &mut self,
        request: ([Cow<'_, [u8]>; N], Vec<OwnedFd>),
        expect: Expect,
    ) {
        // It has an answer, so the count before it does not matter.
        self.asked = self.sent.saturating_add(1);
        self.send(request);
        self.expected.push_back((self.sent, expect));
    }

    /// Asks the server to say when all before is done.
    pub(super) fn barrier(&mut self, barrier: Barrier) {
        self.ask(GetInputFocusRequest.serialize(), Expect::Done(barrier));
    }

    /// The next of what the server has said.
    ///
    /// # Errors
    /// [`DisplayError::Protocol`] if it refuses us, or says what it cannot mean.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, DisplayError> {
        if self.ids.is_none() {
            let Some(greeting) = self.wire.take_greeting() else {
                return Ok(None);
            };
            let setup = read_greeting(&greeting)?;
            self.ids = Some(Ids::new(&setup));
            return Ok(Some(Message::Welcome(Box::new(setup))));
        }
        while let Some(packet) = self.wire.take_packet()? {
            if let Some(message) = self.understand(packet)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// What a packet means; `None` if nothing to us.
    fn understand(&mut self, packet: Vec<u8>) -> Result<Option<Message>, DisplayError> {
        let [kind, code, low, high, ..] = *packet.as_slice() else {
            return Ok(None);
        };
        if kind != xproto::KEYMAP_NOTIFY_EVENT {
            self.hear(u16::from_ne_bytes([low, high]));
        }
        match kind {
            0 => Ok(Some(self.error(code, &packet))),
            1 => match self.expected.pop_front() {
                Some((sequence, expect)) if sequence == self.heard => {
                    Ok(Some(Message::Reply(expect, packet)))
                }
                _ => Err(DisplayError::Protocol {
                    code: 0,
                    message: "the X server answers what was not asked".to_owned(),
                }),
            },
            _ => match Event::parse(&packet, &self.extensions) {
                Ok(event) => Ok(Some(Message::Event(event))),
                Err(error) => {
                    log::debug!("an X event cannot be read: {error}");
                    Ok(None)
                }
            },
        }
    }

    fn error(&mut self, code: u8, packet: &[u8]) -> Message {
        let is_awaited = |(sequence, _): &(u64, Expect)| *sequence == self.heard;
        if self.expected.front().is_some_and(is_awaited)
            && let Some((_, expect)) = self.expected.pop_front()
        {
            return Message::Failed(expect);
        }
        let (minor, major) = match packet.get(8..11) {
            Some([a, b, major]) => (u16::from_ne_bytes([*a, *b]), *major),
            _ => (0, 0),
        };
        Message::Error {
            request: self.heard,
            code,
            major,
            minor,
        }
    }

    /// Takes in how far the server is, of which it says the lower 16 bits.
    fn hear(&mut self, low: u16) {
        let before = self.heard;
        let mut heard = (before & !0xffff) | u64::from(low);
        if heard < before {
            heard = heard.saturating_add(0x1_0000);
        }
        self.heard = heard;
    }

    /// Has the server forget what nobody uses any more.
    fn bury(&mut self) {
        while let Ok(dead) = self.graveyard.1.try_recv() {
            let id = match dead {
                Dead::Segment(shmseg) => {
                    if let Some(opcode) = self.extensions.opcode(Extension::Shm) {
                        self.send(shm::DetachRequest { shmseg }.serialize(opcode));
                    }
                    shmseg
                }
                Dead::Pixmap(pixmap) => {
                    self.send(FreePixmapRequest { pixmap }.serialize());
                    pixmap
                }
                Dead::Name(name) => name,
                Dead::Cursor(cursor) => {
                    self.send(FreeCursorRequest { cursor }.serialize());
                    cursor
                }
            };
            if let Some(ids) = &mut self.ids {
                ids.give_back(id);
            }
        }
    }
}

fn read_greeting(greeting: &[u8]) -> Result<Setup, DisplayError> {
    let (mut connect, _) = Connect::with_authorization(Vec::new(), Vec::new());
    let mut rest = greeting;
    while !rest.is_empty() {
        let room = connect.buffer();
        let count = room.len().min(rest.len());
        let (Some(room), Some((now, later))) =
            (room.get_mut(..count), rest.split_at_checked(count))
        else {
            break;
        };
        room.copy_from_slice(now);
        rest = later;
        if connect.advance(count) {
            break;
        }
    }
    connect
        .into_setup()
        .map_err(|error| DisplayError::Protocol {
            code: 0,
            message: error.to_string(),
        })
}
