//! A device that has a few resources, and a server for it in a thread of its own.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    dead_code
)]

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use drm_fourcc::DrmFourcc;
use msg_socket::Socket;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use resource_bridge::{
    Buffer, Client, Description, Key, Owner, Plane, Reason, Request, Response, Server,
    ServerConfig, Shared, Sharing, Ticket, Uuid,
};

/// Tests that count the process's descriptors must not overlap with tests that open some.
static DESCRIPTORS: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    DESCRIPTORS
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A moment that a good test never sees.
pub(crate) fn late() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(crate) fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

/// The UUID of resource 7.
pub(crate) const SEVEN: Uuid = [7; 16];

/// Resource 7 is shared at once, 8 later, 9 not at all; fence 1 at once, 3 later, others not.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) generation: u64,
    pub(crate) later: VecDeque<(Ticket, Result<Shared, Reason>)>,
    pub(crate) promised: Vec<Ticket>,
    pub(crate) shared: usize,
}

pub(crate) fn buffer(generation: u64) -> Buffer {
    Buffer {
        generation,
        width: 64,
        height: 32,
        format: DrmFourcc::Xrgb8888,
        modifier: Some(0),
        size: 8192,
        mappable: true,
        planes: vec![Plane {
            fd: null(),
            offset: 0,
            stride: 256,
        }],
    }
}

impl Owner for Shelf {
    fn describe(&mut self, key: Key) -> Result<Description, Reason> {
        let resource = match key {
            Key::Id(id @ 7..=9) => id,
            Key::Uuid(SEVEN) => 7,
            _ => return Err(Reason::UnknownResource),
        };
        Ok(Description {
            resource,
            generation: self.generation,
            width: 64,
            height: 32,
            shown: resource == 7,
            rendered: resource == 8,
        })
    }

    fn share(&mut self, resource: &Description, ticket: Ticket) -> Sharing<Buffer> {
        self.shared += 1;
        match resource.resource {
            7 => Sharing::Done(Ok(buffer(resource.generation))),
            8 => {
                self.promised.push(ticket);
                Sharing::Later
            }
            _ => Sharing::Done(Err(Reason::RendererSharesNothing)),
        }
    }

    fn next_shared(&mut self) -> Option<(Ticket, Result<Shared, Reason>)> {
        self.later.pop_front()
    }

    fn fence(&mut self, seqno: u64, ticket: Ticket) -> Sharing<OwnedFd> {
        match seqno {
            1 => Sharing::Done(Ok(null())),
            3 => {
                self.promised.push(ticket);
                Sharing::Later
            }
            _ => Sharing::Done(Err(Reason::NoFences)),
        }
    }

    fn uuid(&mut self, resource: &Description) -> Result<Uuid, Reason> {
        match resource.resource {
            7 => Ok(SEVEN),
            _ => Err(Reason::NoUuid),
        }
    }
}

/// A server without a thread: it works when it is told to.
pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) shelf: Shelf,
}

impl Rig {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self {
            server: Server::new(config).unwrap(),
            shelf: Shelf::default(),
        }
    }

    /// A connection whose other end the server has.
    pub(crate) fn connection(&mut self) -> Socket<Request, Response> {
        let (client, server) = Socket::pair().unwrap();
        self.server.connect(server, Instant::now()).unwrap();
        client
    }

    pub(crate) fn turn(&mut self) {
        self.server
            .dispatch(&mut self.shelf, Instant::now())
            .unwrap();
    }

    pub(crate) fn is_ready(&self) -> bool {
        let mut fds = [PollFd::new(self.server.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    }

    /// Serves until the other thread's work with a client is done.
    pub(crate) fn serve<T: Send>(&mut self, work: impl FnOnce(Client) -> T + Send) -> T {
        let client = Client::new(self.connection());
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || work(client));
            let end = late();
            while !worker.is_finished() {
                assert!(Instant::now() < end, "the client's work takes too long");
                let mut fds = [PollFd::new(self.server.as_fd(), PollFlags::POLLIN)];
                poll(&mut fds, PollTimeout::from(10_u8)).unwrap();
                self.turn();
            }
            worker.join().unwrap()
        })
    }
}
