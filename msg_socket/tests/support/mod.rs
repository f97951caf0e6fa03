//! Messages for tests, and counts of descriptors.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, dead_code)]

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use msg_socket::{Error, Incoming, Message, Outgoing, Wait, send_with_fds};
use zerocopy::little_endian::U32;

/// Tests that count the process's descriptors must not overlap with tests that open some.
static DESCRIPTORS: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    DESCRIPTORS
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A moment that a good test never sees.
pub(crate) fn late() -> Wait {
    Wait::Until(Instant::now() + Duration::from_secs(10))
}

pub(crate) fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

/// Sends a packet as it is.
pub(crate) fn send_raw(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let sent = send_with_fds(socket.as_fd(), &[IoSlice::new(bytes)], fds).unwrap();
    assert_eq!(sent, bytes.len());
}

/// The twelve bytes before a body, written by hand.
pub(crate) fn packet(tag: u32, id: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = tag.to_le_bytes().to_vec();
    bytes.extend(id.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// Messages with no, one and two descriptors.
#[derive(Debug)]
pub(crate) enum Letter {
    Number(u32),
    File(OwnedFd),
    Files([OwnedFd; 2]),
}

pub(crate) const NUMBER: u32 = 1;
pub(crate) const FILE: u32 = 2;
pub(crate) const FILES: u32 = 3;

impl Message for Letter {
    const MAX_BODY: usize = 4;
    const MAX_FDS: usize = 2;

    fn write<'a>(&'a self, out: &mut Outgoing<'a>) {
        match self {
            Self::Number(number) => out.put(NUMBER, &U32::new(*number)),
            Self::File(file) => {
                out.put(FILE, &());
                out.attach(file.as_fd());
            }
            Self::Files(files) => {
                out.put(FILES, &());
                for file in files {
                    out.attach(file.as_fd());
                }
            }
        }
    }

    fn read(message: &mut Incoming<'_>) -> Result<Self, Error> {
        match message.tag() {
            NUMBER => Ok(Self::Number(message.body::<U32>()?.get())),
            FILE => {
                message.body::<()>()?;
                Ok(Self::File(message.take_fd()?))
            }
            FILES => {
                message.body::<()>()?;
                Ok(Self::Files([message.take_fd()?, message.take_fd()?]))
            }
            tag => Err(Error::UnknownTag(tag)),
        }
    }
}
