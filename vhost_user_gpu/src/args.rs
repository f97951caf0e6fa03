//! The command line, in the conventions of vhost-user back ends and of QEMU's own daemon.

use std::ffi::OsString;
use std::num::ParseIntError;
use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use log::LevelFilter;

/// The most scanouts that a virtio-gpu device has (VIRTIO 1.4 §5.7.6.8, VIRTIO_GPU_MAX_SCANOUTS).
const MAX_SCANOUTS: usize = 16;

/// The largest side of a scanout in pixels.
const MAX_SIDE: u32 = 16_384;

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

    /// Where the guest's screens are shown: `frontend` (the front end shows them), `headless`, or
    /// `headless=DIR` (the newest picture of each screen is kept in DIR)
    #[arg(long, value_name = "DISPLAY", default_value = "frontend", value_parser = parse_display)]
    pub display: DisplayChoice,

    /// What renders 3D for the guest
    #[arg(long, value_name = "RENDERER", default_value = "auto")]
    renderer: Renderer,

    /// The same as `--renderer virgl`
    #[arg(short = 'v', long)]
    virgl: bool,

    /// Render on this node of a GPU, as /dev/dri/renderD128; without one EGL chooses, and does without a GPU
    #[arg(short = 'r', long, value_name = "PATH")]
    pub render_node: Option<PathBuf>,

    /// The capability sets to offer to the guest, in this order [default: all of them]
    #[arg(long, value_name = "SET,…", value_delimiter = ',')]
    pub capsets: Vec<Capset>,

    /// Size of a screen of the headless display; once for each screen
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size)]
    pub scanout: Vec<Size>,

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
    /// By the front end, through the socket it hands over with GPU_SET_SOCKET.
    Frontend,
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

/// The size of a screen in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
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
            message: "--scanout needs --display headless: with the front end's display, the front end sets the sizes"
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
    match text.split_once('=') {
        None if text == "frontend" => Ok(DisplayChoice::Frontend),
        None if text == "headless" => Ok(DisplayChoice::Headless { directory: None }),
        Some(("headless", directory)) if !directory.is_empty() => Ok(DisplayChoice::Headless {
            directory: Some(PathBuf::from(directory)),
        }),
        _ => Err("known are frontend, headless and headless=DIR".to_owned()),
    }
}

fn parse_size(text: &str) -> Result<Size, String> {
    let (width, height) = text.split_once('x').ok_or("a size looks like 1280x800")?;
    let side = |digits: &str| -> Result<u32, String> {
        let side: u32 = digits
            .parse()
            .map_err(|error: ParseIntError| error.to_string())?;
        if (1..=MAX_SIDE).contains(&side) {
            Ok(side)
        } else {
            Err(format!("a side has 1 to {MAX_SIDE} pixels"))
        }
    };
    Ok(Size {
        width: side(width)?,
        height: side(height)?,
    })
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
