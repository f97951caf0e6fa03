//! The front end's end of the display socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::wait::LIMIT;

/// `VHOST_USER_GPU_GET_PROTOCOL_FEATURES`.
pub const GET_PROTOCOL_FEATURES: u32 = 1;
/// `VHOST_USER_GPU_SET_PROTOCOL_FEATURES`.
pub const SET_PROTOCOL_FEATURES: u32 = 2;
/// `VHOST_USER_GPU_GET_DISPLAY_INFO`.
pub const GET_DISPLAY_INFO: u32 = 3;
/// `VHOST_USER_GPU_CURSOR_POS`.
pub const CURSOR_POS: u32 = 4;
/// `VHOST_USER_GPU_CURSOR_POS_HIDE`.
pub const CURSOR_POS_HIDE: u32 = 5;
/// `VHOST_USER_GPU_CURSOR_UPDATE`.
pub const CURSOR_UPDATE: u32 = 6;
/// `VHOST_USER_GPU_SCANOUT`.
pub const SCANOUT: u32 = 7;
/// `VHOST_USER_GPU_UPDATE`.
pub const UPDATE: u32 = 8;
/// `VHOST_USER_GPU_GET_EDID`.
pub const GET_EDID: u32 = 11;

/// A message of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuMessage {
    /// What it is.
    pub request: u32,
    /// All that follows the header.
    pub payload: Vec<u8>,
}

impl GpuMessage {
    /// The u32 fields at the start of the payload.
    pub fn words(&self, count: usize) -> Vec<u32> {
        self.payload
            .as_chunks::<4>()
            .0
            .iter()
            .take(count)
            .map(|word| u32::from_ne_bytes(*word))
            .collect()
    }
}

/// What an output is like in display information.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// The front end's end, which answers questions as QEMU does.
#[derive(Debug)]
pub struct GpuSocket {
    /// The socket.
    pub stream: UnixStream,
    /// What GET_PROTOCOL_FEATURES is answered with.
    pub features: u64,
    /// The enabled outputs.
    pub outputs: Vec<Shown>,
}

impl GpuSocket {
    /// The front end's end, and the end to hand over.
    pub fn pair() -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(LIMIT)).unwrap();
        let socket = Self {
            stream: ours,
            features: 0x3,
            outputs: vec![Shown {
                width: 640,
                height: 480,
            }],
        };
        (socket, theirs)
    }

    /// The next message, whatever it is.
    pub fn read(&mut self) -> GpuMessage {
        let mut header = [0; 12];
        self.stream.read_exact(&mut header).unwrap();
        let words = header.as_chunks::<4>().0;
        let request = u32::from_ne_bytes(words[0]);
        assert_eq!(u32::from_ne_bytes(words[1]), 0, "flags of {request}");
        let size = u32::from_ne_bytes(words[2]);
        let mut payload = vec![0; usize::try_from(size).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        GpuMessage { request, payload }
    }

    /// The next message that is not a question; questions are answered on the way, as QEMU does.
    pub fn message(&mut self) -> GpuMessage {
        loop {
            let message = self.read();
            match message.request {
                GET_PROTOCOL_FEATURES => {
                    let features = self.features;
                    self.reply(GET_PROTOCOL_FEATURES, &features.to_ne_bytes());
                }
                SET_PROTOCOL_FEATURES => {}
                GET_DISPLAY_INFO => self.reply_outputs(),
                GET_EDID => self.reply_edid(message.words(1)[0]),
                _ => return message,
            }
        }
    }

    /// Answers questions until none comes for a while, and checks that nothing else comes.
    pub fn settle(&mut self) {
        let others = self.settle_anyhow();
        assert!(others.is_empty(), "messages {others:?} came unexpectedly");
    }

    /// Answers questions until nothing comes for a while; the numbers of what else came.
    pub fn settle_anyhow(&mut self) -> Vec<u32> {
        let mut others = Vec::new();
        self.stream
            .set_read_timeout(Some(Duration::from_millis(150)))
            .unwrap();
        let mut first = [0; 1];
        loop {
            match nix::sys::socket::recv(
                std::os::fd::AsRawFd::as_raw_fd(&self.stream),
                &mut first,
                nix::sys::socket::MsgFlags::MSG_PEEK,
            ) {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    let message = self.read();
                    match message.request {
                        GET_PROTOCOL_FEATURES => {
                            let features = self.features;
                            self.reply(GET_PROTOCOL_FEATURES, &features.to_ne_bytes());
                        }
                        SET_PROTOCOL_FEATURES => {}
                        GET_DISPLAY_INFO => self.reply_outputs(),
                        GET_EDID => self.reply_edid(message.words(1)[0]),
                        other => others.push(other),
                    }
                }
            }
        }
        self.stream.set_read_timeout(Some(LIMIT)).unwrap();
        others
    }

    /// Takes everything that comes until the daemon has closed its end.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Whether nothing has arrived.
    pub fn is_quiet(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let mut byte = [0; 1];
        let quiet = matches!(self.stream.read(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).unwrap();
        quiet
    }

    /// Answers a question.
    pub fn reply(&mut self, request: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        for word in [request, 0x4, payload.len() as u32] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(payload);
        self.stream.write_all(&bytes).unwrap();
    }

    /// Answers GET_DISPLAY_INFO.
    pub fn reply_outputs(&mut self) {
        let payload = display_info(&self.outputs);
        self.reply(GET_DISPLAY_INFO, &payload);
    }

    /// An EDID of 256 bytes that names its scanout in each.
    pub fn reply_edid(&mut self, scanout: u32) {
        let mut payload = response_header(0x1104);
        payload.extend_from_slice(&256_u32.to_ne_bytes());
        payload.extend_from_slice(&0_u32.to_ne_bytes());
        payload.extend_from_slice(&[scanout as u8 + 0x40; 256]);
        payload.resize(1056, 0);
        self.reply(GET_EDID, &payload);
    }
}

fn response_header(kind: u32) -> Vec<u8> {
    let mut bytes = kind.to_ne_bytes().to_vec();
    bytes.resize(24, 0);
    bytes
}

/// The 408 bytes of an answer to GET_DISPLAY_INFO.
pub fn display_info(outputs: &[Shown]) -> Vec<u8> {
    let mut payload = response_header(0x1101);
    for output in outputs {
        for word in [0, 0, output.width, output.height, 1, 0] {
            payload.extend_from_slice(&word.to_ne_bytes());
        }
    }
    payload.resize(408, 0);
    payload
}
