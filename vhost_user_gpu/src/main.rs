//! The daemon `vhost-user-gpu`: a command line around the library.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use gpu_display::{Display, Headless, HeadlessConfig, Mode, Output};
use vhost_user_gpu::Error;
use vhost_user_gpu::args::{self, Args, DisplayChoice, Renderer, Request, Size};
use vhost_user_gpu::endpoint::Endpoint;
use vhost_user_gpu::remote_display::{FrontEndSocket, RemoteDisplay};
use vhost_user_gpu::renderer::{Started, Starting};
use vhost_user_gpu::serve::{Ended, Lifetime, Service, serve};
use vhost_user_gpu::signals::Signals;
use vhost_user_gpu::{exit, logger};
use virtio_gpu::{Device, DeviceConfig};

/// The exit status when something fails.
const FAILURE: u8 = 1;

/// The exit status for a command line that makes no sense.
const USAGE: u8 = 2;

/// Scanouts of the device when the front end shows them: all there can be, as the front end tells the guest how many
/// it sees.
const FRONTEND_SCANOUTS: u32 = 16;

/// The size of the headless display's one screen if none is given.
const HEADLESS_SIZE: Size = Size {
    width: 1280,
    height: 800,
};

/// The frame rate of headless screens, in thousandths of a hertz.
const HEADLESS_REFRESH: u32 = 60_000;

/// How long a renderer may take to start.
const RENDERER_START: Duration = Duration::from_secs(10);

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
    match &args.display {
        DisplayChoice::Frontend => daemon.run(RemoteDisplay::new()?, FRONTEND_SCANOUTS),
        DisplayChoice::Headless { directory } => {
            let outputs = headless_outputs(&args.scanout);
            let scanouts = u32::try_from(outputs.len()).unwrap_or(FRONTEND_SCANOUTS);
            let display = match directory {
                None => Headless::unseen(outputs),
                Some(directory) => Headless::new(HeadlessConfig {
                    outputs,
                    directory: Some(directory.clone()),
                })
                .map_err(Error::Display)?,
            };
            daemon.run(display, scanouts)
        }
    }
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
    fn run<D: Display + FrontEndSocket>(self, display: D, scanouts: u32) -> Result<Ended, Error> {
        let config = DeviceConfig {
            scanouts,
            ..DeviceConfig::default()
        };
        let device = match self.renderer.finish(RENDERER_START, &self.signals)? {
            Started::Terminated => return Ok(Ended::Terminated),
            Started::None => Device::new(config, display),
            Started::Renderer(queue) => Device::with_renderer(config, display, queue),
        }
        .map_err(Error::Device)?;
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
        serve(device, endpoint, service, self.signals)
    }
}

/// Screens side by side.
fn headless_outputs(sizes: &[Size]) -> Vec<Output> {
    let sizes = if sizes.is_empty() {
        &[HEADLESS_SIZE]
    } else {
        sizes
    };
    let mut x = 0_u32;
    sizes
        .iter()
        .map(|size| {
            let output = Output {
                enabled: true,
                x,
                y: 0,
                mode: Mode {
                    width: size.width,
                    height: size.height,
                    refresh_millihertz: HEADLESS_REFRESH,
                },
                width_mm: 0,
                height_mm: 0,
            };
            x = x.saturating_add(size.width);
            output
        })
        .collect()
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
