//! Input of the windows for devices of the guest: a socket for each kind of device, with virtio-input's events.
//!
//! The device's side connects, as crosvm's input devices do. One connection is served at a socket; a newer one takes
//! its place, since whoever was there before may have died. Nobody is waited for: a device that does not read loses
//! events, not keys that go up.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gpu_display::{EventDevice, EventDeviceKind, Input};

use crate::Error;
use crate::args::Args;
use crate::endpoint::Listener;
use crate::poller::{Interest, Poller, Token, Watched};

/// How long a refusal of the system is left alone before it is asked again.
const BACK_OFF: Duration = Duration::from_millis(200);

/// The input sockets. The files are removed with this.
#[derive(Debug, Default)]
pub struct InputSockets {
    sockets: Vec<InputSocket>,
    /// `None` until somebody waits.
    poller: Option<Poller>,
}

#[derive(Debug)]
struct InputSocket {
    kind: EventDeviceKind,
    listener: Listener,
    /// While it is waited for.
    waiting: Option<Watched>,
    /// When it is waited for again.
    retry: Option<Instant>,
    connection: Option<Connection>,
}

/// A device that listens.
#[derive(Debug)]
struct Connection {
    /// Before the device: its socket is waited for.
    watched: Watched,
    device: EventDevice,
}

impl InputSockets {
    /// Creates the sockets that the command line asks for.
    ///
    /// # Errors
    ///
    /// The four `Socket…` errors and [`Error::Bind`].
    pub fn bind(args: &Args) -> Result<Self, Error> {
        let axes = args.input_axes;
        let wanted: [(&Option<PathBuf>, EventDeviceKind); 4] = [
            (&args.input_keyboard, EventDeviceKind::Keyboard),
            (&args.input_mouse, EventDeviceKind::Mouse),
            (&args.input_tablet, EventDeviceKind::Tablet(axes)),
            (&args.input_touchscreen, EventDeviceKind::Touchscreen(axes)),
        ];
        let mut sockets = Vec::new();
        for (path, kind) in wanted {
            if let Some(path) = path {
                sockets.push(InputSocket {
                    kind,
                    listener: Listener::bind(path)?,
                    waiting: None,
                    retry: None,
                    connection: None,
                });
            }
        }
        Ok(Self {
            sockets,
            poller: None,
        })
    }

    /// Has `poller` wait for the sockets from now on.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub(crate) fn watch(&mut self, poller: &Poller) -> Result<(), Error> {
        for socket in &mut self.sockets {
            socket.wait(poller)?;
        }
        self.poller = Some(poller.clone());
        Ok(())
    }

    /// Takes in who has connected.
    pub(crate) fn accept(&mut self, now: Instant) {
        let Some(poller) = &self.poller else {
            return;
        };
        for socket in &mut self.sockets {
            if socket.retry.is_some_and(|due| due > now) {
                continue;
            }
            let accepted = match socket.retry.take() {
                Some(_) => socket.wait(poller),
                None => Ok(()),
            };
            if let Err(error) = accepted.and_then(|()| socket.accept(poller)) {
                log::warn!("an input device has to wait: {}", error.chain());
                socket.waiting = None;
                socket.retry = now.checked_add(BACK_OFF);
            }
        }
    }

    /// When to call [`InputSockets::accept`] even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.sockets.iter().filter_map(|socket| socket.retry).min()
    }

    /// Sends what waits, and lets go of devices that have gone.
    pub(crate) fn flush(&mut self) {
        for socket in &mut self.sockets {
            socket.with_device(EventDevice::flush);
        }
    }

    /// Tells the devices what was done.
    pub(crate) fn send(&mut self, input: &Input) {
        for socket in &mut self.sockets {
            socket.with_device(|device| device.send(input));
        }
    }
}

impl InputSocket {
    fn wait(&mut self, poller: &Poller) -> Result<(), Error> {
        self.waiting = Some(watch(poller, &self.listener)?);
        Ok(())
    }

    /// One connection a turn, so that nobody who connects over and over keeps the guest waiting.
    fn accept(&mut self, poller: &Poller) -> Result<(), Error> {
        if let Some(stream) = self.listener.accept()? {
            let watched = watch(poller, &stream)?;
            let device = EventDevice::new(stream, self.kind, None);
            let device = device.map_err(|source| Error::System {
                call: "fcntl",
                source,
            })?;
            log::info!("an input device has connected: {}", self.name());
            self.connection = Some(Connection { watched, device });
        }
        Ok(())
    }

    fn with_device(&mut self, work: impl FnOnce(&mut EventDevice) -> std::io::Result<()>) {
        let Some(Connection { watched, device }) = &mut self.connection else {
            return;
        };
        let done = work(device).map_err(|error| error.to_string());
        let interest = match device.is_pending() {
            true => Interest::ReadOrWrite,
            false => Interest::Read,
        };
        let done = done.and_then(|()| {
            let set = watched.set_interest(interest);
            set.map_err(|error| error.chain())
        });
        if let Err(error) = done {
            log::info!("an input device has gone: {}: {error}", self.name());
            self.connection = None;
        }
    }

    const fn name(&self) -> &'static str {
        match self.kind {
            EventDeviceKind::Keyboard => "keyboard",
            EventDeviceKind::Mouse => "mouse",
            EventDeviceKind::Tablet(_) => "tablet",
            EventDeviceKind::Touchscreen(_) => "touchscreen",
        }
    }
}

/// Waits for a copy of the descriptor, which ends with the waiting.
fn watch(poller: &Poller, fd: &impl AsFd) -> Result<Watched<OwnedFd>, Error> {
    let copy = fd.as_fd().try_clone_to_owned();
    let copy = copy.map_err(|source| Error::System {
        call: "dup",
        source,
    })?;
    poller
        .watch(copy, Token::Display)
        .map_err(|errno| Error::system("epoll_ctl", errno))
}
