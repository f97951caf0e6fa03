//! The daemon `vhost-user-gpu`: a command line around the library.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use vhost_user_gpu::Error;
use vhost_user_gpu::args::{self, Args, Renderer, Request};
use vhost_user_gpu::bridge::Bridge;
use vhost_user_gpu::endpoint::Endpoint;
use vhost_user_gpu::input::InputSockets;
use vhost_user_gpu::renderer::{Started, Starting, scanout_images};
use vhost_user_gpu::screens::Screens;
use vhost_user_gpu::serve::{Ended, Lifetime, Reach, Service, serve};
use vhost_user_gpu::signals::Signals;
use vhost_user_gpu::{exit, guest_blobs, logger};
use virtio_gpu::Device;

/// The exit status when something fails.
const FAILURE: u8 = 1;

/// The exit status for a command line that makes no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match args::parse(&arguments) {
        Ok(Request::Print(text)) => print(&text),
        Ok(Request::Serve(args)) => {
            let status = status_of(&run(&args));
            match args.renderer() {
                Renderer::None => ExitCode::from(status),
                Renderer::Auto | Renderer::Virgl => exit::at_once(status),
            }
        }
        Err(error) => {
            complain(&error.message, Some("see `vhost-user-gpu --help`"));
            ExitCode::from(USAGE)
        }
    }
}

/// Says how it ended, and what the exit status is.
fn status_of(result: &Result<Ended, Error>) -> u8 {
    match result {
        Ok(Ended::FrontEndGone) => log::info!("the front end has gone"),
        Ok(Ended::Terminated) => log::info!("terminated"),
        Err(error) => {
            complain(&error.chain(), error.hint());
            return FAILURE;
        }
    }
    0
}

fn run(args: &Args) -> Result<Ended, Error> {
    // Before anything else is opened, so that the number can mean nothing but what was inherited.
    let inherited = args.fd.map(Endpoint::inherit).transpose()?;
    let rust_log = std::env::var("RUST_LOG").ok();
    logger::install(args::log_level(args, rust_log.as_deref()));
    let signals = Signals::block()?;
    let daemon = Daemon {
        args,
        renderer: Starting::begin(args.into()),
        inherited,
        signals,
    };
    let input = InputSockets::bind(args)?;
    let mut screens = Screens::new(args.display.clone(), &args.scanout, input)?;
    screens.set_shared_pictures(args.shared_pictures());
    daemon.run(screens)
}

/// What there is before the device.
struct Daemon<'a> {
    args: &'a Args,
    renderer: Starting,
    inherited: Option<Endpoint>,
    signals: Signals,
}

impl Daemon<'_> {
    /// Makes the device, and only then a socket: whoever finds it can count on the device.
    fn run(self, display: Screens) -> Result<Ended, Error> {
        let scanouts = display.scanouts();
        let blobs = self.args.guest_blobs();
        let patience = self.args.renderer_start_limit;
        let device = match self.renderer.finish(patience, &self.signals)? {
            Started::Terminated => return Ok(Ended::Terminated),
            Started::None => Device::builder(display)
                .scanouts(scanouts)
                .guest_blobs(guest_blobs::offered(blobs))
                .build(),
            Started::Renderer(queue) => {
                guest_blobs::decline(blobs);
                let images = scanout_images::allocator(self.args.render_node.as_deref(), &queue);
                let device = Device::builder(display).scanouts(scanouts).renderer(queue);
                device.build().map(|mut device| {
                    if let Some(images) = images {
                        device.set_scanout_allocator(images);
                    }
                    device
                })
            }
        }
        .map_err(Error::Device)?;
        let bridge = Bridge::bind(&self.args.resource_bridge)?;
        let endpoint = match (self.inherited, &self.args.socket_path) {
            (Some(endpoint), _) => endpoint,
            (None, Some(path)) => {
                let endpoint = Endpoint::bind(path)?;
                log::info!("waiting for a front end at {}", path.display());
                endpoint
            }
            (None, None) => return Err(Error::NotASocket { fd: -1 }),
        };
        let lifetime = if self.args.persistent {
            Lifetime::UntilTerminated
        } else {
            Lifetime::OneFrontEnd
        };
        let service = Service {
            lifetime,
            ..Service::default()
        };
        let reach = Reach { endpoint, bridge };
        serve(device, reach, service, self.signals)
    }
}

/// Prints to standard output, which may be gone.
fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says on standard error what is wrong and what may help; standard error may be gone.
fn complain(message: &str, hint: Option<&str>) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "error: {message}");
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}
