//! Front ends, one after another: from each one's connection to its end, which leaves nothing of it behind.

use std::time::Duration;

use gpu_display::Display;
use virtio_gpu::Device;

use crate::Error;
use crate::accept::next_front_end;
use crate::bridge::Bridge;
use crate::endpoint::{Endpoint, Listener};
use crate::event_loop::{EventLoop, Rest, Watches};
use crate::poller::{Poller, Token, Watched};
use crate::remote_display::FrontEndSocket;
use crate::session::Session;
use crate::session::stall::Stall;
use crate::signals::Signals;

/// How long the end of the daemon waits for the renderer. It is a little more than what the device gives it to finish
/// what it has begun.
const FAREWELL: Duration = Duration::from_millis(700);

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
    /// How long the renderer may take to let go of the guest's memory when the front end wants that.
    pub renderer_patience: Duration,
}

impl Default for Service {
    /// One front end; ten seconds for it, and ten for the renderer.
    fn default() -> Self {
        Self {
            lifetime: Lifetime::OneFrontEnd,
            patience: Duration::from_secs(10),
            renderer_patience: Duration::from_secs(10),
        }
    }
}

/// How the device can be reached.
#[derive(Debug)]
pub struct Reach {
    /// By front ends.
    pub endpoint: Endpoint,
    /// By other device models, while there is a front end.
    pub bridge: Bridge,
}

impl From<Endpoint> for Reach {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            bridge: Bridge::default(),
        }
    }
}

/// Serves the front ends that `reach` leads to.
///
/// The socket file of its endpoint is removed when this returns, or as soon as the only front end is connected.
///
/// With a renderer on a thread the process should end when this has returned, without running exit handlers
/// ([`exit::at_once`](crate::exit::at_once)): a renderer that hangs is left where it is.
///
/// # Errors
///
/// What ends the only session ([`Error::ends_session`]), and what the system refuses while there is none. A lack of
/// descriptors or memory is waited out. [`Error::RendererStuck`]: then the guest's memory is not safe until the process
/// has ended.
pub fn serve<D: Display + FrontEndSocket>(
    mut device: Device<D>,
    reach: impl Into<Reach>,
    service: Service,
    signals: Signals,
) -> Result<Ended, Error> {
    let Reach {
        endpoint,
        mut bridge,
    } = reach.into();
    let poller = Poller::new()?;
    let signals = poller
        .watch(signals, Token::Signal)
        .map_err(|errno| Error::system("epoll_ctl", errno))?;
    let (mut stream, listener) = match endpoint {
        Endpoint::Connected(stream) => (stream, None),
        Endpoint::Listening(listener) => match next_front_end(&listener, &mut device, &poller)? {
            None => return Ok(Ended::Terminated),
            Some(stream) => {
                let goes_on = service.lifetime == Lifetime::UntilTerminated;
                (stream, goes_on.then_some(listener))
            }
        },
    };
    let server = Server {
        poller,
        signals,
        service,
        listener,
    };
    loop {
        let ended = match Watches::new(stream, &device, &bridge, &server.poller) {
            Err(error) => Err(error),
            Ok(watches) => match server.serve_one(device, watches, &mut bridge) {
                (None, ended) => return ended,
                (Some(as_new), ended) => {
                    device = as_new;
                    ended
                }
            },
        };
        let Some(listener) = &server.listener else {
            return ended;
        };
        match ended {
            Ok(_) => log::info!("the front end has gone"),
            Err(error) => log::warn!("the session has ended: {}", error.chain()),
        }
        match next_front_end(listener, &mut device, &server.poller)? {
            None => return Ok(Ended::Terminated),
            Some(next) => stream = next,
        }
    }
}

/// What all sessions share.
struct Server {
    poller: Poller,
    signals: Watched<Signals>,
    service: Service,
    /// Where further front ends come from, if any are to be served.
    listener: Option<Listener>,
}

impl Server {
    /// Serves a front end to its end and a little longer: what was taken from the rings is answered, and the renderer
    /// lets go of the guest's memory. The device comes back, as new, if there may be another front end.
    fn serve_one<D: Display + FrontEndSocket>(
        &self,
        device: Device<D>,
        watches: Watches,
        bridge: &mut Bridge,
    ) -> (Option<Device<D>>, Result<Ended, Error>) {
        let session = Session::new(device, self.poller.clone(), self.service.renderer_patience);
        let stall = Stall::new(self.service.patience);
        let mut event_loop = EventLoop::new(session, watches, bridge, stall, self.poller.clone());
        let ended = event_loop.run();
        let is_terminated = matches!(ended, Ok(Ended::Terminated));
        if is_terminated {
            self.signals.get_ref().take();
        }
        let goes_on = self.listener.is_some() && !is_terminated;
        let rest = match ended {
            Err(Error::RendererStuck { .. }) => Ok(Rest::Stuck),
            _ if goes_on => event_loop.bring_to_rest(self.service.renderer_patience),
            _ => event_loop.bring_to_rest(FAREWELL),
        };
        event_loop.stop_rings();
        event_loop.log_rendering();
        let ended = match rest {
            Ok(Rest::Quiet) if goes_on => {
                return (Some(event_loop.into_new_device()), ended);
            }
            Ok(Rest::Quiet) => return (None, ended),
            Ok(Rest::Interrupted) => Ok(Ended::Terminated),
            Ok(Rest::Stuck) if goes_on && ended.is_ok() => Err(Error::RendererStuck {
                patience: self.service.renderer_patience,
            }),
            Ok(Rest::Stuck) => ended,
            Err(error) => Err(error),
        };
        // Dropping the device would wait for its renderer.
        std::mem::forget(event_loop);
        (None, ended)
    }
}
