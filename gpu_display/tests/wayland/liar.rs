//! A compositor of which only the bytes matter.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Instant;

use gpu_display::{Display, WaylandConfig, WaylandDisplay};

use crate::common::output;

/// A socket, and a display that believes that a compositor is behind it.
pub(crate) struct Liar {
    pub(crate) listener: UnixListener,
    pub(crate) stream: UnixStream,
    pub(crate) display: WaylandDisplay,
}

impl Liar {
    pub(crate) fn new(directory: &Path) -> Self {
        let socket = directory.join("wayland");
        let listener = UnixListener::bind(&socket).unwrap();
        let display = WaylandDisplay::new(WaylandConfig {
            socket: Some(socket),
            outputs: vec![output(640, 480)],
            ..WaylandConfig::default()
        });
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        Self {
            listener,
            stream,
            display: display.unwrap(),
        }
    }

    /// Sends a message, and has the display look at it. Whether the connection still stands.
    pub(crate) fn say(&mut self, object: u32, opcode: u32, size: u32, body: &[u8]) -> bool {
        let head = [object.to_ne_bytes(), (size << 16 | opcode).to_ne_bytes()];
        let _ = self.stream.write_all(&[&head.concat(), body].concat());
        self.display.dispatch(Instant::now()).unwrap();
        self.stands()
    }

    pub(crate) fn stands(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}
