//! Windows on an X server, without a C library.
//!
//! [`X11Display`] is used by one thread, and none of its calls waits. While there is no server, or a
//! frozen one, frames are refused as busy; when it is back, the windows are, and the pictures are
//! asked for with [`Event::Redraw`].

mod address;
mod client;
mod content;
mod cursor;
mod events;
mod extensions;
mod ids;
mod import;
mod input;
mod link;
mod native;
mod segment;
mod server;
mod state;
mod statistics;
mod window;
mod wire;

use std::os::fd::AsFd;
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use self::address::Address;
use self::link::Link;
use self::native::Names;
use self::server::Way;
use self::state::State;
use self::wire::Flow;
use crate::desktop::Retry;
use crate::{
    Display, DisplayError, Event, EventDevice, EventDevices, Frame, Freshness, Input, InputSource,
    Interest, Output, PictureMemory, PollFd, Position, Presented, Query, SurfaceId, SurfaceRequest,
};

pub use self::statistics::X11Statistics;

/// What an X11 display is made of.
#[derive(Clone, Debug, Default)]
pub struct X11Config {
    /// The server, such as `:0` or `localhost:10`; `None` for `$DISPLAY`. A host that is not
    /// `localhost` is given by its address.
    pub display: Option<String>,
    /// Title of the windows. Where there are several, the number of the output follows.
    pub title: String,
    /// What the desktop knows the program as.
    pub class: String,
    /// The outputs: a window for each that has a surface. A mode is the size that a guest is asked
    /// for until the user gives the window another one. A refresh rate of 0 is 60 Hz.
    pub outputs: Vec<Output>,
}

/// How pictures get to an X server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum X11Transport {
    /// As pixmaps in shared memory, each shown with the next picture of the screen (MIT-SHM and
    /// Present).
    Present,
    /// From shared memory, as soon as the server reads it (MIT-SHM).
    SharedMemory,
    /// Through the socket.
    Socket,
}

/// Windows on an X server.
///
/// An output's window is made with its first surface, and stays until the display is dropped: it is
/// black while there is no surface. When the user makes it larger or smaller, the output's mode
/// follows a moment later ([`Event::OutputsChanged`]); until the guest does, its picture is in the
/// middle, as it is.
///
/// A frame that the device drew into shared memory ([`gpu_buffer::MemfdAllocator`]) is read there by
/// the server if at least a quarter of it changed; otherwise what changed is copied. The server knows
/// up to four dma-bufs of a window, and reads at most three buffers of it. Memory is given to it by
/// descriptor, so nobody else can reach it.
#[derive(Debug)]
pub struct X11Display {
    state: State,
    address: Address,
    retry: Retry,
    /// Of the connection's socket alone: it stays the same when there is another connection.
    poller: Epoll,
    /// Whether the server did not read when it was looked at last.
    flow: Flow,
    devices: EventDevices,
    /// What was wrong last, to say it once.
    trouble: Option<String>,
}

impl X11Display {
    /// Connects to the server. From then on a lost connection is made again by itself.
    ///
    /// # Errors
    /// [`DisplayError::Connect`], [`DisplayError::Lost`].
    pub fn new(config: X11Config) -> Result<Self, DisplayError> {
        let address = Address::new(config.display.as_deref())?;
        let poller = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|errno| DisplayError::Lost(errno.into()))?;
        let mut display = Self {
            state: State::new(Names::new(&config.title, &config.class), config.outputs),
            address,
            retry: Retry::connected(Instant::now()),
            poller,
            flow: Flow::Free,
            devices: EventDevices::default(),
            trouble: None,
        };
        display.connect()?;
        Ok(display)
    }

    /// What was counted.
    pub fn statistics(&self) -> X11Statistics {
        self.state.statistics
    }

    /// Whether there is a server that has told what it can do.
    pub fn is_online(&self) -> bool {
        self.state.is_online()
    }

    /// How pictures get to the server now; `None` while there is none.
    pub fn transport(&self) -> Option<X11Transport> {
        let link = self.state.link.as_ref().filter(|link| link.is_online)?;
        Some(match link.server.as_ref()?.way {
            Way::Present => X11Transport::Present,
            Way::Shared => X11Transport::SharedMemory,
            Way::Plain => X11Transport::Socket,
        })
    }

    /// Plugs an output's monitor in or out, or gives it another mode. The window of one that is
    /// plugged out is closed as soon as it has no surface.
    ///
    /// # Errors
    /// [`DisplayError::UnknownOutput`].
    pub fn set_output(&mut self, output: u32, changed: Output) -> Result<(), DisplayError> {
        self.state.set_output(output, changed)?;
        self.flush();
        Ok(())
    }

    fn connect(&mut self) -> Result<(), DisplayError> {
        let link = Link::new(&self.address)?;
        self.flow = link.client.flow();
        self.poller
            .add(link.client.fd(), EpollEvent::new(interest(self.flow), 0))
            .map_err(|errno| DisplayError::Lost(errno.into()))?;
        self.state.link = Some(link);
        self.retry.succeeded(Instant::now());
        let connections = &mut self.state.statistics.connections;
        *connections = connections.saturating_add(1);
        Ok(())
    }

    /// Lets go of the connection if something failed.
    fn settle(&mut self, result: Result<(), DisplayError>) {
        match result {
            Ok(()) => self.update_interest(),
            Err(error) => {
                if let Some(link) = &self.state.link {
                    // Before its descriptor is closed.
                    let _ = self.poller.delete(link.client.fd());
                }
                self.state.go_offline();
                self.give_up(&error);
            }
        }
    }

    /// Waits before the next attempt, and says what is wrong unless that is known.
    fn give_up(&mut self, error: &DisplayError) {
        let text = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        if self.trouble.as_ref() != Some(&text) {
            log::warn!("there is no X server now: {text}");
            self.trouble = Some(text);
        }
        self.retry.failed(Instant::now());
    }

    /// Waits for room while the server does not read, and for what it says otherwise.
    fn update_interest(&mut self) {
        let Some(link) = &self.state.link else {
            return;
        };
        let flow = link.client.flow();
        if flow == self.flow {
            return;
        }
        self.flow = flow;
        let mut event = EpollEvent::new(interest(flow), 0);
        if let Err(errno) = self.poller.modify(link.client.fd(), &mut event) {
            log::warn!("the X server's socket cannot be waited for: {errno}");
        }
        if flow == Flow::Free {
            self.state.wake_all();
        }
    }

    fn flush(&mut self) {
        let flushed = match &mut self.state.link {
            Some(link) => link.client.flush().map(drop),
            None => return,
        };
        self.settle(flushed);
    }
}

fn interest(flow: Flow) -> EpollFlags {
    match flow {
        Flow::Free => EpollFlags::EPOLLIN,
        Flow::Jammed => EpollFlags::EPOLLOUT,
    }
}

impl Display for X11Display {
    fn outputs(&self) -> &[Output] {
        self.state.modes.outputs()
    }

    fn refresh(&mut self, _query: Query) -> Freshness {
        Freshness::Current
    }

    fn edid(&self, _output: u32) -> Option<&[u8]> {
        None
    }

    fn create_surface(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError> {
        let surface = self.state.create_surface(request)?;
        self.flush();
        Ok(surface)
    }

    fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        self.state.configure_surface(surface, request)?;
        self.flush();
        Ok(())
    }

    fn destroy_surface(&mut self, surface: SurfaceId) {
        self.state.destroy_surface(surface);
        self.flush();
    }

    fn present(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        if self.flow == Flow::Jammed {
            self.state.check(surface, frame)?;
            return Ok(self.state.refuse(surface));
        }
        let presented = self.state.present(surface, frame)?;
        self.flush();
        Ok(presented)
    }

    /// A server that is not there may turn out to read memory files.
    fn picture_memory(&self) -> PictureMemory {
        match self.transport() {
            Some(X11Transport::Socket) => PictureMemory::Any,
            Some(X11Transport::Present | X11Transport::SharedMemory) | None => {
                PictureMemory::Shared
            }
        }
    }

    /// Pointers are moved by the X server.
    fn set_position(&mut self, surface: SurfaceId, position: Position) -> Result<(), DisplayError> {
        self.state.surfaces.set_position(surface, position)
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        Some(PollFd {
            fd: self.poller.0.as_fd(),
            interest: Interest::Readable,
        })
    }

    fn deadline(&self) -> Option<Instant> {
        let devices = self.devices.deadline();
        let deadlines = [self.state.deadline(), self.retry.due(), devices];
        deadlines.into_iter().flatten().min()
    }

    fn dispatch(&mut self, now: Instant) -> Result<(), DisplayError> {
        self.state.now = now;
        if self.state.link.is_none()
            && self.retry.due().is_some_and(|due| due <= now)
            && let Err(error) = self.connect()
        {
            self.give_up(&error);
        }
        let exchanged = self.state.exchange(&self.address);
        self.settle(exchanged);
        if self.state.is_online() && self.trouble.take().is_some() {
            log::info!("there is an X server again");
        }
        self.state.do_due_work();
        self.flush();
        self.devices.take_from(&mut self.state.input, now);
        Ok(())
    }

    fn next_event(&mut self) -> Option<Event> {
        self.state.news.next()
    }
}

impl InputSource for X11Display {
    fn attach(&mut self, device: EventDevice) {
        self.devices.attach(device);
    }

    fn next_input(&mut self) -> Option<Input> {
        self.state.input.take_next()
    }
}
