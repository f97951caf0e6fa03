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
