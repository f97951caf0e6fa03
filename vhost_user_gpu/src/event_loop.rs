//! The one thread of the daemon: it waits for the front end, the rings, the display and the termination signals, and
//! gives each its turn.
//!
//! Nothing in a turn waits for anybody, and each turn is bounded, so that no one of them starves the others.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use gpu_display::{Display, Interest as DisplayInterest};
use virtio_gpu::Device;

use crate::Error;
use crate::accept::next_front_end;
use crate::endpoint::Endpoint;
use crate::poller::{Deadline, Interest, Poller, Token, Watched};
use crate::remote_display::FrontEndSocket;
use crate::session::Session;
use crate::session::connection::{Reader, Writer};
use crate::session::stall::Stall;
use crate::signals::Signals;

/// Messages of the front end that are handled before the rings and the display have their turn again.
const MESSAGES_PER_TURN: usize = 32;

/// Why the daemon's work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The front end has closed its connection.
    FrontEndGone,
    /// SIGTERM or SIGINT asked for it.
    Terminated,
}

/// How many front ends are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// One: its end is the daemon's.
    OneFrontEnd,
    /// One after another, each with a device as new, until a signal comes. An [`Endpoint::Connected`] leads to one
    /// all the same.
    UntilTerminated,
}

/// How front ends are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// How many there are.
    pub lifetime: Lifetime,
    /// How long a front end may stop in the middle of a message, or leave its socket full of replies, before its
    /// session ends.
    pub patience: Duration,
}

impl Default for Service {
    /// One front end, which may stall for ten seconds.
    fn default() -> Self {
        Self {
            lifetime: Lifetime::OneFrontEnd,
            patience: Duration::from_secs(10),
        }
    }
}

/// Serves the front ends that `endpoint` leads to.
///
/// A socket file of `endpoint` is removed when this returns, or as soon as the only front end is connected.
///
/// # Errors
///
/// What ends the only session ([`Error::ends_session`]), and what the system refuses while there is none. A lack of
/// descriptors or memory is waited out.
pub fn serve<D: Display + FrontEndSocket>(
    mut device: Device<D>,
    endpoint: Endpoint,
    service: Service,
    signals: Signals,
) -> Result<Ended, Error> {
    let poller = Poller::new()?;
    let _signals = poller
        .watch(signals, Token::Signal)
        .map_err(|errno| Error::system("epoll_ctl", errno))?;
    let (mut stream, listener) = match endpoint {
        Endpoint::Connected(stream) => (stream, None),
        Endpoint::Listening(listener) => match next_front_end(&listener, &poller)? {
            None => return Ok(Ended::Terminated),
            Some(stream) => {
                let goes_on = service.lifetime == Lifetime::UntilTerminated;
                (stream, goes_on.then_some(listener))
            }
        },
    };
    loop {
        let ended = match Watches::new(stream, &device, &poller) {
            Err(error) => Err(error),
            Ok(watches) => {
                let stall = Stall::new(service.patience);
                let mut event_loop = EventLoop::new(device, watches, stall, poller.clone());
                let ended = event_loop.run();
                event_loop.session.stop_rings();
                if listener.is_none() {
                    return ended;
                }
                device = event_loop.into_new_device();
                ended
            }
        };
        let Some(listener) = &listener else {
            return ended;
        };
        match ended {
            Ok(Ended::Terminated) => return ended,
            Ok(Ended::FrontEndGone) => log::info!("the front end has gone"),
            Err(error) => log::warn!("the session has ended: {}", error.chain()),
        }
        match next_front_end(listener, &poller)? {
            None => return Ok(Ended::Terminated),
            Some(next) => stream = next,
        }
    }
}

/// What one front end is waited for with.
#[derive(Debug)]
struct Watches {
    socket: Watched<UnixStream>,
    display: Option<Watched<OwnedFd>>,
}

impl Watches {
    fn new<D: Display>(
        stream: UnixStream,
        device: &Device<D>,
        poller: &Poller,
    ) -> Result<Self, Error> {
        let system = |errno| Error::system("epoll_ctl", errno);
        let display = match device.display().poll_fd() {
            None => None,
            Some(watched) => {
                let fd = watched
                    .fd
                    .try_clone_to_owned()
                    .map_err(|source| Error::System {
                        call: "dup",
                        source,
                    })?;
                Some(poller.watch(fd, Token::Display).map_err(system)?)
            }
        };
        Ok(Self {
            socket: poller.watch(stream, Token::Session).map_err(system)?,
            display,
        })
    }
}

/// One front end being served.
#[derive(Debug)]
struct EventLoop<D> {
    poller: Poller,
    watches: Watches,
    reader: Reader,
    writer: Writer,
    stall: Stall,
    /// More messages may have arrived than one turn takes.
    more_messages: bool,
    session: Session<D>,
}

impl<D: Display + FrontEndSocket> EventLoop<D> {
    fn new(device: Device<D>, watches: Watches, stall: Stall, poller: Poller) -> Self {
        Self {
            watches,
            reader: Reader::new(),
            writer: Writer::default(),
            stall,
            more_messages: false,
            session: Session::new(device, poller.clone()),
            poller,
        }
    }

    /// The device for the next front end; this one's connection is closed.
    fn into_new_device(self) -> Device<D> {
        let Self { session, .. } = self;
        session.into_new_device()
    }

    fn run(&mut self) -> Result<Ended, Error> {
        loop {
            for token in self.poller.wait(self.deadline())? {
                match token {
                    Token::Signal => return Ok(Ended::Terminated),
                    Token::Kick(index) => self.session.take_kick(index),
                    Token::Display => self.session.display_is_due(),
                    Token::Session => self.more_messages = true,
                    Token::Listener => {}
                }
            }
            let is_due = |due: Instant| due <= Instant::now();
            if self.session.deadline().is_some_and(is_due) {
                self.session.display_is_due();
            }
            // A socket tells of room only when most of it is free.
            if self.stall.deadline().is_some_and(is_due) {
                self.more_messages = true;
            }
            if self.session.has_work() {
                self.session.run_turn();
            }
            match self.exchange_messages() {
                Err(Error::Connection(msg_socket::Error::Closed)) => {
                    if self.reader.is_inside_message() {
                        log::warn!("the front end has gone in the middle of a message");
                    }
                    return Ok(Ended::FrontEndGone);
                }
                result => result?,
            }
            self.stall
                .check(&self.reader, &self.writer, Instant::now())?;
            self.update_display_interest()?;
        }
    }

    /// Handles what the front end has sent. While a reply waits for room, nothing more is read.
    fn exchange_messages(&mut self) -> Result<(), Error> {
        if !self.more_messages {
            return Ok(());
        }
        self.writer.flush(self.watches.socket.as_fd())?;
        for _ in 0..MESSAGES_PER_TURN {
            if self.writer.is_pending() {
                break;
            }
            let Some(message) = self.reader.read(self.watches.socket.as_fd())? else {
                self.more_messages = false;
                break;
            };
            if let Some(reply) = self.session.handle(message)? {
                self.writer.queue(&reply);
                self.writer.flush(self.watches.socket.as_fd())?;
            }
        }
        if self.writer.is_pending() {
            self.more_messages = false;
            self.watches.socket.set_interest(Interest::Write)
        } else {
            self.watches.socket.set_interest(Interest::Read)
        }
    }

    fn deadline(&self) -> Deadline {
        if self.session.has_work() || self.more_messages {
            return Deadline::Now;
        }
        [self.session.deadline(), self.stall.deadline()]
            .into_iter()
            .flatten()
            .min()
            .map_or(Deadline::Never, Deadline::At)
    }

    /// A display may wait for room to write at one time and not at another.
    fn update_display_interest(&mut self) -> Result<(), Error> {
        let (Some(watched), Some(poll)) = (
            &mut self.watches.display,
            self.session.device().display().poll_fd(),
        ) else {
            return Ok(());
        };
        watched.set_interest(match poll.interest {
            DisplayInterest::Readable => Interest::Read,
            DisplayInterest::ReadableOrWritable => Interest::ReadOrWrite,
        })
    }
}
