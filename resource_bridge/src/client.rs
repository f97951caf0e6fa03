//! The device model that asks.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use msg_socket::{Requester, Socket, Wait};

use crate::{Buffer, Error, Key, Request, Response, Uuid};

/// A connection to the device that has the resources. It waits for answers, until a deadline.
///
/// A server that is full closes one that was quiet for a while ([`Error::Connection`]): then it is to be made anew.
#[derive(Debug)]
pub struct Client {
    requester: Requester<Request, Response>,
}

impl Client {
    /// Asks the device behind the socket at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`].
    pub fn connect(path: &Path, deadline: Instant) -> Result<Self, Error> {
        Ok(Self::new(Socket::connect(path, Wait::Until(deadline))?))
    }

    /// Asks over a connection.
    #[must_use]
    pub fn new(socket: Socket<Request, Response>) -> Self {
        Self {
            requester: Requester::new(socket),
        }
    }

    /// The memory behind a resource. It stays what it is when the guest uses the id for something else; then its
    /// [`Buffer::generation`] is no longer that of the id.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::OtherAnswer`], [`Error::Connection`].
    pub fn buffer(&mut self, key: Key, deadline: Instant) -> Result<Buffer, Error> {
        let request = match key {
            Key::Id(resource) => Request::GetBuffer { resource },
            Key::Uuid(uuid) => Request::GetBufferByUuid { uuid },
        };
        match self.ask(&request, deadline)? {
            Response::Buffer(buffer) => Ok(buffer),
            _ => Err(Error::OtherAnswer),
        }
    }

    /// A sync file that is readable when the guest's fence with the id `seqno` has passed, at once where it has.
    ///
    /// # Errors
    ///
    /// Those of [`Client::buffer`].
    pub fn fence(&mut self, seqno: u64, deadline: Instant) -> Result<OwnedFd, Error> {
        match self.ask(&Request::GetFence { seqno }, deadline)? {
            Response::Fence(fence) => Ok(fence),
            _ => Err(Error::OtherAnswer),
        }
    }

    /// The UUID of a resource.
    ///
    /// # Errors
    ///
    /// Those of [`Client::buffer`].
    pub fn uuid(&mut self, resource: u32, deadline: Instant) -> Result<Uuid, Error> {
        match self.ask(&Request::GetUuid { resource }, deadline)? {
            Response::Uuid(uuid) => Ok(uuid),
            _ => Err(Error::OtherAnswer),
        }
    }

    fn ask(&mut self, request: &Request, deadline: Instant) -> Result<Response, Error> {
        match self.requester.call(request, deadline)? {
            Response::Invalid(reason) => Err(Error::Invalid(reason)),
            answer => Ok(answer),
        }
    }
}
