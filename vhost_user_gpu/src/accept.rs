//! Waiting for the next front end. The display is served meanwhile: its windows, if it has some, go on.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use gpu_display::Display;
use nix::errno::Errno;
use virtio_gpu::{Device, Turn};

use crate::Error;
use crate::endpoint::Listener;
use crate::poller::{Deadline, Poller, Token, Watched};

/// How long a refusal of the system is left alone before it is asked again.
const BACK_OFF: Duration = Duration::from_millis(200);

/// The next connection; nothing if a signal comes before it.
///
/// A system that has no descriptor or no memory left is asked again after a while: the front end waits meanwhile.
/// `poller` has to wait for signals and for nothing else.
pub(crate) fn next_front_end<D: Display>(
    listener: &Listener,
    device: &mut Device<D>,
    poller: &Poller,
) -> Result<Option<UnixStream>, Error> {
    // Given back before the session needs it.
    let _display = match watch_display(device, poller) {
        Ok(watched) => watched,
        Err(error) => {
            log::warn!("the display has to wait, too: {}", error.chain());
            None
        }
    };
    let mut told = false;
    loop {
        match wait_and_accept(listener, device, poller) {
            Err(error) if error.is_shortage() => {
                if !told {
                    log::warn!("a front end has to wait: {}", error.chain());
                    told = true;
                }
            }
            result => return result,
        }
        if is_signalled_within(BACK_OFF, device, poller)? {
            return Ok(None);
        }
    }
}

fn watch_display<D: Display>(
    device: &Device<D>,
    poller: &Poller,
) -> Result<Option<Watched>, Error> {
    let Some(display) = device.display().poll_fd() else {
        return Ok(None);
    };
    let display = display.fd.try_clone_to_owned();
    let display = display.map_err(|source| Error::System {
        call: "dup",
        source,
    })?;
    let watched = poller.watch(display, Token::Display);
    watched.map(Some).map_err(cannot_watch)
}

fn cannot_watch(errno: Errno) -> Error {
    Error::system("epoll_ctl", errno)
}

/// Only here the listener is watched: a front end that has to wait for another one's end, or for the system, would
/// wake the daemon all the time.
fn wait_and_accept<D: Display>(
    listener: &Listener,
    device: &mut Device<D>,
    poller: &Poller,
) -> Result<Option<UnixStream>, Error> {
    let _watched = poller
        .watch(listener.as_fd(), Token::Listener)
        .map_err(cannot_watch)?;
    loop {
        if wait(device, poller, None)?.contains(&Token::Signal) {
            return Ok(None);
        }
        if let Some(stream) = listener.accept()? {
            log::info!("a front end has connected");
            return Ok(Some(stream));
        }
    }
}

fn is_signalled_within<D: Display>(
    time: Duration,
    device: &mut Device<D>,
    poller: &Poller,
) -> Result<bool, Error> {
    let now = Instant::now();
    let end = now.checked_add(time).unwrap_or(now);
    loop {
        if wait(device, poller, Some(end))?.contains(&Token::Signal) {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
    }
}

/// Waits until something happens, and no longer than until `end`. The display has its turn.
fn wait<D: Display>(
    device: &mut Device<D>,
    poller: &Poller,
    end: Option<Instant>,
) -> Result<Vec<Token>, Error> {
    let deadlines = [device.display().deadline(), end];
    let deadline = deadlines.into_iter().flatten().min();
    let tokens = poller.wait(deadline.map_or(Deadline::Never, Deadline::At))?;
    // There is no guest to raise interrupts for.
    let _: Turn = device.dispatch_display(Instant::now());
    Ok(tokens)
}
