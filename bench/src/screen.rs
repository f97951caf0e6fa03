//! The front end's end of a display socket: a thread that answers questions and takes pictures as fast as it can.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

const GET_PROTOCOL_FEATURES: u32 = 1;
const GET_DISPLAY_INFO: u32 = 3;
/// VHOST_USER_GPU_UPDATE.
pub(crate) const UPDATE: u32 = 8;
const GET_EDID: u32 = 11;
const REPLY: u32 = 4;

/// How long a picture may take; some are never sent, because a newer one was there first.
const PATIENCE: Duration = Duration::from_millis(100);

/// Bytes of a header.
const HEADER: usize = 12;

/// How large the socket's send buffer is before anybody writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendBuffer {
    /// The system's choice.
    Default,
    /// This many bytes, as far as the system grants them.
    Bytes(usize),
}

#[derive(Debug, Default)]
struct Counts {
    updates: u64,
    /// How many somebody waits for.
    wanted: u64,
}

#[derive(Debug, Default)]
struct Counter {
    counts: Mutex<Counts>,
    enough: Condvar,
}

/// The reading end. Its thread ends when the other end is closed.
#[derive(Debug)]
pub(crate) struct Screen {
    counter: Arc<Counter>,
    _thread: JoinHandle<()>,
}

impl Screen {
    /// The reading end, and the end to hand over.
    pub(crate) fn open(buffer: SendBuffer) -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        if let SendBuffer::Bytes(bytes) = buffer {
            setsockopt(&theirs, sockopt::SndBuf, &bytes).unwrap();
        }
        let counter = Arc::new(Counter::default());
        let counting = counter.clone();
        let thread = std::thread::spawn(move || read_all(ours, &counting));
        let screen = Self {
            counter,
            _thread: thread,
        };
        (screen, theirs)
    }

    /// Pictures that have come.
    pub(crate) fn updates(&self) -> u64 {
        self.counter.counts.lock().unwrap().updates
    }

    /// Waits until so many have come, or some time; whether they have.
    pub(crate) fn wait_for(&self, updates: u64) -> bool {
        let mut counts = self.counter.counts.lock().unwrap();
        counts.wanted = updates;
        let (counts, _) = self
            .counter
            .enough
            .wait_timeout_while(counts, PATIENCE, |counts| counts.updates < updates)
            .unwrap();
        counts.updates >= updates
    }
}

/// Reads many small messages at once and large ones straight into their place, so that the other end is what is
/// measured.
fn read_all(stream: UnixStream, counter: &Counter) {
    let mut replies = stream.try_clone().unwrap();
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let mut payload = Vec::new();
    let mut header = [0; HEADER];
    while stream.read_exact(&mut header).is_ok() {
        let word = |place: usize| u32::from_ne_bytes(header[place..place + 4].try_into().unwrap());
        let (request, size) = (word(0), word(8) as usize);
        if payload.len() < size {
            payload.resize(size, 0);
        }
        if stream.read_exact(&mut payload[..size]).is_err() {
            return;
        }
        match request {
            UPDATE => {
                let mut counts = counter.counts.lock().unwrap();
                counts.updates += 1;
                if counts.updates == counts.wanted {
                    counter.enough.notify_one();
                }
            }
            GET_PROTOCOL_FEATURES => reply(&mut replies, request, &0_u64.to_ne_bytes()),
            GET_DISPLAY_INFO => reply(&mut replies, request, &display_info()),
            GET_EDID => reply(&mut replies, request, &[0; 1056]),
            _ => {}
        }
    }
}

fn reply(stream: &mut UnixStream, request: u32, payload: &[u8]) {
    let mut message = update_header(request, REPLY, payload.len() as u32);
    message.extend_from_slice(payload);
    stream.write_all(&message).unwrap();
}

/// `struct virtio_gpu_resp_display_info` with one output of 1920 by 1080.
fn display_info() -> Vec<u8> {
    let mut info = vec![0; 408];
    let mut put = |at: usize, value: u32| info[at..at + 4].copy_from_slice(&value.to_le_bytes());
    put(0, 0x1101);
    put(24 + 8, 1920);
    put(24 + 12, 1080);
    put(24 + 16, 1);
    info
}

/// The header of a message.
pub(crate) fn update_header(request: u32, flags: u32, size: u32) -> Vec<u8> {
    [request, flags, size]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect()
}
