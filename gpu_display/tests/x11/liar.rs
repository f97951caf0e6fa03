//! An X server of which only the bytes matter.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use gpu_display::{Display, X11Config, X11Display};

use crate::common::output;

/// A socket, and a display that believes that a server is behind it.
pub(crate) struct Liar {
    pub(crate) listener: TcpListener,
    pub(crate) stream: TcpStream,
    pub(crate) display: X11Display,
}

impl Liar {
    /// `None` where no port of X servers is free.
    pub(crate) fn new() -> Option<Self> {
        let mut ports = 6060..6200_u16;
        let listener = ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())?;
        let port = listener.local_addr().unwrap().port();
        let display = X11Display::new(X11Config {
            display: Some(format!("127.0.0.1:{}", port - 6000)),
            outputs: vec![output(640, 480)],
            ..X11Config::default()
        });
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        Some(Self {
            listener,
            stream,
            display: display.unwrap(),
        })
    }

    /// Sends bytes, and has the display look at them. Whether the connection still stands.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        let _ = self.stream.write_all(bytes);
        // Over a network, even to this machine, bytes take a moment.
        std::thread::sleep(std::time::Duration::from_millis(20));
        self.display.dispatch(Instant::now()).unwrap();
        self.stands()
    }

    pub(crate) fn stands(&mut self) -> bool {
        let mut bytes = [0; 4096];
        std::thread::sleep(std::time::Duration::from_millis(20));
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}
