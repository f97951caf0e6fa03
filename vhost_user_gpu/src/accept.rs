//! Waiting for the next front end.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::Error;
use crate::endpoint::Listener;
use crate::poller::{Deadline, Poller, Token};

/// How long a refusal of the system is left alone before it is asked again.
const BACK_OFF: Duration = Duration::from_millis(200);

/// The next connection; nothing if a signal comes before it.
///
/// A system that has no descriptor or no memory left is asked again after a while: the front end waits meanwhile.
/// `poller` has to wait for signals and for nothing else.
pub(crate) fn next_front_end(
    listener: &Listener,
    poller: &Poller,
) -> Result<Option<UnixStream>, Error> {
    let mut told = false;
    loop {
        match wait_and_accept(listener, poller) {
            Err(error) if error.is_shortage() => {
                if !told {
                    log::warn!("a front end has to wait: {}", error.chain());
                    told = true;
                }
            }
            result => return result,
        }
        if is_signalled_within(BACK_OFF, poller)? {
            return Ok(None);
        }
    }
}

/// Only here the listener is watched: a front end that has to wait for another one's end, or for the system, would
/// wake the daemon all the time.
fn wait_and_accept(listener: &Listener, poller: &Poller) -> Result<Option<UnixStream>, Error> {
    let _watched = poller
        .watch(listener.as_fd(), Token::Listener)
        .map_err(|errno| Error::system("epoll_ctl", errno))?;
    loop {
        let tokens = poller.wait(Deadline::Never)?;
        if tokens.contains(&Token::Signal) {
            return Ok(None);
        }
        if let Some(stream) = listener.accept()? {
            log::info!("a front end has connected");
            return Ok(Some(stream));
        }
    }
}

fn is_signalled_within(time: Duration, poller: &Poller) -> Result<bool, Error> {
    let now = Instant::now();
    let end = now.checked_add(time).unwrap_or(now);
    loop {
        if poller.wait(Deadline::At(end))?.contains(&Token::Signal) {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
    }
}
