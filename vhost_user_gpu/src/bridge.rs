//! Other device models that ask for the guest's resources, while a front end is served.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Instant;

use gpu_display::Display;
use msg_socket::Listener;
use resource_bridge::{Server, ServerConfig};
use virtio_gpu::Device;

use crate::Error;

/// The sockets over which they ask; by default there are none.
///
/// Whoever may connect to such a socket gets every resource: the permissions of its directory are the policy.
#[derive(Debug, Default)]
pub struct Bridge {
    server: Option<Server>,
    /// Something was reported that was not looked at.
    pending: bool,
}

impl Bridge {
    /// Creates a socket at each of `paths`. Their files are removed with the bridge.
    ///
    /// # Errors
    ///
    /// [`Error::Bridge`].
    pub fn bind(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut bridge = Self::default();
        for path in paths {
            let failed = |source| Error::Bridge {
                path: path.clone(),
                source,
            };
            let server = match &mut bridge.server {
                Some(server) => server,
                none => none.insert(Server::new(ServerConfig::default()).map_err(failed)?),
            };
            let listener = Listener::bind(path).map_err(|error| failed(error.into()))?;
            server.listen(listener).map_err(failed)?;
            log::info!("resources can be asked for at {}", path.display());
        }
        Ok(bridge)
    }

    /// Readable when somebody connects or asks.
    pub(crate) fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        self.server.as_ref().map(AsFd::as_fd)
    }

    /// Has the next turn look at what was reported.
    pub(crate) fn is_due(&mut self) {
        self.pending = true;
    }

    /// When there is something to do at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.server.as_ref()?.deadline()
    }

    /// Whether something has been shared that somebody waits for. It may have come at any time, also while the renderer
    /// was brought to rest, and nothing else may happen for long.
    pub(crate) fn can_answer<D: Display>(&self, device: &Device<D>) -> bool {
        let is_waiting = self.server.as_ref().is_some_and(Server::is_waiting);
        is_waiting && device.backend().has_exports()
    }

    /// Answers those who ask, for one bounded turn.
    pub(crate) fn run_turn<D: Display>(&mut self, device: &mut Device<D>) {
        let Some(server) = &mut self.server else {
            return;
        };
        let now = Instant::now();
        let is_late = server.deadline().is_some_and(|due| due <= now);
        if !std::mem::take(&mut self.pending) && !is_late && !server.is_waiting() {
            return;
        }
        if let Err(error) = server.dispatch(device, now) {
            log::error!("no more resources are shared: {error}");
            self.server = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::time::Duration;

    use gpu_display::Headless;
    use gpu_renderer::RenderQueue;
    use gpu_renderer::testing::Recording;
    use msg_socket::{Socket, Wait};
    use resource_bridge::{Reason, Request, Response};
    use virtio_gpu::protocol::{Command, ContextId, Features};
    use virtio_gpu::testing::{Driver, guest_memory, header};
    use virtio_gpu::{DeviceConfig, Progress, QueueIndex};

    use super::*;
    use crate::event_loop::{EventLoop, Rest, Watches};
    use crate::poller::Poller;
    use crate::session::Session;
    use crate::session::stall::Stall;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A device whose driver has the fence 1 behind it.
    fn device() -> Device<Headless> {
        let (recording, _journal) = Recording::sharing();
        let queue = RenderQueue::inline(Box::new(recording));
        let display = Headless::unseen(Vec::new());
        let config = DeviceConfig::default();
        let mut device = Device::with_renderer(config, display, queue).unwrap();
        let features = Features::VERSION_1 | Features::VIRGL;
        device.acknowledge_features(features.bits()).unwrap();
        let memory = guest_memory(16 << 20);
        device.set_memory(memory.clone());
        let mut driver = Driver::new(memory);
        let setup = driver.ring(QueueIndex::Control).setup();
        let _ = device.start_queue(QueueIndex::Control, &setup).unwrap();
        let command = Command::CtxCreate {
            name: b"x",
            context_init: 0,
        };
        let mut header = header(&command, Some(1));
        header.context = ContextId(1);
        driver.send_bytes(QueueIndex::Control, &command.encode(&header), 24);
        let _ = device.process_queue(QueueIndex::Control, Instant::now());
        device
    }

    /// Somebody who has asked for the fence 1, and waits for it.
    fn client_that_waits(
        bridge: &mut Bridge,
        path: &Path,
        device: &mut Device<Headless>,
    ) -> Socket<Request, Response> {
        let mut client = Socket::<Request, Response>::connect(path, Wait::DontWait).unwrap();
        client
            .send(&Request::GetFence { seqno: 1 }, Wait::DontWait)
            .unwrap();
        let end = Instant::now() + LIMIT;
        while !bridge.server.as_ref().is_some_and(Server::is_waiting) {
            assert!(Instant::now() < end);
            bridge.is_due();
            bridge.run_turn(device);
        }
        client
    }

    /// What serves a front end that has gone.
    fn session(bridge: &mut Bridge, device: Device<Headless>) -> EventLoop<'_, Headless> {
        let poller = Poller::new().unwrap();
        let (_, stream) = UnixStream::pair().unwrap();
        let watches = Watches::new(stream, &device, bridge, &poller).unwrap();
        let session = Session::new(device, poller.clone(), LIMIT);
        EventLoop::new(session, watches, bridge, Stall::new(LIMIT), poller)
    }

    #[test]
    fn what_comes_with_the_end_of_a_session_is_answered_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bridge");
        let mut bridge = Bridge::bind(std::slice::from_ref(&path)).unwrap();
        let mut device = device();
        let mut client = client_that_waits(&mut bridge, &path, &mut device);
        let mut ends = session(&mut bridge, device);

        assert_eq!(ends.bring_to_rest(LIMIT).unwrap(), Rest::Quiet);
        let _as_new = ends.into_new_device();

        let answer = client.recv(Wait::DontWait);
        assert!(matches!(answer, Ok(Response::Fence(_))), "{answer:?}");
    }

    #[test]
    fn what_the_end_of_a_session_leaves_undone_is_gone_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bridge");
        let mut bridge = Bridge::bind(std::slice::from_ref(&path)).unwrap();
        let mut device = device();
        let mut client = client_that_waits(&mut bridge, &path, &mut device);

        let _as_new = session(&mut bridge, device).into_new_device();

        let answer = client.recv(Wait::DontWait);
        assert!(
            matches!(answer, Ok(Response::Invalid(Reason::Gone))),
            "{answer:?}"
        );
    }

    #[test]
    fn what_was_shared_while_the_renderer_came_to_rest_is_answered_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bridge");
        let mut bridge = Bridge::bind(std::slice::from_ref(&path)).unwrap();
        let mut device = device();
        let mut client = client_that_waits(&mut bridge, &path, &mut device);
        assert!(
            !bridge.can_answer(&device),
            "the renderer was not asked yet"
        );

        let rest = device.quiesce(Instant::now());

        assert_eq!(rest.progress, Progress::Done);
        assert!(bridge.can_answer(&device));
        bridge.run_turn(&mut device);
        assert!(!bridge.can_answer(&device));
        let answer = client.recv(Wait::DontWait);
        assert!(matches!(answer, Ok(Response::Fence(_))), "{answer:?}");
        client
            .send(&Request::GetFence { seqno: 2 }, Wait::DontWait)
            .unwrap();
        bridge.is_due();
        bridge.run_turn(&mut device);
        let answer = client.recv(Wait::DontWait);
        assert!(
            matches!(answer, Ok(Response::Invalid(Reason::UnknownFence))),
            "{answer:?}"
        );
    }
}
