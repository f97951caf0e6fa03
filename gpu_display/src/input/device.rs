//! Devices of the guest: input in virtio-input's format over a socket.
//!
//! Each event is what `VIRTIO 1.4 §5.8.6` puts into a buffer of the event queue: type and code in 16
//! bits, value in 32, all little-endian. Events that belong together end with `SYN_REPORT`.

mod encode;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use self::encode::Encoder;
use super::{Input, InputQueue};

/// Bytes that wait for a device that does not read: 512 events.
const MAX_PENDING: usize = 4096;

/// How long until a device that did not read is looked at again.
const PAUSE: Duration = Duration::from_millis(20);

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventDeviceKind {
    /// Keys.
    Keyboard,
    /// Steps, buttons and a wheel.
    Mouse,
    /// Places, buttons and a wheel.
    Tablet(AbsoluteAxes),
    /// Up to ten fingers (multi-touch protocol B).
    Touchscreen(AbsoluteAxes),
}

/// The largest values of a device's axes, as the guest was told them. The smallest are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsoluteAxes {
    /// Of `ABS_X`.
    pub x: u32,
    /// Of `ABS_Y`.
    pub y: u32,
}

/// A device of the guest that is told of input over a stream socket.
///
/// A device that does not read is not waited for: at most 512 events are kept, then they are dropped,
/// and when it reads again, all that it believes to be down goes up. What it sends, such as the state
/// of LEDs, is read and ignored.
#[derive(Debug)]
pub struct EventDevice {
    socket: UnixStream,
    output: Option<u32>,
    encoder: Encoder,
    pending: Vec<u8>,
    /// Whether something was dropped.
    overflown: bool,
}

impl EventDevice {
    /// A device that is told of input in the window of one output, or of all of them.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking.
    pub fn new(socket: UnixStream, kind: EventDeviceKind, output: Option<u32>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            output,
            encoder: Encoder::new(kind),
            pending: Vec::new(),
            overflown: false,
        })
    }

    /// Tells the device of an event, if it is one for it.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn send(&mut self, input: &Input) -> io::Result<()> {
        if self.output.is_some_and(|output| output != input.output) {
            return Ok(());
        }
        let start = self.pending.len();
        if self.overflown || start >= MAX_PENDING {
            self.overflown = true;
        } else {
            self.encoder.encode(input, &mut self.pending);
        }
        self.flush()
    }

    /// Sends what waits, as far as the device reads.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        loop {
            self.write_pending()?;
            if !self.pending.is_empty() || !self.overflown {
                break;
            }
            self.overflown = false;
            self.encoder.release_all(&mut self.pending);
        }
        self.ignore_status()
    }

    /// Whether something waits for the device to read.
    pub fn is_pending(&self) -> bool {
        self.overflown || !self.pending.is_empty()
    }

    fn write_pending(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            match self.socket.write(&self.pending) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.pending.drain(..written.min(self.pending.len()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the device sends must not fill its socket, or it would wait.
    fn ignore_status(&mut self) -> io::Result<()> {
        let mut bytes = [0; 512];
        match self.socket.read(&mut bytes) {
            Ok(0) => Err(io::ErrorKind::ConnectionReset.into()),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The devices that a display tells of input.
#[derive(Debug, Default)]
pub struct EventDevices {
    devices: Vec<EventDevice>,
    /// When to look again at those that did not read.
    due: Option<Instant>,
}

impl EventDevices {
    /// Adds one.
    pub fn attach(&mut self, device: EventDevice) {
        self.devices.push(device);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Tells the devices all that waits, if there are any. One that is gone is forgotten.
    pub fn take_from(&mut self, queue: &mut InputQueue, now: Instant) {
        self.keep(EventDevice::flush);
        while !self.devices.is_empty()
            && let Some(input) = queue.take_next()
        {
            self.keep(|device| device.send(&input));
        }
        let pending = self.devices.iter().any(EventDevice::is_pending);
        self.due = pending.then(|| now.checked_add(PAUSE).unwrap_or(now));
    }

    /// When to call [`EventDevices::take_from`] even if nothing happened.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    fn keep(&mut self, mut work: impl FnMut(&mut EventDevice) -> io::Result<()>) {
        self.devices.retain_mut(|device| match work(device) {
            Ok(()) => true,
            Err(error) => {
                log::warn!("an input device is gone: {error}");
                false
            }
        });
    }
}
