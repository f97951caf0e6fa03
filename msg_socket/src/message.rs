//! Messages: what a type has to say about itself to travel over a [`Socket`](crate::Socket).
//!
//! On the wire a message is a tag, an id and a body, which is a zerocopy struct of a size that the tag decides. Its
//! descriptors travel beside it. Nothing here is unsafe, and nothing sees a raw descriptor.

use std::os::fd::{BorrowedFd, OwnedFd};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Error;

/// What comes before the body of every message.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) tag: U32,
    /// 0, or which request it is, or of which request it is the answer.
    pub(crate) id: U64,
}

/// Bytes of a [`Header`].
pub(crate) const HEADER_BYTES: usize = size_of::<Header>();

/// A message, or an enum of the messages that travel in one direction.
///
/// ```
/// use std::os::fd::{AsFd, OwnedFd};
/// use msg_socket::{Error, Incoming, Message, Outgoing};
/// use zerocopy::little_endian::U32;
///
/// enum Request {
///     Open { slot: u32 },
///     Keep { file: OwnedFd },
/// }
///
/// impl Message for Request {
///     const MAX_BODY: usize = 4;
///     const MAX_FDS: usize = 1;
///
///     fn write<'a>(&'a self, out: &mut Outgoing<'a>) {
///         match self {
///             Self::Open { slot } => out.put(1, &U32::new(*slot)),
///             Self::Keep { file } => {
///                 out.put(2, &());
///                 out.attach(file.as_fd());
///             }
///         }
///     }
///
///     fn read(message: &mut Incoming<'_>) -> Result<Self, Error> {
///         match message.tag() {
///             1 => Ok(Self::Open { slot: message.body::<U32>()?.get() }),
///             2 => {
///                 message.body::<()>()?;
///                 Ok(Self::Keep { file: message.take_fd()? })
///             }
///             tag => Err(Error::UnknownTag(tag)),
///         }
///     }
/// }
/// ```
pub trait Message: Sized {
    /// Bytes of the longest body.
    const MAX_BODY: usize;

    /// The most descriptors that any message has, [`MAX_FDS`](crate::MAX_FDS) at most.
    const MAX_FDS: usize;

    /// Writes tag and body, and lends the descriptors.
    fn write<'a>(&'a self, out: &mut Outgoing<'a>);

    /// Understands a message. Descriptors that it does not take are too many.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTag`], [`Error::Value`], and what [`Incoming`] says.
    fn read(message: &mut Incoming<'_>) -> Result<Self, Error>;
}

/// A message on its way out.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fds: Vec<BorrowedFd<'a>>,
}

impl<'a> Outgoing<'a> {
    /// A message in `bytes`, whose memory is used again.
    pub(crate) fn new(mut bytes: Vec<u8>, id: u64) -> Self {
        bytes.clear();
        let header = Header {
            tag: U32::ZERO,
            id: id.into(),
        };
        bytes.extend_from_slice(header.as_bytes());
        Self {
            bytes,
            fds: Vec::new(),
        }
    }

    /// The message's tag and body, instead of any before.
    pub fn put<B: IntoBytes + Immutable>(&mut self, tag: u32, body: &B) {
        self.bytes.truncate(HEADER_BYTES);
        if let Some(place) = self.bytes.first_chunk_mut() {
            *place = tag.to_le_bytes();
        }
        self.bytes.extend_from_slice(body.as_bytes());
    }

    /// One more descriptor, which stays its owner's.
    pub fn attach(&mut self, fd: BorrowedFd<'a>) {
        self.fds.push(fd);
    }
}

/// A message that has arrived. The descriptors that nobody takes are closed with it.
#[derive(Debug)]
pub struct Incoming<'a> {
    header: Header,
    body: &'a [u8],
    fds: std::vec::IntoIter<OwnedFd>,
    /// Descriptors that came.
    arrived: usize,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(bytes: &'a [u8], fds: Vec<OwnedFd>) -> Result<Self, Error> {
        let (header, body) = Header::read_from_prefix(bytes).map_err(|_| Error::Length {
            tag: 0,
            length: bytes.len(),
            expected: HEADER_BYTES,
        })?;
        Ok(Self {
            header,
            body,
            arrived: fds.len(),
            fds: fds.into_iter(),
        })
    }

    /// The tag: which message it is.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.header.tag.get()
    }

    pub(crate) fn id(&self) -> u64 {
        self.header.id.get()
    }

    /// The body, which has the length of a `B`.
    ///
    /// # Errors
    ///
    /// [`Error::Length`].
    pub fn body<B: FromBytes + KnownLayout + Immutable>(&self) -> Result<B, Error> {
        B::read_from_bytes(self.body).map_err(|_| Error::Length {
            tag: self.tag(),
            length: self.body.len(),
            expected: size_of::<B>(),
        })
    }

    /// The next descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::MissingFds`].
    pub fn take_fd(&mut self) -> Result<OwnedFd, Error> {
        let missing = Error::MissingFds {
            tag: self.tag(),
            arrived: self.arrived,
        };
        self.fds.next().ok_or(missing)
    }

    /// All descriptors were taken.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.fds.len() {
            0 => Ok(()),
            left => Err(Error::SurplusFds {
                tag: self.tag(),
                expected: self.arrived.saturating_sub(left),
            }),
        }
    }
}
