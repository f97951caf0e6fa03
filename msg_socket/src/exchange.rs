//! Requests and their answers, matched by an id.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::{Error, Message, Socket, Wait};

/// The end that asks. One request is under way at a time.
#[derive(Debug)]
pub struct Requester<Request, Answer> {
    socket: Socket<Request, Answer>,
    last: u64,
}

impl<Request: Message, Answer: Message> Requester<Request, Answer> {
    /// Asks over `socket`.
    #[must_use]
    pub fn new(socket: Socket<Request, Answer>) -> Self {
        Self { socket, last: 0 }
    }

    /// Asks, and waits for the answer until `deadline`. An answer that comes later than that is thrown away by the
    /// next call, with its descriptors.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::UnexpectedAnswer`], and those of [`Socket::send`] and [`Socket::recv`].
    pub fn call(&mut self, request: &Request, deadline: Instant) -> Result<Answer, Error> {
        let id = self.last.wrapping_add(1);
        let wait = Wait::Until(deadline);
        self.socket.send_as(id, request, wait)?;
        self.last = id;
        loop {
            match self.socket.recv_with_id(wait)? {
                (of, answer) if of == id => return Ok(answer),
                (of, _) if of == 0 || of > id => return Err(Error::UnexpectedAnswer(of)),
                // Of a request that was given up. A flood of them does not keep the caller.
                _ if Instant::now() >= deadline => return Err(Error::TimedOut),
                _ => {}
            }
        }
    }
}

/// Which request it is, of those of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

/// A request that has arrived.
#[derive(Debug)]
pub struct Asked<Request> {
    /// For the answer.
    pub id: RequestId,
    /// What is asked.
    pub request: Request,
}

/// The end that answers, in any order and each when it likes.
#[derive(Debug)]
pub struct Responder<Request, Answer> {
    socket: Socket<Answer, Request>,
}

impl<Request: Message, Answer: Message> Responder<Request, Answer> {
    /// Answers over `socket`.
    #[must_use]
    pub fn new(socket: Socket<Answer, Request>) -> Self {
        Self { socket }
    }

    /// The next request.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::recv`].
    pub fn recv(&mut self, wait: Wait) -> Result<Asked<Request>, Error> {
        let (id, request) = self.socket.recv_with_id(wait)?;
        Ok(Asked {
            id: RequestId(id),
            request,
        })
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::send`]; [`Error::WouldBlock`] where the peer asks more than it reads.
    pub fn answer(&mut self, id: RequestId, answer: &Answer, wait: Wait) -> Result<(), Error> {
        self.socket.send_as(id.0, answer, wait)
    }
}

impl<Request: Message, Answer: Message> AsFd for Requester<Request, Answer> {
    /// Readable when something has arrived, or the peer is gone.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<Request: Message, Answer: Message> AsFd for Responder<Request, Answer> {
    /// Readable when a request has arrived, or the peer is gone.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
