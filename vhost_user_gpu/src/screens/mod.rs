//! Where the guest's screens are shown, as the command line says or as it turns out: by the front end, in windows of a
//! desktop, or nowhere.
//!
//! With `auto` it turns out when the guest asks for the first time: a front end that shows the screens hands its socket
//! over before it starts the rings. It stays so until the front end goes.
//!
//! What the user does in the windows goes to the input sockets.

mod desktop;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use gpu_display::{
    Display, DisplayError, Event, Frame, Freshness, Headless, HeadlessConfig, Interest, Mode,
    Output, PictureMemory, PollFd, Position, Presented, Query, Role, SurfaceId, SurfaceRequest,
};

use self::desktop::Desktop;
use crate::Error;
use crate::args::{DisplayChoice, Screen};
use crate::input::InputSockets;
use crate::poller::{Poller, Token, Watched};
use crate::remote_display::{FrontEndSocket, RemoteDisplay, SharedPictures};

/// The screen of a display that the front end does not show, if none is given.
const DEFAULT_SCREEN: Screen = Screen {
    width: 1280,
    height: 800,
    refresh_millihertz: crate::args::DEFAULT_REFRESH,
};

/// Scanouts of the device when the front end may show them: all there can be, as the front end tells the guest how many
/// it sees.
const FRONT_END_SCANOUTS: u32 = 16;

/// The display of the daemon.
#[derive(Debug)]
pub struct Screens {
    choice: DisplayChoice,
    /// What the guest is asked for where the front end does not say.
    outputs: Vec<Output>,
    shown: Shown,
    /// The front end's display, in use or not.
    remote: RemoteDisplay,
    /// Whether the front end of now has a display socket. Such a one does not tell its guest of changed screens.
    socket_given: bool,
    input: InputSockets,
    /// The output of each scanout's surface.
    scanouts: BTreeMap<SurfaceId, u32>,
    /// Of the descriptors of whatever shows the screens, and of the input sockets, so that the event loop waits for one.
    poller: Poller,
    watched: Option<Watched>,
}

/// Who shows the screens.
#[derive(Debug)]
enum Shown {
    /// It has not turned out yet.
    Undecided,
    /// The front end.
    Remote,
    Desktop(Box<dyn Desktop>),
    Headless(Box<Headless>),
}

impl Screens {
    /// The display that the command line asks for; `screens` are those that it describes. What is done in its windows
    /// goes to `input`.
    ///
    /// # Errors
    ///
    /// [`Error::Display`], [`Error::DisplayNotBuilt`], [`Error::System`].
    pub fn new(
        choice: DisplayChoice,
        screens: &[Screen],
        input: InputSockets,
    ) -> Result<Self, Error> {
        let outputs = side_by_side(screens);
        let shown = match &choice {
            DisplayChoice::Auto => Shown::Undecided,
            DisplayChoice::Frontend => Shown::Remote,
            DisplayChoice::Wayland { socket } => {
                Shown::Desktop(desktop::wayland(socket.clone(), outputs.clone())?)
            }
            DisplayChoice::X11 { server } => {
                Shown::Desktop(desktop::x11(server.clone(), outputs.clone())?)
            }
            DisplayChoice::Headless { directory: None } => unseen(&outputs),
            DisplayChoice::Headless { directory } => {
                let headless = Headless::new(HeadlessConfig {
                    outputs: outputs.clone(),
                    directory: directory.clone(),
                });
                Shown::Headless(Box::new(headless.map_err(Error::Display)?))
            }
        };
        let mut this = Self {
            choice,
            outputs,
            shown,
            remote: RemoteDisplay::new()?,
            socket_given: false,
            input,
            scanouts: BTreeMap::new(),
            poller: Poller::new()?,
            watched: None,
        };
        this.input.watch(&this.poller)?;
        this.watch_shown()?;
        if this.choice != DisplayChoice::Auto {
            log::info!("display: {}, as the command line says", this.name());
        }
        Ok(this)
    }

    /// Says whether the front end is handed pictures in a GPU's memory. At first it is not.
    pub fn set_shared_pictures(&mut self, shared_pictures: SharedPictures) {
        self.remote.set_shared_pictures(shared_pictures);
    }

    /// The number of scanouts that the device needs.
    #[must_use]
    pub fn scanouts(&self) -> u32 {
        match self.choice {
            DisplayChoice::Auto | DisplayChoice::Frontend => FRONT_END_SCANOUTS,
            _ => u32::try_from(self.outputs.len()).unwrap_or(FRONT_END_SCANOUTS),
        }
    }

    fn name(&self) -> String {
        match &self.shown {
            Shown::Undecided => "undecided".to_owned(),
            Shown::Remote => "the front end's".to_owned(),
            Shown::Desktop(desktop) => desktop.name(),
            Shown::Headless(_) => "none".to_owned(),
        }
    }

    /// The guest wants something shown, and the front end has said nothing of itself.
    fn decide(&mut self) {
        if !matches!(self.shown, Shown::Undecided) {
            return;
        }
        let (shown, why) = match desktop::of_environment(&self.outputs) {
            Ok((desktop, why)) => (Shown::Desktop(desktop), why),
            Err(why) => (unseen(&self.outputs), why),
        };
        self.shown = shown;
        if let Err(error) = self.watch_shown() {
            log::warn!("the display cannot be waited for: {}", error.chain());
            self.shown = unseen(&self.outputs);
        }
        let name = self.name();
        log::info!("display: {name}, as the front end gives no display socket and {why}");
    }

    /// Says what was shown in windows.
    fn log_summary(&self) {
        if let Shown::Desktop(desktop) = &self.shown {
            log::info!("display: {}", desktop.summary());
        }
    }

    /// Waits for the descriptor of whoever shows the screens now.
    fn watch_shown(&mut self) -> Result<(), Error> {
        // Before another one is there: it may be the same.
        self.watched = None;
        let Some(poll) = self.display().poll_fd() else {
            return Ok(());
        };
        debug_assert_eq!(poll.interest, Interest::Readable);
        let fd = poll.fd.try_clone_to_owned();
        let fd = fd.map_err(|source| Error::System {
            call: "dup",
            source,
        })?;
        let watched = self.poller.watch(fd, Token::Display);
        self.watched = Some(watched.map_err(|errno| Error::system("epoll_ctl", errno))?);
        Ok(())
    }

    fn display(&self) -> &dyn Display {
        match &self.shown {
            Shown::Undecided | Shown::Remote => &self.remote,
            Shown::Desktop(desktop) => &**desktop,
            Shown::Headless(headless) => &**headless,
        }
    }

    fn display_mut(&mut self) -> &mut dyn Display {
        match &mut self.shown {
            Shown::Undecided | Shown::Remote => &mut self.remote,
            Shown::Desktop(desktop) => &mut **desktop,
            Shown::Headless(headless) => &mut **headless,
        }
    }

    /// The user wants to close the window of an output: the guest's monitor is unplugged, and the window goes when the
    /// guest has taken its picture away. A window without which the guest could not be seen at all stays, and so does
    /// one of which the guest is told nothing: its picture would go on behind the user's back.
    fn close(&mut self, surface: SurfaceId) {
        let (Shown::Desktop(desktop), Some(output)) =
            (&mut self.shown, self.scanouts.get(&surface).copied())
        else {
            return;
        };
        if self.socket_given {
            log::info!(
                "the window of screen {output} stays: this front end does not tell its guest of changed screens"
            );
            return;
        }
        let enabled = desktop.outputs().iter().filter(|output| output.enabled);
        if enabled.count() <= 1 {
            log::info!(
                "the window of screen {output} stays, as it is the last one: shut the guest down instead"
            );
            return;
        }
        if let Err(error) = plug(&mut **desktop, output, Plug::Out) {
            log::warn!("screen {output} cannot be unplugged: {error}");
        }
    }
}

/// Whether a monitor is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plug {
    In,
    Out,
}

fn plug(desktop: &mut dyn Desktop, output: u32, plug: Plug) -> Result<(), DisplayError> {
    let unknown = DisplayError::UnknownOutput { output };
    let index = usize::try_from(output).ok();
    let known = index.and_then(|index| desktop.outputs().get(index));
    let changed = Output {
        enabled: plug == Plug::In,
        ..*known.ok_or(unknown)?
    };
    desktop.set_output(output, changed)
}

fn unseen(outputs: &[Output]) -> Shown {
    Shown::Headless(Box::new(Headless::unseen(outputs.to_vec())))
}

/// Screens side by side.
fn side_by_side(screens: &[Screen]) -> Vec<Output> {
    let screens = if screens.is_empty() {
        &[DEFAULT_SCREEN]
    } else {
        screens
    };
    let mut x = 0_u32;
    screens
        .iter()
        .map(|screen| {
            let output = Output {
                enabled: true,
                x,
                y: 0,
                mode: Mode {
                    width: screen.width,
                    height: screen.height,
                    refresh_millihertz: screen.refresh_millihertz,
                },
                width_mm: 0,
                height_mm: 0,
            };
            x = x.saturating_add(screen.width);
            output
        })
        .collect()
}

impl Drop for Screens {
    fn drop(&mut self) {
        self.log_summary();
    }
}

impl FrontEndSocket for Screens {
    /// A front end's socket decides where the choice is open. Elsewhere it stays open and unused.
    fn set_gpu_socket(&mut self, socket: OwnedFd) -> Option<OwnedFd> {
        self.socket_given = true;
        match self.shown {
            Shown::Undecided => {
                self.shown = Shown::Remote;
                log::info!("display: the front end's, as it gives a display socket");
                self.remote.set_gpu_socket(socket)
            }
            Shown::Remote => self.remote.set_gpu_socket(socket),
            Shown::Desktop(_) | Shown::Headless(_) => Some(socket),
        }
    }

    fn drop_gpu_socket(&mut self) {
        self.socket_given = false;
        self.remote.drop_gpu_socket();
        self.log_summary();
        if self.choice == DisplayChoice::Auto {
            self.shown = Shown::Undecided;
            if let Err(error) = self.watch_shown() {
                log::warn!("the display cannot be waited for: {}", error.chain());
            }
        }
        // The next guest gets all of its screens.
        if let Shown::Desktop(desktop) = &mut self.shown {
            let outputs = 0..u32::try_from(self.outputs.len()).unwrap_or(u32::MAX);
            for output in outputs {
                if let Err(error) = plug(&mut **desktop, output, Plug::In) {
                    log::warn!("screen {output} cannot be plugged in: {error}");
                }
            }
        }
    }
}

impl Display for Screens {
    fn outputs(&self) -> &[Output] {
        match &self.shown {
            Shown::Undecided => &self.outputs,
            _ => self.display().outputs(),
        }
    }

    fn refresh(&mut self, query: Query) -> Freshness {
        self.decide();
        self.display_mut().refresh(query)
    }

    fn edid(&self, output: u32) -> Option<&[u8]> {
        self.display().edid(output)
    }

    fn create_surface(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError> {
        self.decide();
        let surface = self.display_mut().create_surface(request)?;
        if let Role::Scanout { output } = request.role {
            self.scanouts.insert(surface, output);
        }
        Ok(surface)
    }

    fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        self.display_mut().configure_surface(surface, request)
    }

    fn destroy_surface(&mut self, surface: SurfaceId) {
        self.scanouts.remove(&surface);
        self.display_mut().destroy_surface(surface);
    }

    fn present(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        self.display_mut().present(surface, frame)
    }

    fn picture_memory(&self) -> PictureMemory {
        self.display().picture_memory()
    }

    fn set_position(&mut self, surface: SurfaceId, position: Position) -> Result<(), DisplayError> {
        self.display_mut().set_position(surface, position)
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        Some(PollFd {
            fd: self.poller.as_fd(),
            interest: Interest::Readable,
        })
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.display().deadline(), self.input.deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn dispatch(&mut self, now: Instant) -> Result<(), DisplayError> {
        let dispatched = self.display_mut().dispatch(now);
        self.input.accept(now);
        self.input.flush();
        if let Shown::Desktop(desktop) = &mut self.shown {
            while let Some(input) = desktop.next_input() {
                self.input.send(&input);
            }
        }
        dispatched
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            match self.display_mut().next_event()? {
                Event::CloseRequested { surface } => self.close(surface),
                event => return Some(event),
            }
        }
    }
}
