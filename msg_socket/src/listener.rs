//! Where connections come from: a socket at a path, or an inherited one.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::{Backlog, bind, getsockopt, listen, sockopt};

use crate::packet::{address, unconnected};
use crate::socket::adopt;
use crate::wait::wait_for;
use crate::{Error, Message, Socket, Wait};

/// Connections that may wait to be accepted; more of them wait to wait.
const BACKLOG: i32 = 16;

/// A socket that others connect to, for messages of any types.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    _file: Option<SocketFile>,
}

impl Listener {
    /// Listens at `path`. A socket file that nobody listens on is replaced; ours is removed with the listener.
    ///
    /// # Errors
    ///
    /// [`Error::PathTaken`], [`Error::System`].
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let address = address(path)?;
        SocketFile::make_way(path)?;
        let socket = unconnected()?;
        bind(socket.as_raw_fd(), &address).map_err(|errno| Error::from_errno("bind", errno))?;
        let file = SocketFile::at(path)?;
        let backlog = Backlog::new(BACKLOG).map_err(|errno| Error::from_errno("listen", errno))?;
        listen(&socket, backlog).map_err(|errno| Error::from_errno("listen", errno))?;
        Ok(Self {
            socket: without_blocking(socket)?,
            _file: Some(file),
        })
    }

    /// An inherited socket that listens already. From now on it is closed on exec and does not block, for nobody who
    /// shares it.
    ///
    /// # Errors
    ///
    /// [`Error::WrongSocket`] unless it is a listening Unix socket of sequenced packets.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        let wrong = || Error::WrongSocket {
            expected: "a listening Unix socket of sequenced packets",
        };
        adopt(&fd, wrong)?;
        if getsockopt(&fd, sockopt::AcceptConn) != Ok(true) {
            return Err(wrong());
        }
        Ok(Self {
            socket: without_blocking(fd)?,
            _file: None,
        })
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`], [`Error::TimedOut`], [`Error::System`], as when too many files are open: then the
    /// connection still waits.
    pub fn accept<Out: Message, In: Message>(&self, wait: Wait) -> Result<Socket<Out, In>, Error> {
        loop {
            match self.socket.accept() {
                Ok((connection, _)) => return Ok(Socket::over(OwnedFd::from(connection))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_for(self.as_fd(), PollFlags::POLLIN, wait)?;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(source) => {
                    return Err(Error::System {
                        call: "accept4",
                        source,
                    });
                }
            }
        }
    }
}

impl AsFd for Listener {
    /// Readable when a connection waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn without_blocking(socket: OwnedFd) -> Result<UnixListener, Error> {
    let socket = UnixListener::from(socket);
    socket
        .set_nonblocking(true)
        .map_err(|source| Error::System {
            call: "ioctl",
            source,
        })?;
    Ok(socket)
}

/// A socket file of ours; removed with this, unless another program has put its own there meanwhile.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The file that is at `path` now, which was just bound.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn at(path: &Path) -> Result<Self, Error> {
        let file = fs::symlink_metadata(path).map_err(lstat)?;
        Ok(Self {
            path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
        })
    }

    /// Removes a socket file at `path` that nobody listens on.
    ///
    /// # Errors
    ///
    /// [`Error::PathTaken`] where somebody does or something else is there, [`Error::System`].
    pub fn make_way(path: &Path) -> Result<(), Error> {
        let taken = || Error::PathTaken {
            path: path.to_owned(),
        };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(lstat(error)),
            Ok(metadata) if !metadata.file_type().is_socket() => Err(taken()),
            Ok(_) if is_alive(path)? => Err(taken()),
            Ok(_) => fs::remove_file(path).map_err(|source| Error::System {
                call: "unlink",
                source,
            }),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let still_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| file.dev() == self.device && file.ino() == self.inode);
        if still_ours {
            // Nothing depends on it: the next program at this path replaces a socket that nobody listens on.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn lstat(source: io::Error) -> Error {
    Error::System {
        call: "lstat",
        source,
    }
}

/// Whether a socket is bound to the file.
///
/// A datagram connection is asked for: the kernel refuses it with "wrong type" where a socket of connections lives,
/// which therefore never sees it.
fn is_alive(path: &Path) -> Result<bool, Error> {
    let connected = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
    match connected {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => Ok(true),
        Err(error) => Err(Error::from_errno(
            "connect",
            Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        )),
    }
}
