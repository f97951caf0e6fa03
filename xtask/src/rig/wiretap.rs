//! Stands between QEMU and our daemon and remembers what the daemon tells QEMU to display.
//!
//! QEMU shows neither a cursor in its screendumps nor which part of a frame was sent; the wire does.
//! Both sockets are relayed unchanged; the display socket, which QEMU hands to the daemon as a
//! descriptor, is replaced by one of ours.

use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use kms_probe::{CURSOR_SIDE, Picture, Rectangle};
use msg_socket::{Wait, recv_with_fds, send_with_fds};

use crate::error::{Error, Result};

/// The vhost-user request that carries the display socket.
const GPU_SET_SOCKET: u32 = 33;
/// Requests on the display socket.
const CURSOR_POS: u32 = 4;
const CURSOR_POS_HIDE: u32 = 5;
const CURSOR_UPDATE: u32 = 6;
const UPDATE: u32 = 8;
/// Both protocols begin a message with three words, the last one the payload's length.
const HEADER: usize = 12;
/// No message is longer than one frame of the largest screen the tests use.
const LONGEST: u32 = 64 << 20;

/// What the daemon has told QEMU so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Record {
    /// The latest cursor image, with its hotspot.
    pub(crate) cursor: Option<(Picture, (u32, u32))>,
    /// The latest cursor position, and whether the cursor is visible there.
    pub(crate) position: Option<(i32, i32, bool)>,
    /// All updated rectangles of the first screen.
    pub(crate) updates: Vec<Rectangle>,
}

/// A relay at work. It ends when either side ends.
#[derive(Debug)]
pub(crate) struct Wiretap {
    record: Arc<Mutex<Record>>,
}

impl Wiretap {
    /// Listens at `front` for QEMU and relays to the daemon that listens at `back`.
    pub(crate) fn start(front: &Path, back: &Path) -> Result<Self> {
        let listener = UnixListener::bind(front).map_err(Error::io("listen at", front))?;
        let daemon = UnixStream::connect(back).map_err(Error::io("connect to", back))?;
        let record = Arc::new(Mutex::new(Record::default()));
        let shared = Arc::clone(&record);
        thread::spawn(move || {
            if let Ok((qemu, _)) = listener.accept() {
                relay(&qemu, &daemon, move |request, fds| {
                    if request.number() == GPU_SET_SOCKET {
                        replace_display(fds, &shared);
                    }
                });
            }
        });
        Ok(Self { record })
    }

    /// What has been recorded up to now.
    pub(crate) fn record(&self) -> Record {
        lock(&self.record).clone()
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One message: its header and what follows.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn word(&self, index: usize) -> u32 {
        self.bytes
            .chunks_exact(4)
            .nth(index)
            .and_then(|word| Some(u32::from_ne_bytes(word.try_into().ok()?)))
            .unwrap_or(0)
    }

    fn number(&self) -> u32 {
        self.word(0)
    }

    /// The `index`th word after the header.
    fn payload(&self, index: usize) -> u32 {
        self.word(index.saturating_add(HEADER / 4))
    }
}

/// Relays messages from `from` to `to` after `look` has seen them, and bytes the other way.
fn relay(from: &UnixStream, to: &UnixStream, mut look: impl FnMut(&Message, &mut Vec<OwnedFd>)) {
    if let (Ok(back_from), Ok(back_to)) = (to.try_clone(), from.try_clone()) {
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(received) = recv_with_fds(back_from.as_fd(), &mut buffer, 16, Wait::Block)
            {
                let bytes = buffer.get(..received.bytes).unwrap_or_default();
                if send(&back_to, bytes, &received.fds).is_none() {
                    break;
                }
            }
            hang_up(&back_from, &back_to);
        });
    }
    while let Some((message, mut fds)) = receive(from) {
        look(&message, &mut fds);
        if send(to, &message.bytes, &fds).is_none() {
            break;
        }
    }
    hang_up(from, to);
}

fn hang_up(one: &UnixStream, other: &UnixStream) {
    // Whichever is gone already needs no more.
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

/// Gives the daemon a display socket of ours, and relays it to QEMU's.
fn replace_display(fds: &mut Vec<OwnedFd>, record: &Arc<Mutex<Record>>) {
    let (Some(real), Ok((near, far))) = (fds.pop(), UnixStream::pair()) else {
        return;
    };
    let record = Arc::clone(record);
    thread::spawn(move || {
        relay(&near, &UnixStream::from(real), move |message, _| {
            note(message, &mut lock(&record));
        });
    });
    fds.push(far.into());
}

fn note(message: &Message, record: &mut Record) {
    let signed = |index| message.payload(index).cast_signed();
    match message.number() {
        number @ (CURSOR_POS | CURSOR_POS_HIDE) => {
            record.position = Some((signed(1), signed(2), number == CURSOR_POS));
        }
        CURSOR_UPDATE => {
            record.position = Some((signed(1), signed(2), true));
            let pixels = message.bytes.chunks_exact(4).skip(HEADER / 4 + 5);
            let pixels = pixels
                .filter_map(|pixel| Some(u32::from_ne_bytes(pixel.try_into().ok()?)))
                .collect();
            record.cursor = Picture::from_pixels(CURSOR_SIDE, CURSOR_SIDE, pixels)
                .map(|image| (image, (message.payload(3), message.payload(4))));
        }
        UPDATE if message.payload(0) == 0 => record.updates.push(Rectangle {
            x: message.payload(1),
            y: message.payload(2),
            width: message.payload(3),
            height: message.payload(4),
        }),
        _ => {}
    }
}

/// Reads one message; none at the end, or when the peer makes no sense.
fn receive(mut from: &UnixStream) -> Option<(Message, Vec<OwnedFd>)> {
    let mut bytes = vec![0; HEADER];
    let received = recv_with_fds(from.as_fd(), &mut bytes, 16, Wait::Block).ok()?;
    from.read_exact(bytes.get_mut(received.bytes..)?).ok()?;
    let mut message = Message { bytes };
    let length = message.word(2);
    if length > LONGEST {
        return None;
    }
    let whole = HEADER.saturating_add(usize::try_from(length).ok()?);
    message.bytes.resize(whole, 0);
    from.read_exact(message.bytes.get_mut(HEADER..)?).ok()?;
    Some((message, received.fds))
}

/// Sends all bytes, the descriptors with the first of them.
fn send(mut to: &UnixStream, bytes: &[u8], fds: &[OwnedFd]) -> Option<()> {
    if fds.is_empty() {
        return to.write_all(bytes).ok();
    }
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    loop {
        match send_with_fds(to.as_fd(), &[IoSlice::new(bytes)], &fds) {
            Ok(sent) => return to.write_all(bytes.get(sent..)?).ok(),
            Err(msg_socket::Error::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn the_display_socket_is_tapped() {
        let folder = tempfile::tempdir().unwrap();
        let (front, back) = (folder.path().join("front"), folder.path().join("back"));
        let listener = UnixListener::bind(&back).unwrap();
        let tap = Wiretap::start(&front, &back).unwrap();
        let qemu = UnixStream::connect(&front).unwrap();
        let (daemon, _) = listener.accept().unwrap();

        let (mut screen, given) = UnixStream::pair().unwrap();
        send(&qemu, &message(&[GPU_SET_SOCKET, 1, 0]), &[given.into()]).unwrap();
        let (request, mut fds) = receive(&daemon).unwrap();
        assert_eq!(request.number(), GPU_SET_SOCKET);
        let display = UnixStream::from(fds.pop().unwrap());

        let update = message(&[UPDATE, 0, 24, 0, 5, 6, 1, 1, 0xabcdef]);
        let hide = message(&[CURSOR_POS_HIDE, 0, 12, 0, (-3_i32).cast_unsigned(), 4]);
        send(&display, &update, &[]).unwrap();
        send(&display, &hide, &[]).unwrap();
        let mut seen = vec![0; update.len() + hide.len()];
        screen.read_exact(&mut seen).unwrap();
        assert_eq!(seen, [update, hide].concat());

        let record = tap.record();
        assert_eq!(record.position, Some((-3, 4, false)));
        let expected = Rectangle {
            x: 5,
            y: 6,
            width: 1,
            height: 1,
        };
        assert_eq!(record.updates, [expected]);
        screen.write_all(b"answer").unwrap();
        let mut answer = [0; 6];
        (&display).read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
    }
}
