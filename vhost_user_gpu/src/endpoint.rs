//! Where the front end's connection comes from: a socket of our own at a path, or an inherited one.

use std::fs;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::socket::{SockType, getsockopt, sockopt};

use crate::Error;

/// Bytes of `sun_path`, the final zero included.
const SUN_PATH: usize = 108;

/// A way to one front end.
#[derive(Debug)]
pub enum Endpoint {
    /// The front end is already connected.
    Connected(UnixStream),
    /// The front end will connect.
    Listening(Listener),
}

/// A listening socket and, if we created one, its file.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    _file: Option<SocketFile>,
}

/// A socket file that we created; removed with this, unless another program has put its own there meanwhile.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Endpoint {
    /// As [`Listener::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`Listener::bind`].
    pub fn bind(path: &Path) -> Result<Self, Error> {
        Listener::bind(path).map(Self::Listening)
    }

    /// Takes over the inherited socket with the number `fd`.
    ///
    /// To be called before the process opens anything else, so that the number can mean nothing but what was
    /// inherited.
    ///
    /// # Errors
    ///
    /// [`Error::NotASocket`] unless it is an open Unix stream socket beyond the three standard streams.
    pub fn inherit(fd: i32) -> Result<Self, Error> {
        let not_a_socket = || Error::NotASocket { fd };
        let is_socket = fs::metadata(format!("/proc/self/fd/{fd}"))
            .is_ok_and(|metadata| metadata.file_type().is_socket());
        if fd <= libc::STDERR_FILENO || !is_socket {
            return Err(not_a_socket());
        }
        // SAFETY: from_raw_fd asks for an open descriptor that nobody else owns. It is open, as was just seen, and
        // whoever started the process gave it away by naming it on the command line; the process has opened no
        // socket of its own yet.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
            .map_err(|errno| Error::system("fcntl", errno))?;
        if getsockopt(&socket, sockopt::SockType) != Ok(SockType::Stream) {
            return Err(not_a_socket());
        }
        let listens = getsockopt(&socket, sockopt::AcceptConn).map_err(|_| not_a_socket())?;
        if listens {
            let socket = UnixListener::from(socket);
            socket.local_addr().map_err(|_| not_a_socket())?;
            socket.set_nonblocking(true).map_err(|_| not_a_socket())?;
            Ok(Self::Listening(Listener {
                socket,
                _file: None,
            }))
        } else {
            let stream = UnixStream::from(socket);
            stream.local_addr().map_err(|_| not_a_socket())?;
            Ok(Self::Connected(stream))
        }
    }
}

impl Listener {
    /// Creates a socket at `path` and listens on it. A socket file that nobody listens on is replaced.
    ///
    /// # Errors
    ///
    /// The four `Socket…` errors and [`Error::Bind`].
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let length = path.as_os_str().as_bytes().len();
        if length >= SUN_PATH {
            return Err(Error::SocketPathTooLong { length });
        }
        let bind_error = |source| Error::Bind {
            path: path.to_owned(),
            source,
        };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(bind_error(error)),
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(Error::SocketPathTaken {
                    path: path.to_owned(),
                });
            }
            Ok(_) if is_alive(path).map_err(bind_error)? => {
                return Err(Error::SocketInUse {
                    path: path.to_owned(),
                });
            }
            Ok(_) => {
                log::info!("replacing the stale socket {}", path.display());
                fs::remove_file(path).map_err(bind_error)?;
            }
        }
        let socket = UnixListener::bind(path).map_err(bind_error)?;
        let file = fs::symlink_metadata(path).map_err(bind_error)?;
        let file = SocketFile {
            path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
        };
        socket.set_nonblocking(true).map_err(bind_error)?;
        Ok(Self {
            socket,
            _file: Some(file),
        })
    }

    /// The next connection, if one waits.
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the system refuses for good.
    pub fn accept(&self) -> Result<Option<UnixStream>, Error> {
        match self.socket.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionAborted
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(Error::System {
                call: "accept",
                source,
            }),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let still_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| file.dev() == self.device && file.ino() == self.inode);
        if still_ours && let Err(error) = fs::remove_file(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Whether a socket is bound to the file.
///
/// A datagram connection is asked for: the kernel refuses it with "wrong type" where a stream socket
/// lives, which therefore never sees it. A real connection would be the one that a waiting daemon serves.
fn is_alive(path: &Path) -> io::Result<bool> {
    match UnixDatagram::unbound()?.connect(path) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) => Err(error),
    }
}
