//! The command line, in the conventions of vhost-user back ends and of QEMU's own daemon.

use std::ffi::OsString;
use std::num::ParseIntError;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, ValueEnum};
use gpu_display::AbsoluteAxes;
use log::LevelFilter;

use crate::guest_blobs::Asked;
use crate::remote_display::SharedPictures;

/// The most scanouts that a virtio-gpu device has (VIRTIO 1.4 §5.7.6.8, VIRTIO_GPU_MAX_SCANOUTS).
const MAX_SCANOUTS: usize = 16;

/// The largest side of a scanout in pixels.
const MAX_SIDE: u32 = 16_384;

/// The highest refresh rate.
const MAX_HERTZ: u32 = 1_000;

/// The refresh rate of a screen of which none is given: the display chooses.
pub const DEFAULT_REFRESH: u32 = 0;

/// The longest that a renderer may take to start, in seconds.
const MAX_RENDERER_START: u32 = 3_600;

/// The largest value that an axis of a device can have (`virtio_input_absinfo` is signed for Linux).
const MAX_AXIS: u32 = i32::MAX.unsigned_abs();

/// A virtio-gpu device for QEMU, as a vhost-user daemon.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "vhost-user-gpu", version)]
#[command(group = ArgGroup::new("socket").required(true).args(["socket_path", "fd"]))]
pub struct Args {
    /// Create a Unix socket here and wait for one front end
    #[arg(short = 's', long, value_name = "PATH")]
    pub socket_path: Option<PathBuf>,

    /// Use this inherited Unix stream socket, connected or listening
    #[arg(short = 'f', long, value_name = "FDNUM")]
    pub fd: Option<i32>,

    /// Serve one front end after another on the same socket, until SIGTERM
    #[arg(long)]
    pub persistent: bool,

    /// Where the guest's screens are shown: `auto`, `frontend` (the front end shows them), `wayland[=SOCKET]`,
    /// `x11[=:N]`, `headless`, or `headless=DIR` (the newest picture of each screen is kept in DIR). `auto` takes the
    /// front end if it gives a display socket, else the desktop that $WAYLAND_DISPLAY or $DISPLAY names, else none
    #[arg(long, value_name = "DISPLAY", default_value = "auto", value_parser = parse_display)]
    pub display: DisplayChoice,

    /// What renders 3D for the guest
    #[arg(long, value_name = "RENDERER", default_value = "auto")]
    renderer: Renderer,

    /// The same as `--renderer virgl`
    #[arg(short = 'v', long)]
    virgl: bool,

    /// Let other device models ask for the guest's resources over a socket that is created here; may be repeated
    #[arg(long, value_name = "PATH")]
    pub resource_bridge: Vec<PathBuf>,

    /// Render on this node of a GPU, as /dev/dri/renderD128; without one EGL chooses, and does without a GPU
    #[arg(short = 'r', long, value_name = "PATH")]
    pub render_node: Option<PathBuf>,

    /// How many seconds the renderer may take to start; one that is later counts as one that cannot be had
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_start_limit)]
    pub renderer_start_limit: Duration,

    /// The capability sets to offer to the guest, in this order [default: all of them]
    #[arg(long, value_name = "SET,…", value_delimiter = ',')]
    pub capsets: Vec<Capset>,

    /// The front end draws with GL (QEMU: `-display …,gl=on`), which it does not say by itself: hand it what a GPU
    /// draws, instead of pixels. A front end without GL shows nothing then
    #[arg(long)]
    frontend_gl: bool,

    /// Offer blobs of the guest's memory (VIRTIO_GPU_F_RESOURCE_BLOB) where nothing renders: a display that takes
    /// dma-bufs shows them without a copy if the host has /dev/udmabuf. For front ends that pass the device's features
    /// on; QEMU's `vhost-user-gpu` does not
    #[arg(long)]
    guest_blobs: bool,

    /// Size of a screen that the front end does not show, and its refresh rate; once for each screen
    /// [default: 1280x800; without a rate that of the monitor, if it is known, or 60 Hz]
    #[arg(long, value_name = "WIDTHxHEIGHT[@HZ]", value_parser = parse_screen)]
    pub scanout: Vec<Screen>,

    /// Tell a device of the guest what is typed in the windows, over a socket that is created here
    #[arg(long, value_name = "PATH")]
    pub input_keyboard: Option<PathBuf>,

    /// The same for a mouse: steps, buttons and wheel
    #[arg(long, value_name = "PATH")]
    pub input_mouse: Option<PathBuf>,

    /// The same for a tablet: places, buttons and wheel
    #[arg(long, value_name = "PATH")]
    pub input_tablet: Option<PathBuf>,

    /// The same for a touchscreen
    #[arg(long, value_name = "PATH")]
    pub input_touchscreen: Option<PathBuf>,

    /// The largest values of the axes of tablet and touchscreen
    #[arg(long, value_name = "XxY", default_value = "32767x32767", value_parser = parse_axes)]
    pub input_axes: AbsoluteAxes,

    /// Print what this back end can do as JSON, and end; all other arguments are ignored
    #[arg(short = 'c', long)]
    pub print_capabilities: bool,

    /// The most detailed log lines to write [default: RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL", value_parser = parse_level)]
    pub log_level: Option<LevelFilter>,
}

/// Where the guest's screens are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisplayChoice {
    /// By the front end if it hands over a socket, else on the desktop that the environment names, else nowhere.
    Auto,
    /// By the front end, through the socket it hands over with GPU_SET_SOCKET.
    Frontend,
    /// In windows of a Wayland compositor.
    Wayland {
        /// Its socket, in `$XDG_RUNTIME_DIR` unless the path is absolute; by default the environment's.
        socket: Option<PathBuf>,
    },
    /// In windows of an X server.
    X11 {
        /// The server, as `:0`; by default the environment's.
        server: Option<String>,
    },
    /// Nowhere.
    Headless {
        /// Where the newest picture of each screen is kept.
        directory: Option<PathBuf>,
    },
}

/// What renders 3D for the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Renderer {
    /// Virgl if it works here, else nothing; a log line says which, and why
    Auto,
    /// Nothing: the device is 2D only
    None,
    /// OpenGL with virglrenderer, or the program ends
    Virgl,
}

/// A set of capabilities for guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Capset {
    /// OpenGL, first edition
    Virgl,
    /// OpenGL, current edition
    Virgl2,
}

impl Args {
    /// Whether the front end is handed what a GPU draws.
    #[must_use]
    pub const fn shared_pictures(&self) -> SharedPictures {
        if self.frontend_gl {
            SharedPictures::Yes
        } else {
            SharedPictures::No
        }
    }

    /// Whether blobs of the guest's memory are offered where nothing renders.
    #[must_use]
    pub const fn guest_blobs(&self) -> Asked {
        if self.guest_blobs {
            Asked::Yes
        } else {
            Asked::No
        }
    }

    /// What renders 3D for the guest.
    #[must_use]
    pub const fn renderer(&self) -> Renderer {
        if self.virgl {
            Renderer::Virgl
        } else {
            self.renderer
        }
    }
}

/// A screen as the guest is asked to use it at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Thousandths of a hertz.
    pub refresh_millihertz: u32,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one in a process, for a moment"
)]
pub enum Request {
    /// Serve a front end.
    Serve(Args),
    /// Print this text to standard output and end.
    Print(String),
}

/// A command line that makes no sense: what is wrong with it, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// What is wrong.
    pub message: String,
}

/// Reads a command line; `arguments` begins with the program's name.
///
/// # Errors
///
/// [`UsageError`] for anything the program does not know or cannot combine.
pub fn parse(arguments: &[OsString]) -> Result<Request, UsageError> {
    let asks_capabilities = arguments
        .iter()
        .skip(1)
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == "-c" || argument == "--print-capabilities");
    if asks_capabilities {
        let line = format!("{}\n", crate::capabilities::CAPABILITIES);
        return Ok(Request::Print(line));
    }
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) if error.use_stderr() => return Err(usage_error(&error.to_string())),
        Err(help_or_version) => return Ok(Request::Print(help_or_version.to_string())),
    };
    if args.scanout.len() > MAX_SCANOUTS {
        return Err(UsageError {
            message: format!(
                "--scanout was given {} times, at most {MAX_SCANOUTS} are possible",
                args.scanout.len()
            ),
        });
    }
    if !args.scanout.is_empty() && args.display == DisplayChoice::Frontend {
        return Err(UsageError {
            message: "--scanout needs another --display: where the front end shows the screens, it sets their sizes"
                .to_owned(),
        });
    }
    if args.renderer == Renderer::None {
        let contradictions = [
            ("--virgl", args.virgl),
            ("--render-node", args.render_node.is_some()),
            ("--capsets", !args.capsets.is_empty()),
        ];
        if let Some((option, _)) = contradictions.iter().find(|(_, given)| *given) {
            return Err(UsageError {
                message: format!("{option} cannot be used with --renderer none"),
            });
        }
    }
    Ok(Request::Serve(args))
}

/// The level to log at: the command line's, else that of `RUST_LOG`, else info.
///
/// `RUST_LOG` may be any list that env_logger takes; only its plain level counts here.
#[must_use]
pub fn log_level(args: &Args, rust_log: Option<&str>) -> LevelFilter {
    let from_environment = || {
        rust_log?
            .split(',')
            .find_map(|directive| directive.trim().parse().ok())
    };
    args.log_level
        .or_else(from_environment)
        .unwrap_or(LevelFilter::Info)
}

/// The first paragraph of clap's message on one line, without its "error: ".
fn usage_error(rendered: &str) -> UsageError {
    let paragraph: Vec<&str> = rendered
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .map(str::trim)
        .collect();
    let line = paragraph.join(" ");
    UsageError {
        message: line.strip_prefix("error: ").unwrap_or(&line).to_owned(),
    }
}

fn parse_display(text: &str) -> Result<DisplayChoice, String> {
    let (kind, place) = match text.split_once('=') {
        None => (text, None),
        Some((_, "")) => return Err(format!("nothing follows {text}")),
        Some((kind, place)) => (kind, Some(place)),
    };
    Ok(match (kind, place) {
        ("auto", None) => DisplayChoice::Auto,
        ("frontend", None) => DisplayChoice::Frontend,
        ("wayland", socket) => DisplayChoice::Wayland {
            socket: socket.map(PathBuf::from),
        },
        ("x11", server) => DisplayChoice::X11 {
            server: server.map(str::to_owned),
        },
        ("headless", directory) => DisplayChoice::Headless {
            directory: directory.map(PathBuf::from),
        },
        _ => {
            return Err(
                "known are auto, frontend, wayland[=SOCKET], x11[=:N] and headless[=DIR]"
                    .to_owned(),
            );
        }
    })
}

fn parse_screen(text: &str) -> Result<Screen, String> {
    let (size, refresh) = match text.split_once('@') {
        None => (text, DEFAULT_REFRESH),
        Some((size, hertz)) => (size, parse_refresh(hertz)?),
    };
    let (width, height) = size
        .split_once('x')
        .ok_or("a screen looks like 1280x800 or 1280x800@60")?;
    let side = |digits: &str| number(digits, 1..=MAX_SIDE, "pixels");
    Ok(Screen {
        width: side(width)?,
        height: side(height)?,
        refresh_millihertz: refresh,
    })
}

/// A rate in hertz, with up to three decimals, in thousandths.
fn parse_refresh(text: &str) -> Result<u32, String> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a refresh rate looks like 60 or 59.94".to_owned());
    }
    number(whole, 0..=MAX_HERTZ, "hertz")?;
    let thousandths = format!("{whole}{decimals:0<3}");
    let range = 1_000..=MAX_HERTZ.saturating_mul(1_000);
    number(&thousandths, range, "thousandths of a hertz")
}

fn parse_start_limit(text: &str) -> Result<Duration, String> {
    let seconds = number(text, 1..=MAX_RENDERER_START, "seconds")?;
    Ok(Duration::from_secs(seconds.into()))
}

fn parse_axes(text: &str) -> Result<AbsoluteAxes, String> {
    let (x, y) = text.split_once('x').ok_or("axes look like 32767x32767")?;
    let axis = |digits: &str| number(digits, 1..=MAX_AXIS, "steps");
    Ok(AbsoluteAxes {
        x: axis(x)?,
        y: axis(y)?,
    })
}

fn number(digits: &str, range: RangeInclusive<u32>, what: &str) -> Result<u32, String> {
    let value: u32 = digits
        .parse()
        .map_err(|error: ParseIntError| error.to_string())?;
    if range.contains(&value) {
        Ok(value)
    } else {
        let (least, most) = range.into_inner();
        Err(format!("{value} is not from {least} to {most} {what}"))
    }
}

fn parse_level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        _ => Err("known are error, warn, info, debug and trace".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(line: &[&str], rust_log: Option<&str>) -> LevelFilter {
        let line: Vec<OsString> = ["vhost-user-gpu", "--fd", "3"]
            .iter()
            .chain(line)
            .map(OsString::from)
            .collect();
        let Ok(Request::Serve(args)) = parse(&line) else {
            panic!("{line:?} is a good command line");
        };
        log_level(&args, rust_log)
    }

    #[test]
    fn a_screen_is_a_size_and_may_have_a_rate() {
        let screen = |text| parse_screen(text).map(|s| (s.width, s.height, s.refresh_millihertz));

        assert_eq!(screen("1280x800"), Ok((1280, 800, 0)));
        assert_eq!(screen("1920x1080@144"), Ok((1920, 1080, 144_000)));
        assert_eq!(screen("640x480@59.94"), Ok((640, 480, 59_940)));
        for wrong in ["640x480@", "640x480@-1", "640x480@6.x", "640x480@1000.001"] {
            assert!(screen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_renderer_may_take_from_a_second_to_an_hour_to_start() {
        assert_eq!(parse_start_limit("1"), Ok(Duration::from_secs(1)));
        assert_eq!(parse_start_limit("3600"), Ok(Duration::from_secs(3600)));
        for wrong in ["0", "3601", "1.5", "-1", ""] {
            assert!(parse_start_limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_display_is_a_kind_and_may_have_a_place() {
        let display = |text| parse_display(text).unwrap();

        assert_eq!(display("auto"), DisplayChoice::Auto);
        let socket = Some(PathBuf::from("wayland-1"));
        assert_eq!(
            display("wayland=wayland-1"),
            DisplayChoice::Wayland { socket }
        );
        let server = Some(":1=2".to_owned());
        assert_eq!(display("x11=:1=2"), DisplayChoice::X11 { server });
        for wrong in ["auto=1", "frontend=x", "x11=", "wayland =a", ""] {
            assert!(parse_display(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_log_level_is_the_command_lines_else_rust_logs_else_info() {
        assert_eq!(
            level(&["--log-level", "error"], Some("trace")),
            LevelFilter::Error
        );
        assert_eq!(level(&[], Some("debug")), LevelFilter::Debug);
        assert_eq!(level(&[], Some("virtio_gpu=trace,warn")), LevelFilter::Warn);
        assert_eq!(level(&[], Some("nonsense")), LevelFilter::Info);
        assert_eq!(level(&[], None), LevelFilter::Info);
    }
}
