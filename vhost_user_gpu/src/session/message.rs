//! One vhost-user message: header, payload, descriptors.

use std::os::fd::OwnedFd;

use vhost::vhost_user::message::{FrontendReq, MAX_MSG_SIZE, VhostUserMsgValidator};

use crate::Error;

/// Bytes of the header: request, flags, payload size, each a u32 in native byte order.
pub(crate) const HEADER_SIZE: usize = 12;

/// The most bytes of payload.
pub(crate) const MAX_PAYLOAD: usize = MAX_MSG_SIZE;

/// The most descriptors that a message may bring: one for each region of SET_MEM_TABLE.
pub(crate) const MAX_DESCRIPTORS: usize = 32;

const FLAG_VERSION_MASK: u32 = 0x3;
const FLAG_VERSION: u32 = 0x1;
const FLAG_REPLY: u32 = 0x4;
const FLAG_NEED_REPLY: u32 = 0x8;

/// The header of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) request: u32,
    pub(crate) flags: u32,
    pub(crate) size: usize,
}

impl Header {
    /// Reads a header and checks what framing depends on.
    pub(crate) fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Self, Error> {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |place: usize| words.get(place).map_or(0, |word| u32::from_ne_bytes(*word));
        let (request, flags, size) = (word(0), word(1), word(2));
        if flags & FLAG_VERSION_MASK != FLAG_VERSION || flags & FLAG_REPLY != 0 {
            return Err(Error::MessageFlags { request, flags });
        }
        match usize::try_from(size) {
            Ok(size) if size <= MAX_PAYLOAD => Ok(Self {
                request,
                flags,
                size,
            }),
            _ => Err(Error::MessageTooLarge { request, size }),
        }
    }
}

/// The descriptors of a message.
#[derive(Debug)]
pub(crate) enum Descriptors {
    /// All that were sent.
    Whole(Vec<OwnedFd>),
    /// Some were lost, so none was kept.
    Lost,
}

/// A whole request.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
    pub(crate) descriptors: Descriptors,
}

impl Message {
    /// Whether the sender asks for an acknowledgement.
    pub(crate) const fn needs_reply(&self) -> bool {
        self.header.flags & FLAG_NEED_REPLY != 0
    }

    /// The payload as the one body that `request` has, fields checked for form.
    pub(crate) fn body<T>(&self, request: FrontendReq) -> Result<T, Error>
    where
        T: VhostUserMsgValidator + Default,
    {
        let size = self.payload.len();
        let (body, rest) = self.leading_body(request)?;
        if rest.is_empty() {
            Ok(body)
        } else {
            Err(Error::PayloadSize { request, size })
        }
    }

    /// The body at the start of the payload, fields checked for form, and what follows it.
    pub(crate) fn leading_body<T>(&self, request: FrontendReq) -> Result<(T, &[u8]), Error>
    where
        T: VhostUserMsgValidator + Default,
    {
        let size = self.payload.len();
        let (head, rest) = self
            .payload
            .split_at_checked(size_of::<T>())
            .ok_or(Error::PayloadSize { request, size })?;
        let mut body = T::default();
        body.as_mut_slice().copy_from_slice(head);
        if !body.is_valid() {
            return Err(Error::Field {
                request,
                field: "body",
                value: head.first().copied().map_or(0, u64::from),
            });
        }
        Ok((body, rest))
    }

    /// Checks that there is no payload.
    pub(crate) fn no_payload(&self, request: FrontendReq) -> Result<(), Error> {
        match self.payload.len() {
            0 => Ok(()),
            size => Err(Error::PayloadSize { request, size }),
        }
    }

    /// Takes the descriptors, of which there must be `expected`.
    pub(crate) fn take_descriptors(
        &mut self,
        request: FrontendReq,
        expected: usize,
    ) -> Result<Vec<OwnedFd>, Error> {
        match std::mem::replace(&mut self.descriptors, Descriptors::Whole(Vec::new())) {
            Descriptors::Lost => Err(Error::DescriptorsLost { request }),
            Descriptors::Whole(fds) if fds.len() == expected => Ok(fds),
            Descriptors::Whole(fds) => Err(Error::Descriptors {
                request,
                expected,
                received: fds.len(),
            }),
        }
    }

    /// Takes the one descriptor that there must be.
    pub(crate) fn take_descriptor(&mut self, request: FrontendReq) -> Result<OwnedFd, Error> {
        let missing = Error::Descriptors {
            request,
            expected: 1,
            received: 0,
        };
        self.take_descriptors(request, 1)?.pop().ok_or(missing)
    }
}

/// The bytes of a reply to `request`.
pub(crate) fn encode_reply(request: u32, payload: &[u8]) -> Vec<u8> {
    encode(request, FLAG_VERSION | FLAG_REPLY, payload)
}

/// The bytes of a request of the device's own, which nobody answers.
pub(crate) fn encode_request(request: u32, payload: &[u8]) -> Vec<u8> {
    encode(request, FLAG_VERSION, payload)
}

fn encode(request: u32, flags: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER_SIZE.saturating_add(payload.len()));
    for word in [request, flags, size] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(payload);
    bytes
}
