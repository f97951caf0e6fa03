//! The one thread that serves: it waits for the front end, the rings, the display, the renderer, other device models and
//! the termination signals, and gives each its turn.
//!
//! Nothing in a turn waits for anybody, and each turn is bounded, so that no one of them starves the others.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use gpu_display::{Display, Interest as DisplayInterest};
use virtio_gpu::{Device, Progress};

use crate::Error;
use crate::bridge::Bridge;
use crate::poller::{Deadline, Interest, Poller, Token, Watched};
use crate::remote_display::FrontEndSocket;
use crate::serve::Ended;
use crate::session::Session;
use crate::session::connection::{Reader, Writer};
use crate::session::stall::Stall;

/// Messages of the front end that are handled before the rings and the display have their turn again.
const MESSAGES_PER_TURN: usize = 32;

/// What is waited for while one front end is served.
#[derive(Debug)]
pub(crate) struct Watches {
    socket: Watched<UnixStream>,
    display: Option<Watched<OwnedFd>>,
    _renderer: Option<Watched<OwnedFd>>,
    bridge: Option<Watched<OwnedFd>>,
}

impl Watches {
    /// Waits for this connection, and for what `device` has.
    pub(crate) fn new<D: Display>(
        stream: UnixStream,
        device: &Device<D>,
        bridge: &Bridge,
        poller: &Poller,
    ) -> Result<Self, Error> {
        let watch = |fd: BorrowedFd<'_>, token| -> Result<Watched<OwnedFd>, Error> {
            let fd = fd.try_clone_to_owned().map_err(|source| Error::System {
                call: "dup",
                source,
            })?;
            poller.watch(fd, token).map_err(cannot_watch)
        };
        let display = device.display().poll_fd();
        let renderer = device.renderer_fd();
        Ok(Self {
            socket: poller.watch(stream, Token::Session).map_err(cannot_watch)?,
            display: display
                .map(|display| watch(display.fd, Token::Display))
                .transpose()?,
            _renderer: renderer
                .map(|renderer| watch(renderer, Token::Renderer))
                .transpose()?,
            bridge: bridge
                .poll_fd()
                .map(|bridge| watch(bridge, Token::Bridge))
                .transpose()?,
        })
    }
}

fn cannot_watch(errno: nix::errno::Errno) -> Error {
    Error::system("epoll_ctl", errno)
}

/// How an attempt to bring the renderer to rest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It is at rest.
    Quiet,
    /// It is not, and a signal says that this does not matter.
    Interrupted,
    /// It is not, and time is up.
    Stuck,
}

/// One front end being served.
#[derive(Debug)]
pub(crate) struct EventLoop<'a, D> {
    poller: Poller,
    bridge: &'a mut Bridge,
    watches: Watches,
    reader: Reader,
    writer: Writer,
    stall: Stall,
    /// More messages may have arrived than one turn takes.
    more_messages: bool,
    session: Session<D>,
}

impl<'a, D: Display + FrontEndSocket> EventLoop<'a, D> {
    pub(crate) fn new(
        session: Session<D>,
        watches: Watches,
        bridge: &'a mut Bridge,
        stall: Stall,
        poller: Poller,
    ) -> Self {
        Self {
            bridge,
            watches,
            reader: Reader::new(),
            writer: Writer::default(),
            stall,
            more_messages: false,
            session,
            poller,
        }
    }

    /// Answers all that was taken from the rings, which are served no longer.
    pub(crate) fn stop_rings(&mut self) {
        self.session.stop_rings();
    }

    /// Says what the renderer was needed for, where there is one.
    pub(crate) fn log_rendering(&self) {
        self.session.log_rendering();
        self.session.log_frames();
    }

    /// The device for the next front end; this one's connection is closed. Other device models that wait for something
    /// of this one's guest have their answers.
    pub(crate) fn into_new_device(self) -> Device<D> {
        let Self {
            session, bridge, ..
        } = self;
        let mut device = session.into_new_device();
        // The bridge has no other turn until the next front end comes.
        if bridge.can_answer(&device) {
            bridge.run_turn(&mut device);
        }
        device
    }

    /// Serves the front end until it goes or a signal comes.
    ///
    /// # Errors
    ///
    /// What ends the session.
    pub(crate) fn run(&mut self) -> Result<Ended, Error> {
        loop {
            for token in self.poller.wait(self.deadline())? {
                match token {
                    Token::Signal => return Ok(Ended::Terminated),
                    // Nothing else is reported of a socket that nothing is wanted of.
                    Token::Session if self.session.is_postponing() => {
                        return Ok(Ended::FrontEndGone);
                    }
                    Token::Session => self.more_messages = true,
                    Token::Bridge => self.bridge.is_due(),
                    other => self.session.is_due(other),
                }
            }
            let is_due = |due: Instant| due <= Instant::now();
            // A socket tells of room only when most of it is free.
            if self.stall.deadline().is_some_and(is_due) {
                self.more_messages = true;
            }
            self.session.run_turn();
            self.bridge.run_turn(self.session.device_mut());
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

    /// Handles what the front end has sent. While a reply waits for room, or a message for the renderer, nothing more
    /// is read.
    fn exchange_messages(&mut self) -> Result<(), Error> {
        if self.session.is_postponing() {
            let reply = self.session.carry_on(Instant::now())?;
            self.reply(reply)?;
            self.more_messages = !self.session.is_postponing();
        }
        if !self.more_messages {
            return Ok(());
        }
        self.writer.flush(self.watches.socket.as_fd())?;
        for _ in 0..MESSAGES_PER_TURN {
            if self.writer.is_pending() || self.session.is_postponing() {
                self.more_messages = false;
                break;
            }
            let Some(message) = self.reader.read(self.watches.socket.as_fd())? else {
                self.more_messages = false;
                break;
            };
            let reply = self.session.handle(message)?;
            self.reply(reply)?;
        }
        self.watches
            .socket
            .set_interest(if self.session.is_postponing() {
                Interest::Nothing
            } else if self.writer.is_pending() {
                Interest::Write
            } else {
                Interest::Read
            })
    }

    fn reply(&mut self, reply: Option<Vec<u8>>) -> Result<(), Error> {
        let Some(reply) = reply else {
            return Ok(());
        };
        self.writer.queue(&reply);
        self.writer.flush(self.watches.socket.as_fd())
    }

    /// Brings the renderer to rest after the session's end, for so long at most. The display is served meanwhile, the
    /// front end is not.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub(crate) fn bring_to_rest(&mut self, patience: Duration) -> Result<Rest, Error> {
        self.watches.socket.unwatch();
        if let Some(bridge) = &self.watches.bridge {
            bridge.unwatch();
        }
        let begun = Instant::now();
        let end = begun.checked_add(patience).unwrap_or(begun);
        loop {
            let now = Instant::now();
            if self.session.rest(now) == Progress::Done {
                return Ok(Rest::Quiet);
            }
            if now >= end {
                return Ok(Rest::Stuck);
            }
            let deadline = self.session.deadline().map_or(end, |due| due.min(end));
            for token in self.poller.wait(Deadline::At(deadline))? {
                if token == Token::Signal {
                    return Ok(Rest::Interrupted);
                }
                self.session.is_due(token);
            }
            self.session.run_turn();
            self.update_display_interest()?;
        }
    }

    fn deadline(&self) -> Deadline {
        let can_answer = self.bridge.can_answer(self.session.device());
        if self.session.has_work() || self.more_messages || can_answer {
            return Deadline::Now;
        }
        [
            self.session.deadline(),
            self.stall.deadline(),
            self.bridge.deadline(),
        ]
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
