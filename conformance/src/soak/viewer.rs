//! A viewer behind the display socket that looks at nothing: it answers questions and lets pictures go.

use std::io::{ErrorKind, Read};

use crate::gpu_socket::{GET_DISPLAY_INFO, GET_EDID, GET_PROTOCOL_FEATURES, GpuSocket};

/// Bytes of a message's header.
const HEADER: usize = 12;

/// Takes what comes through a display socket, without ever waiting for it.
#[derive(Debug)]
pub(super) struct Viewer {
    socket: GpuSocket,
    chunk: Vec<u8>,
    /// Header of the message that comes in, and the payload of a question.
    head: Vec<u8>,
    /// Bytes of a picture that are still to come.
    to_skip: usize,
}

impl Viewer {
    pub(super) fn new(socket: GpuSocket) -> Self {
        socket.stream.set_nonblocking(true).unwrap();
        Self {
            socket,
            chunk: vec![0; 1 << 18],
            head: Vec::new(),
            to_skip: 0,
        }
    }

    pub(super) fn socket(&self) -> &GpuSocket {
        &self.socket
    }

    pub(super) fn into_socket(self) -> GpuSocket {
        self.socket.stream.set_nonblocking(false).unwrap();
        self.socket
    }

    /// Takes everything that has arrived; returns whether there was anything.
    pub(super) fn follow(&mut self) -> bool {
        let mut chunk = std::mem::take(&mut self.chunk);
        let mut any = false;
        loop {
            match self.socket.stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => {
                    any = true;
                    self.take(&chunk[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the display socket: {error}"),
            }
        }
        self.chunk = chunk;
        any
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.to_skip.min(bytes.len());
            self.to_skip -= skipped;
            bytes = &bytes[skipped..];
            let wanted = self.wanted();
            let taken = (wanted - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.head.len() == self.wanted() {
                self.answer();
            }
        }
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.head[at..at + 4].try_into().unwrap())
    }

    /// How many bytes the head has when it is complete.
    fn wanted(&self) -> usize {
        if self.head.len() < HEADER || self.word(0) != GET_EDID {
            HEADER
        } else {
            HEADER + self.word(8) as usize
        }
    }

    fn answer(&mut self) {
        match self.word(0) {
            GET_PROTOCOL_FEATURES => {
                let features = self.socket.features;
                self.socket
                    .reply(GET_PROTOCOL_FEATURES, &features.to_ne_bytes());
            }
            GET_DISPLAY_INFO => self.socket.reply_outputs(),
            GET_EDID => self.socket.reply_edid(self.word(HEADER)),
            _ => self.to_skip = self.word(8) as usize,
        }
        self.head.clear();
    }
}
