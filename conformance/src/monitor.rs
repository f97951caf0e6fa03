//! What the viewer behind a display socket would see.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};

use gpu_buffer::Rect;

use crate::gpu_socket::{
    CURSOR_POS, CURSOR_POS_HIDE, CURSOR_UPDATE, GET_DISPLAY_INFO, GET_EDID, GET_PROTOCOL_FEATURES,
    GpuMessage, GpuSocket, SCANOUT, UPDATE,
};
use crate::picture::Picture;
use crate::screen::put;

/// Follows a display socket without ever waiting for it.
#[derive(Debug)]
pub struct Monitor {
    socket: GpuSocket,
    received: Vec<u8>,
    scanouts: BTreeMap<u32, Picture>,
    cursors: BTreeSet<u32>,
}

impl Monitor {
    /// A viewer that has seen nothing.
    pub fn new(socket: GpuSocket) -> Self {
        socket.stream.set_nonblocking(true).unwrap();
        Self {
            socket,
            received: Vec::new(),
            scanouts: BTreeMap::new(),
            cursors: BTreeSet::new(),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &GpuSocket {
        &self.socket
    }

    /// Gives the socket back.
    pub fn into_socket(self) -> GpuSocket {
        self.socket.stream.set_nonblocking(false).unwrap();
        self.socket
    }

    /// What a scanout shows.
    pub fn scanout(&self, scanout: u32) -> Option<&Picture> {
        self.scanouts.get(&scanout)
    }

    /// Whether a cursor is seen over a scanout.
    pub fn has_cursor(&self, scanout: u32) -> bool {
        self.cursors.contains(&scanout)
    }

    /// Takes in everything that has arrived, and answers questions.
    pub fn follow(&mut self) {
        let mut chunk = vec![0; 1 << 20];
        loop {
            match self.socket.stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => self.received.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the display socket: {error}"),
            }
        }
        let mut at = 0;
        while let Some((message, length)) = parse(&self.received[at..]) {
            at += length;
            self.take(&message);
        }
        self.received.drain(..at);
    }

    fn take(&mut self, message: &GpuMessage) {
        let words = message.words(5);
        match (message.request, words[..].first()) {
            (GET_PROTOCOL_FEATURES, _) => {
                let features = self.socket.features;
                self.socket
                    .reply(GET_PROTOCOL_FEATURES, &features.to_ne_bytes());
            }
            (GET_DISPLAY_INFO, _) => self.socket.reply_outputs(),
            (GET_EDID, Some(scanout)) => self.socket.reply_edid(*scanout),
            (SCANOUT, Some(scanout)) => match words[1..3] {
                [0, _] | [_, 0] => {
                    self.scanouts.remove(scanout);
                }
                [width, height] => {
                    self.scanouts
                        .insert(*scanout, Picture::black(width, height));
                }
                _ => panic!("a short message SCANOUT"),
            },
            (UPDATE, Some(scanout)) => {
                let picture = self.scanouts.get_mut(scanout);
                let picture = picture.expect("an UPDATE is for a scanout that is on");
                let rect = Rect::new(words[1], words[2], words[3], words[4]);
                assert_eq!(message.payload.len() as u64, 20 + 4 * rect.area());
                put(picture, &rect, &message.payload[20..]);
            }
            (CURSOR_UPDATE | CURSOR_POS, Some(scanout)) => {
                self.cursors.insert(*scanout);
            }
            (CURSOR_POS_HIDE, Some(scanout)) => {
                self.cursors.remove(scanout);
            }
            _ => {}
        }
    }
}

/// The first whole message, and its length.
fn parse(bytes: &[u8]) -> Option<(GpuMessage, usize)> {
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes(word.try_into().ok()?))
    };
    let size = word(8)? as usize;
    let payload = bytes.get(12..12 + size)?.to_vec();
    let request = word(0)?;
    Some((GpuMessage { request, payload }, 12 + size))
}
