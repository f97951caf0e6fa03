//! The device's side: clients come and go, ask, and are answered, each of them once a turn. To look whether a client has
//! asked twice would cost every question one more call of the system.
//!
//! A client that breaks the protocol, or asks more than it reads, is dropped; nobody else notices. Where there is no room
//! for one more, the one that has been quiet for the longest goes, if that was long enough.

use std::collections::HashMap;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use msg_socket::{Asked, Listener, Peer, RequestId, Responder, Socket, Wait};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::clients::{Client, Clients};
use crate::{Description, Error, Key, Owner, Reason, Request, Response};
use crate::{Shared, Sharing, Ticket, Verdict};

/// How long no connection is accepted after the system could not.
const PAUSE: Duration = Duration::from_millis(100);

/// Decides for each resource that a client asks for.
pub type Policy = Box<dyn FnMut(&Description, &Peer) -> Verdict + Send>;

/// How a [`Server`] treats its clients.
pub struct ServerConfig {
    /// Clients at a time. One more takes the place of the one that has been quiet for the longest, else it is turned
    /// away.
    pub clients: usize,
    /// How long a client that waits for no answer has its place for certain. One that is closed for somebody else's
    /// sake may connect again.
    pub idle: Duration,
    /// Questions of one client whose answers come later.
    pub waiting_questions: usize,
    /// Which resources may leave. By default it is all of them, for whoever may connect to the socket.
    pub policy: Policy,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            clients: 16,
            idle: Duration::from_secs(10),
            waiting_questions: 16,
            policy: Box::new(|_, _| Verdict::Allow),
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerConfig")
            .field("clients", &self.clients)
            .field("idle", &self.idle)
            .field("waiting_questions", &self.waiting_questions)
            .finish_non_exhaustive()
    }
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Clients that connected.
    pub accepted: u64,
    /// Clients for which there was no room.
    pub turned_away: u64,
    /// Quiet clients that were closed to make room for others.
    pub displaced: u64,
    /// Clients that were dropped for what they did.
    pub dropped: u64,
    /// Questions that were answered, [`Response::Invalid`] included.
    pub answered: u64,
}

/// Answers clients for an [`Owner`], over any number of listening sockets.
///
/// To be [dispatched](Server::dispatch) when its [descriptor](Server::as_fd) is readable, its
/// [deadline](Server::deadline) is due, or the owner may have shared what was to be shared later.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    epoll: Epoll,
    listeners: Vec<Listener>,
    /// When connections are accepted again, if they are not now.
    paused: Option<Instant>,
    clients: Clients,
    /// Whose question is behind a ticket.
    waiting: HashMap<Ticket, (u64, RequestId)>,
    last_ticket: u64,
    statistics: Statistics,
}

/// What is known of a question after it was looked at.
enum Outcome {
    Answer(Response),
    Later(Ticket),
}

impl Outcome {
    fn of<T>(sharing: Sharing<T>, ticket: Ticket, answer: impl FnOnce(T) -> Response) -> Self {
        match sharing {
            Sharing::Done(Ok(shared)) => Self::Answer(answer(shared)),
            Sharing::Done(Err(reason)) => Self::Answer(Response::Invalid(reason)),
            Sharing::Later => Self::Later(ticket),
        }
    }
}

impl Server {
    /// A server that nobody can reach yet.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn new(config: ServerConfig) -> Result<Self, Error> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(system("epoll_create1"))?;
        Ok(Self {
            config,
            epoll,
            listeners: Vec::new(),
            paused: None,
            clients: Clients::default(),
            waiting: HashMap::new(),
            last_ticket: 0,
            statistics: Statistics::default(),
        })
    }

    /// Lets clients connect here, too.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn listen(&mut self, listener: Listener) -> Result<(), Error> {
        // Listeners count from the top, clients from the bottom.
        let name = name_of_listener(self.listeners.len());
        if self.paused.is_none() {
            self.watch(&listener, name)?;
        }
        self.listeners.push(listener);
        Ok(())
    }

    /// Takes a client that is connected already.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`], [`Error::System`]. Where there is no room the connection is closed, without an error.
    pub fn connect(
        &mut self,
        socket: Socket<Response, Request>,
        now: Instant,
    ) -> Result<(), Error> {
        let is_full = self.clients.len() >= self.config.clients;
        let quiet = self.clients.longest_idle(self.config.idle, now);
        let quiet = quiet.filter(|_| is_full);
        if is_full && quiet.is_none() {
            self.statistics.turned_away = self.statistics.turned_away.saturating_add(1);
            return Ok(());
        }
        let peer = socket.peer()?;
        let client = Client {
            responder: Responder::new(socket),
            peer,
            waiting: 0,
            active: now,
        };
        self.watch(&client.responder, self.clients.next_name())?;
        // Nobody goes for one that cannot be taken.
        if let Some(quiet) = quiet {
            self.clients.remove(quiet);
            self.statistics.displaced = self.statistics.displaced.saturating_add(1);
        }
        self.clients.add(client);
        self.statistics.accepted = self.statistics.accepted.saturating_add(1);
        Ok(())
    }

    /// Takes in who connects and what is asked, and answers: one question of each client, without waiting for anybody.
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the system refuses to say what is readable.
    pub fn dispatch(&mut self, owner: &mut impl Owner, now: Instant) -> Result<(), Error> {
        self.resume(now);
        while let Some((ticket, shared)) = owner.next_shared() {
            self.deliver(ticket, shared, now);
        }
        // Room for all that is watched: one that has asked and is not reported would look quiet.
        let watched = self.clients.len().saturating_add(self.listeners.len());
        let mut events = vec![EpollEvent::empty(); watched.max(1)];
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(system("epoll_wait")(errno)),
        };
        let reported = events.iter().take(count).map(|event| event.data());
        // Who has asked must not look quiet when somebody connects.
        for name in reported.clone() {
            self.serve(name, owner, now);
        }
        for name in reported {
            if let Some(index) = self.listener_named(name) {
                self.accept(index, now);
            }
        }
        Ok(())
    }

    /// Whether answers wait for the owner.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When to [dispatch](Server::dispatch) at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.paused
    }

    /// Clients that are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// What has happened so far.
    #[must_use]
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn watch(&self, fd: impl AsFd, name: u64) -> Result<(), Error> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, name);
        self.epoll.add(fd, event).map_err(system("epoll_ctl"))
    }

    fn listener_named(&self, name: u64) -> Option<usize> {
        (0..self.listeners.len()).find(|index| name_of_listener(*index) == name)
    }

    fn accept(&mut self, index: usize, now: Instant) {
        let Some(listener) = self.listeners.get(index) else {
            return;
        };
        let accepted = match listener.accept(Wait::DontWait) {
            Ok(socket) => self.connect(socket, now),
            Err(msg_socket::Error::WouldBlock) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = accepted {
            log::warn!("a bridge client cannot be accepted now: {error}");
            self.pause(now);
        }
    }

    /// Lets those who connect wait, as the system cannot take them: they would be reported again and again.
    fn pause(&mut self, now: Instant) {
        self.paused = now.checked_add(PAUSE);
        for listener in &self.listeners {
            // Only a descriptor that is not watched can fail here.
            let _ = self.epoll.delete(listener);
        }
    }

    /// Where the system refuses, later again.
    fn resume(&mut self, now: Instant) {
        if self.paused.is_none_or(|end| now < end) {
            return;
        }
        self.paused = None;
        let mut listeners = self.listeners.iter().enumerate();
        let watched = listeners
            .try_for_each(|(index, listener)| self.watch(listener, name_of_listener(index)));
        if watched.is_err() {
            self.pause(now);
        }
    }

    /// Answers a client's next question.
    fn serve(&mut self, name: u64, owner: &mut impl Owner, now: Instant) {
        let Some(client) = self.clients.get_mut(name) else {
            return;
        };
        client.active = now;
        let Asked { id, request } = match client.responder.recv(Wait::DontWait) {
            Ok(asked) => asked,
            Err(msg_socket::Error::WouldBlock) => return,
            Err(msg_socket::Error::Closed) => {
                self.clients.remove(name);
                return;
            }
            Err(error) => return self.drop_client(name, &error),
        };
        match self.look_into(name, &request, owner) {
            Outcome::Answer(response) => self.answer(name, id, &response),
            Outcome::Later(ticket) => {
                if let Some(client) = self.clients.get_mut(name) {
                    client.waiting = client.waiting.saturating_add(1);
                    self.waiting.insert(ticket, (name, id));
                }
            }
        }
    }

    fn look_into(&mut self, name: u64, request: &Request, owner: &mut impl Owner) -> Outcome {
        let found = match *request {
            Request::GetBuffer { resource } => {
                return self.share(name, Key::Id(resource), owner);
            }
            Request::GetBufferByUuid { uuid } => return self.share(name, Key::Uuid(uuid), owner),
            Request::GetFence { seqno } => return self.fence(name, seqno, owner),
            Request::GetUuid { resource } => self
                .judge(name, Key::Id(resource), owner)
                .and_then(|described| owner.uuid(&described))
                .map(Response::Uuid),
        };
        Outcome::Answer(found.unwrap_or_else(Response::Invalid))
    }

    /// The resource with a name, if it may leave.
    fn judge(
        &mut self,
        name: u64,
        key: Key,
        owner: &mut impl Owner,
    ) -> Result<Description, Reason> {
        let described = owner.describe(key)?;
        let peer = self.clients.get(name).map(|client| client.peer);
        match peer.map(|peer| (self.config.policy)(&described, &peer)) {
            Some(Verdict::Allow) => Ok(described),
            Some(Verdict::Refuse) | None => Err(Reason::NotAllowed),
        }
    }

    fn share(&mut self, name: u64, key: Key, owner: &mut impl Owner) -> Outcome {
        let described = self.judge(name, key, owner);
        match described.and_then(|described| Ok((described, self.next_ticket(name)?))) {
            Ok((described, ticket)) => {
                Outcome::of(owner.share(&described, ticket), ticket, Response::Buffer)
            }
            Err(reason) => Outcome::Answer(Response::Invalid(reason)),
        }
    }

    fn fence(&mut self, name: u64, seqno: u64, owner: &mut impl Owner) -> Outcome {
        match self.next_ticket(name) {
            Ok(ticket) => Outcome::of(owner.fence(seqno, ticket), ticket, Response::Fence),
            Err(reason) => Outcome::Answer(Response::Invalid(reason)),
        }
    }

    /// For one more question of a client that may have to wait.
    fn next_ticket(&mut self, name: u64) -> Result<Ticket, Reason> {
        let waiting = self.clients.get(name).map_or(0, |client| client.waiting);
        if waiting >= self.config.waiting_questions {
            return Err(Reason::TooManyQuestions);
        }
        self.last_ticket = self.last_ticket.wrapping_add(1);
        Ok(Ticket(self.last_ticket))
    }

    /// Answers a question that had to wait.
    fn deliver(&mut self, ticket: Ticket, shared: Result<Shared, Reason>, now: Instant) {
        let Some((name, id)) = self.waiting.remove(&ticket) else {
            return;
        };
        if let Some(client) = self.clients.get_mut(name) {
            client.waiting = client.waiting.saturating_sub(1);
            client.active = now;
            let response = match shared {
                Ok(Shared::Buffer(buffer)) => Response::Buffer(buffer),
                Ok(Shared::Fence(fence)) => Response::Fence(fence),
                Err(reason) => Response::Invalid(reason),
            };
            self.answer(name, id, &response);
        }
    }

    fn answer(&mut self, name: u64, id: RequestId, response: &Response) {
        let Some(client) = self.clients.get_mut(name) else {
            return;
        };
        match client.responder.answer(id, response, Wait::DontWait) {
            Ok(()) => self.statistics.answered = self.statistics.answered.saturating_add(1),
            Err(error) => self.drop_client(name, &error),
        }
    }

    fn drop_client(&mut self, name: u64, error: &msg_socket::Error) {
        if let Some(client) = self.clients.remove(name) {
            log::debug!(
                "the bridge client of process {} is dropped: {error}",
                client.peer.process
            );
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
        }
    }
}

impl AsFd for Server {
    /// Readable when there is something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

fn name_of_listener(index: usize) -> u64 {
    u64::MAX.wrapping_sub(u64::try_from(index).unwrap_or(0))
}

fn system(call: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::System {
        call,
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use msg_socket::Wait;

    use super::*;

    #[test]
    fn no_client_goes_for_one_that_cannot_be_watched() {
        let now = Instant::now();
        let mut server = Server::new(ServerConfig {
            clients: 1,
            idle: Duration::ZERO,
            ..ServerConfig::default()
        })
        .unwrap();
        let (mut quiet, theirs) = Socket::<Request, Response>::pair().unwrap();
        server.connect(theirs, now).unwrap();
        // No epoll: the system refuses to watch anything with it.
        server.epoll = Epoll(File::open("/dev/null").unwrap().into());
        let (_newcomer, theirs) = Socket::<Request, Response>::pair().unwrap();

        let refused = server.connect(theirs, now);

        assert!(matches!(refused, Err(Error::System { .. })), "{refused:?}");
        let heard = quiet.recv(Wait::DontWait);
        assert!(
            matches!(heard, Err(msg_socket::Error::WouldBlock)),
            "{heard:?}"
        );
        assert_eq!((server.clients(), server.statistics().displaced), (1, 0));
    }
}
