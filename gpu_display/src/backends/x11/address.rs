//! Where the X server is, and how to be let in.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr, connect, socket,
};
use x11rb_protocol::parse_display::{ConnectAddress, parse_display};
use x11rb_protocol::xauth::{Family, get_auth};

use crate::DisplayError;

/// The TCP port of display 0.
const FIRST_PORT: u16 = 6000;

/// An X server, by the name of its display.
#[derive(Debug)]
pub(super) struct Address {
    name: String,
    display: u16,
    /// Number of the screen that is meant.
    pub(super) screen: usize,
    targets: Vec<Target>,
}

#[derive(Debug)]
enum Target {
    Local(PathBuf),
    Network(SocketAddr),
}

/// What lies between us and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A socket of this machine, which carries descriptors.
    Local,
    /// A network.
    Network,
}

/// A socket on its way to a server, and what to show at the door.
#[derive(Debug)]
pub(super) struct Dialed {
    pub(super) socket: OwnedFd,
    pub(super) transport: Transport,
    /// Name and data of the authorization.
    pub(super) authorization: (Vec<u8>, Vec<u8>),
}

impl Address {
    /// From a display's name, such as `:0`; `None` for `$DISPLAY`.
    ///
    /// # Errors
    /// [`DisplayError::Connect`] if there is none, or it cannot be understood. A host is given by
    /// number, or is `localhost`: looking up a name could take long.
    pub(super) fn new(name: Option<&str>) -> Result<Self, DisplayError> {
        let shown = name.map_or_else(
            || std::env::var("DISPLAY").unwrap_or_else(|_| "$DISPLAY".to_owned()),
            str::to_owned,
        );
        let no_display = |source| DisplayError::Connect {
            path: PathBuf::from(&shown),
            source,
        };
        let parsed = parse_display(name)
            .map_err(|error| no_display(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        // Each has a TCP port, whether it is used or not.
        if parsed.display.checked_add(FIRST_PORT).is_none() {
            return Err(no_display(io::ErrorKind::InvalidInput.into()));
        }
        let targets: Vec<Target> = parsed
            .connect_instruction()
            .flat_map(|address| match address {
                ConnectAddress::Socket(path) => vec![Target::Local(path.into())],
                // Without a host, only this machine is meant.
                ConnectAddress::Hostname(..) if parsed.host.is_empty() => Vec::new(),
                ConnectAddress::Hostname(host, port) => addresses(host)
                    .into_iter()
                    .map(|address| Target::Network(SocketAddr::new(address, port)))
                    .collect(),
                _ => Vec::new(),
            })
            .collect();
        if targets.is_empty() {
            return Err(no_display(io::ErrorKind::AddrNotAvailable.into()));
        }
        let (display, screen) = (parsed.display, usize::from(parsed.screen));
        Ok(Self {
            display,
            screen,
            targets,
            name: shown,
        })
    }

    /// Begins to connect. Over a network the answer comes later.
    ///
    /// # Errors
    /// [`DisplayError::Connect`].
    pub(super) fn dial(&self) -> Result<Dialed, DisplayError> {
        let mut refusal = io::Error::from(io::ErrorKind::NotFound);
        for target in &self.targets {
            match target.dial() {
                Ok(socket) => {
                    let transport = match target {
                        Target::Local(_) => Transport::Local,
                        Target::Network(_) => Transport::Network,
                    };
                    return Ok(Dialed {
                        socket,
                        transport,
                        authorization: target.authorization(self.display),
                    });
                }
                Err(error) => refusal = error,
            }
        }
        Err(DisplayError::Connect {
            path: PathBuf::from(&self.name),
            source: refusal,
        })
    }
}

impl Target {
    fn dial(&self) -> io::Result<OwnedFd> {
        let open = |family| {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            socket(family, SockType::Stream, flags, None)
        };
        let (socket, connected) = match self {
            Self::Local(path) => {
                let socket = open(AddressFamily::Unix)?;
                let connected = connect(socket.as_raw_fd(), &UnixAddr::new(path)?);
                (socket, connected)
            }
            Self::Network(SocketAddr::V4(address)) => {
                let socket = open(AddressFamily::Inet)?;
                let connected = connect(socket.as_raw_fd(), &SockaddrIn::from(*address));
                (socket, connected)
            }
            Self::Network(SocketAddr::V6(address)) => {
                let socket = open(AddressFamily::Inet6)?;
                let connected = connect(socket.as_raw_fd(), &SockaddrIn6::from(*address));
                (socket, connected)
            }
        };
        match connected {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What `~/.Xauthority` has for the server; nothing if that cannot be read.
    fn authorization(&self, display: u16) -> (Vec<u8>, Vec<u8>) {
        let (family, address) = match self {
            Self::Network(address) if !address.ip().is_loopback() => match address.ip() {
                IpAddr::V4(ip) => (Family::INTERNET, ip.octets().to_vec()),
                IpAddr::V6(ip) => (Family::INTERNET6, ip.octets().to_vec()),
            },
            _ => {
                let host = fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
                (Family::LOCAL, host.trim_ascii_end().to_vec())
            }
        };
        let found = get_auth(family, &address, display).ok().flatten();
        found.unwrap_or_default()
    }
}

fn addresses(host: &str) -> Vec<IpAddr> {
    match host.parse() {
        Ok(address) => vec![address],
        Err(_) if host == "localhost" => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_without_a_port_is_refused() {
        assert!(Address::new(Some(":59535")).is_ok());
        assert!(Address::new(Some(":59536")).is_err());
        assert!(Address::new(Some("127.0.0.1:65535")).is_err());
    }
}
