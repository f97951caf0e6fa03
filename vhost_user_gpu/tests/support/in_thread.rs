//! The daemon in a thread of the test's process, where its patience can be chosen and its renderer looked into.

use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use conformance::wait::LIMIT;
use gpu_renderer::RenderQueue;
use gpu_renderer::testing::{Journal, Recording};
use vhost_user_gpu::Error;
use vhost_user_gpu::endpoint::Endpoint;
use vhost_user_gpu::remote_display::{RemoteDisplay, SharedPictures};
use vhost_user_gpu::serve::{Ended, Service, serve};
use vhost_user_gpu::signals::Signals;
use virtio_gpu::{Device, DeviceConfig};

pub type Serving = JoinHandle<Result<Ended, Error>>;

/// What renders for the daemon's guest.
pub enum Renderer {
    None,
    /// On a thread of its own.
    Recording(Recording),
    /// The same, whose pictures are handed over to the front end.
    Sharing(Recording),
}

impl Renderer {
    pub fn recording() -> (Self, Journal) {
        let (recording, journal) = Recording::new();
        (Self::Recording(recording), journal)
    }

    pub fn sharing() -> (Self, Journal) {
        let (recording, journal) = Recording::sharing();
        (Self::Sharing(recording), journal)
    }
}

/// A daemon at a place that its thread makes.
pub fn daemon(
    service: Service,
    renderer: Renderer,
    endpoint: impl FnOnce() -> Endpoint + Send + 'static,
) -> Serving {
    std::thread::spawn(move || {
        let config = DeviceConfig {
            scanouts: 16,
            ..DeviceConfig::default()
        };
        let signals = Signals::block().unwrap();
        let mut display = RemoteDisplay::new().unwrap();
        if let Renderer::Sharing(_) = renderer {
            display.set_shared_pictures(SharedPictures::Yes);
        }
        let device = match renderer {
            Renderer::None => Device::new(config, display),
            Renderer::Recording(recording) | Renderer::Sharing(recording) => {
                let starting = RenderQueue::thread(move || Ok(recording)).unwrap();
                let queue = starting.wait(Duration::from_secs(5)).unwrap();
                Device::with_renderer(config, display, queue)
            }
        };
        serve(device.unwrap(), endpoint(), service, signals)
    })
}

/// A daemon for one front end, and the connection to it.
pub fn connected(service: Service, renderer: Renderer) -> (UnixStream, Serving) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(LIMIT)).unwrap();
    let serving = daemon(service, renderer, || Endpoint::Connected(theirs));
    (ours, serving)
}
