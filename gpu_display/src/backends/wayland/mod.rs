//! Windows on a Wayland compositor, without a C library.
//!
//! [`WaylandDisplay`] is used by one thread, and none of its calls waits. While there is no
//! compositor, or a frozen one, frames are refused as busy; when it is back, the windows are, and
//! the pictures are asked for with [`Event::Redraw`].

mod content;
mod cursor;
mod feedback;
mod fit;
mod gate;
mod geometry;
mod import;
mod link;
mod monitor;
mod native;
mod overlay;
mod pointer;
mod presentation;
mod seat;
mod session;
mod shm;
mod sprite;
mod state;
mod statistics;
mod surface;
mod window;

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

use gpu_buffer::DrmFourcc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use self::gate::Flow;
use self::native::Names;
use self::session::{Session, socket_of_environment};
use self::state::State;
use crate::desktop::Retry;
use crate::{
    Display, DisplayError, Event, EventDevice, EventDevices, Frame, Freshness, Input, InputSource,
    Interest, Output, PictureMemory, PollFd, Position, Presented, Query, SurfaceId, SurfaceRequest,
};

pub use self::presentation::WaylandPresentation;
pub use self::statistics::WaylandStatistics;

/// What a Wayland display is made of.
#[derive(Clone, Debug, Default)]
pub struct WaylandConfig {
    /// The compositor's socket; `None` for the one that the environment names: `$WAYLAND_DISPLAY`
    /// (`wayland-0` if there is none) in `$XDG_RUNTIME_DIR`.
    pub socket: Option<PathBuf>,
    /// Title of the windows. Where there are several, the number of the output follows.
    pub title: String,
    /// What the desktop knows the program as: the name of its `.desktop` file.
    pub app_id: String,
    /// The outputs: a window for each that has a surface. A mode is the size that a guest is asked
    /// for until the user gives the window another one. A refresh rate of 0 is that of the
    /// monitor on which the window is: 60 Hz until the compositor tells another one.
    pub outputs: Vec<Output>,
}

/// Windows on a Wayland compositor.
///
/// An output's window is made with its first surface, and stays until the display is dropped: it is
/// black while there is no surface, so that a guest that changes its mode, sleeps or starts again
/// keeps its window. When the user makes it larger or smaller, the output's mode follows a moment
/// later ([`Event::OutputsChanged`]), and the picture is scaled until the guest does.
///
/// A frame that the device drew into shared memory ([`gpu_buffer::MemfdAllocator`]) is read there by
/// the compositor if at least a quarter of it changed; otherwise what changed is copied. The
/// compositor has at most three buffers of a window.
#[derive(Debug)]
pub struct WaylandDisplay {
    state: State,
    socket: PathBuf,
    session: Option<Session>,
    retry: Retry,
    /// Of the session's socket alone: it stays the same when there is another session.
    poller: Epoll,
    /// Whether the compositor did not read when it was looked at last.
    flow: Flow,
    devices: EventDevices,
    /// What was wrong last, to say it once.
    trouble: Option<String>,
}

impl WaylandDisplay {
    /// Connects to the compositor. From then on a lost connection is made again by itself.
    ///
    /// # Errors
    /// [`DisplayError::Connect`], [`DisplayError::Lost`].
    pub fn new(config: WaylandConfig) -> Result<Self, DisplayError> {
        let socket = config.socket.or_else(socket_of_environment);
        let socket = socket.ok_or_else(|| DisplayError::Connect {
            path: PathBuf::from("$XDG_RUNTIME_DIR"),
            source: io::ErrorKind::NotFound.into(),
        })?;
        let poller = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|errno| DisplayError::Lost(errno.into()))?;
        let names = Names::new(&config.title, &config.app_id);
        let mut display = Self {
            state: State::new(names, config.outputs),
            socket,
            session: None,
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
    pub fn statistics(&self) -> WaylandStatistics {
        self.state.statistics
    }

    /// How the newest frame that was seen in an output's window came on the screen. `None` if there
    /// was none on this connection, or the compositor does not tell.
    pub fn presentation(&self, output: u32) -> Option<WaylandPresentation> {
        self.state.windows.get(&output)?.presentation
    }

    /// Whether there is a compositor that has told what it can do.
    pub fn is_online(&self) -> bool {
        self.state.is_online()
    }

    /// The formats and modifiers of dma-bufs that the compositor offers to show; none while there is
    /// no compositor.
    pub fn dma_buf_formats(&self) -> impl Iterator<Item = (DrmFourcc, u64)> {
        let link = self.state.link.iter();
        let kinds = link.flat_map(|link| link.feedback.kinds());
        kinds.filter_map(|(format, modifier)| Some((DrmFourcc::try_from(*format).ok()?, *modifier)))
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
        let (session, link) = Session::connect(&self.socket)?;
        self.poller
            .add(session.fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0))
            .map_err(|errno| DisplayError::Lost(errno.into()))?;
        self.session = Some(session);
        self.state.link = Some(link);
        self.flow = Flow::Free;
        self.retry.succeeded(Instant::now());
        let connections = &mut self.state.statistics.connections;
        *connections = connections.saturating_add(1);
        Ok(())
    }

    /// Does something with the session, and lets go of it when that fails.
    fn with_session(
        &mut self,
        work: impl FnOnce(&mut Session, &mut State) -> Result<(), DisplayError>,
    ) {
        let Some(mut session) = self.session.take() else {
            return;
        };
        match work(&mut session, &mut self.state) {
            Ok(()) => {
                self.session = Some(session);
                self.update_interest();
            }
            Err(error) => {
                // Before its descriptor is closed.
                let _ = self.poller.delete(session.fd());
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
            log::warn!("there is no compositor now: {text}");
            self.trouble = Some(text);
        }
        self.retry.failed(Instant::now());
    }

    /// Waits for room while the compositor does not read, and for what it says otherwise.
    fn update_interest(&mut self) {
        let Some(session) = &self.session else {
            return;
        };
        let flow = session.flow();
        if flow == self.flow {
            return;
        }
        self.flow = flow;
        let flags = match flow {
            Flow::Free => EpollFlags::EPOLLIN,
            Flow::Jammed => EpollFlags::EPOLLOUT,
        };
        let changed = self
            .poller
            .modify(session.fd(), &mut EpollEvent::new(flags, 0));
        if let Err(errno) = changed {
            log::warn!("the compositor's socket cannot be waited for: {errno}");
        }
        if flow == Flow::Free {
            self.state.wake_all();
        }
    }

    fn flush(&mut self) {
        self.with_session(|session, _| session.flush().map(drop));
    }
}

impl Display for WaylandDisplay {
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

    fn picture_memory(&self) -> PictureMemory {
        PictureMemory::Shared
    }

    fn set_position(&mut self, surface: SurfaceId, position: Position) -> Result<(), DisplayError> {
        self.state.set_position(surface, position)?;
        self.flush();
        Ok(())
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
        if self.session.is_none()
            && self.retry.due().is_some_and(|due| due <= now)
            && let Err(error) = self.connect()
        {
            self.give_up(&error);
        }
        self.with_session(|session, state| session.exchange(state));
        if self.state.is_online() && self.trouble.take().is_some() {
            log::info!("there is a compositor again");
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

impl InputSource for WaylandDisplay {
    fn attach(&mut self, device: EventDevice) {
        self.devices.attach(device);
    }

    fn next_input(&mut self) -> Option<Input> {
        self.state.input.take_next()
    }
}
