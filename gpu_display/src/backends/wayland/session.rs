//! A connection to the compositor: bytes in, events to the state, bytes out. Nothing waits.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use wayland_client::backend::WaylandError;
use wayland_client::{Connection, EventQueue};

use super::gate::{Flow, Gate};
use super::link::Link;
use super::state::State;
use crate::DisplayError;

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    gate: Gate,
    connection: Connection,
    queue: EventQueue<State>,
}

impl Session {
    /// Connects, and asks what there is. The answer comes with [`Session::exchange`].
    ///
    /// # Errors
    /// [`DisplayError::Connect`], [`DisplayError::Lost`].
    pub(super) fn connect(path: &Path) -> Result<(Self, Link), DisplayError> {
        let stream = connect_to(path).map_err(|source| DisplayError::Connect {
            path: path.to_owned(),
            source,
        })?;
        let (gate, inner) = Gate::new(stream)?;
        let connection = Connection::from_socket(inner)
            .map_err(|error| DisplayError::Lost(io::Error::other(error)))?;
        let queue = connection.new_event_queue();
        let link = Link::new(&connection, queue.handle());
        let mut session = Self {
            gate,
            connection,
            queue,
        };
        session.flush()?;
        Ok((session, link))
    }

    /// The socket to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.gate.fd()
    }

    /// Whether something waits for the compositor to read.
    pub(super) fn flow(&self) -> Flow {
        self.gate.flow()
    }

    /// Takes in what the compositor has sent, within bounds, and sends what that led to. While the
    /// compositor does not read nothing is taken in: whatever it says may need an answer.
    ///
    /// # Errors
    /// [`DisplayError::Lost`], [`DisplayError::Protocol`], and what the state found to be wrong.
    pub(super) fn exchange(&mut self, state: &mut State) -> Result<(), DisplayError> {
        if self.flush()? == Flow::Jammed {
            return Ok(());
        }
        let received = self.gate.receive();
        self.take_events(state)?;
        received?;
        self.flush().map(drop)
    }

    /// Sends what was asked for, as far as the compositor takes it.
    ///
    /// # Errors
    /// [`DisplayError::Lost`], [`DisplayError::Protocol`].
    pub(super) fn flush(&mut self) -> Result<Flow, DisplayError> {
        match self.connection.flush() {
            Ok(()) => {}
            Err(error) if is_not_now(&error) => {}
            Err(error) => return Err(broken(error)),
        }
        let sent = self.gate.send();
        if sent.is_err() {
            // A compositor that has closed the connection may have said why.
            self.gate.receive()?;
        }
        sent
    }

    fn take_events(&mut self, state: &mut State) -> Result<(), DisplayError> {
        if let Some(guard) = self.connection.prepare_read() {
            match guard.read() {
                Ok(_) => {}
                Err(error) if is_not_now(&error) => {}
                Err(error) => return Err(broken(error)),
            }
        }
        let dispatched = self.queue.dispatch_pending(state);
        if let Some(link) = &mut state.link {
            for _ in 0..std::mem::take(&mut link.fds_taken) {
                self.gate.fd_taken();
            }
            if let Some(trouble) = link.trouble.take() {
                return Err(trouble);
            }
        }
        dispatched
            .map(drop)
            .map_err(|error| DisplayError::Lost(io::Error::other(error)))
    }
}

impl Drop for Session {
    /// Events that nobody took would keep the queue, and their descriptors, alive for good.
    fn drop(&mut self) {
        let mut nobody = State::nobody();
        while self.queue.dispatch_pending(&mut nobody).is_err() {}
    }
}

/// The socket that the environment names: `$WAYLAND_DISPLAY`, by default `wayland-0`, in
/// `$XDG_RUNTIME_DIR`. `None` without the latter, unless the former is a whole path.
pub(super) fn socket_of_environment() -> Option<PathBuf> {
    let display = std::env::var_os("WAYLAND_DISPLAY")
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| OsString::from("wayland-0"));
    let display = PathBuf::from(display);
    if display.is_absolute() {
        return Some(display);
    }
    let directory = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    directory.is_absolute().then(|| directory.join(display))
}

/// A frozen compositor would block an ordinary connect once its backlog is full.
fn connect_to(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(socket))
}

fn is_not_now(error: &WaylandError) -> bool {
    matches!(error, WaylandError::Io(error) if error.kind() == ErrorKind::WouldBlock)
}

fn broken(error: WaylandError) -> DisplayError {
    match error {
        WaylandError::Io(error) => DisplayError::Lost(error),
        WaylandError::Protocol(error) => DisplayError::Protocol {
            code: error.code,
            message: error.message,
        },
    }
}
