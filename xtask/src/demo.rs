//! `cargo xtask demo`: a stock Linux guest draws a moving picture through our device.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use kms_probe::Picture;

use crate::error::{Error, Result};
use crate::picture::{count_colours, difference, read_png};
use crate::progress::Stage;
use crate::rig::{DeviceKind, Display, Options, Renderer, Session, Window};
use crate::setup::{self, Parts, Purpose};
use crate::workspace::Workspace;

const DRAWN: Duration = Duration::from_secs(120);
/// The daemon writes at most one picture a second.
const WRITTEN: Duration = Duration::from_secs(20);
/// The scene has thousands of colours; a console has a few.
const COLOURS: usize = 500;

/// Where to show the guest's screen.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Write a picture even where a window could be opened
    #[arg(long)]
    headless: bool,
    /// Write the picture into this folder instead of target/demo; goes with --headless
    #[arg(long, value_name = "DIR", requires = "headless")]
    out: Option<PathBuf>,
    /// What our device renders 3D with; without 3D the guest draws with its own CPU
    #[arg(long, value_enum, default_value = "auto")]
    renderer: Renderer,
    /// Whose virtio-gpu the guest gets, to compare
    #[arg(long, value_enum, default_value = "ours", hide = true)]
    device: DeviceKind,
}

/// Runs the demonstration and says where its picture is.
pub(crate) fn run(workspace: &Workspace, arguments: &DemoArgs) -> Result<()> {
    let start = Instant::now();
    let out = match &arguments.out {
        // The user's folder is relative to where the user is.
        Some(folder) => std::path::absolute(folder).map_err(Error::io("find", folder))?,
        None => workspace.target().join("demo"),
    };
    fs::create_dir_all(&out).map_err(Error::io("create", &out))?;

    let (parts, window) = prepare(workspace, !arguments.headless && has_display())?;
    let stage = Stage::start("build the device", Duration::from_secs(60));
    let daemon = workspace.build_programs(arguments.device)?;
    stage.done();

    let pictures = workspace.target().join("demo").join("headless");
    let (mut session, window) = boot(
        workspace,
        &parts,
        daemon.as_deref(),
        arguments,
        window,
        &pictures,
    )?;

    let stage = Stage::start("let the guest draw", Duration::from_secs(8));
    draw(&mut session, arguments)?;
    stage.done();

    if window.is_some() {
        println!("The window shows the guest's screen; close it to end.");
        return session.wait_for_window();
    }
    let picture = out.join("guest.png");
    let stage = Stage::start("take its picture", Duration::from_secs(3));
    let take = |session: &mut Session| {
        match arguments.device {
            DeviceKind::Ours => copy_newest(session, &pictures.join("scanout-0.png"), &picture),
            DeviceKind::Qemu => session.screendump(0, &picture),
        }?;
        read_png(&picture)
    };
    let earlier = take(&mut session)?;
    let later = take(&mut session)?;
    check(&earlier, &later)?;
    session.quit()?;
    stage.done();
    println!("all in {:.1} s", start.elapsed().as_secs_f32());
    println!("picture: {}", picture.display());
    Ok(())
}

/// Starts the moving picture: with OpenGL where the guest's GPU has it, else with the guest's CPU.
fn draw(session: &mut Session, arguments: &DemoArgs) -> Result<()> {
    let device = match arguments.device {
        DeviceKind::Ours => "THROUGH THIS VIRTIO-GPU, WRITTEN IN RUST",
        DeviceKind::Qemu => "THROUGH QEMU'S OWN VIRTIO-GPU",
    };
    if !session.has_3d()? {
        if arguments.device == DeviceKind::Ours && arguments.renderer != Renderer::None {
            eprintln!("no 3D here: {}", session.renderer_line());
        }
        let job = session.start(&["kms-probe", "animate", "--label", device])?;
        return session.wait_for_output(&job, "ready", DRAWN).map(drop);
    }
    let label = "A LINUX GUEST DRAWS THIS WITH OPENGL";
    let job = session.start(&["gl-probe", "show", "--label", label, "--label", device])?;
    let output = session.wait_for_output(&job, "ready", DRAWN)?;
    match output
        .lines()
        .find(|line| line.starts_with("renderer: virgl"))
    {
        Some(renderer) => {
            eprintln!("the guest's {renderer}");
            Ok(())
        }
        None => Err(Error::Protocol {
            peer: "guest",
            message: format!(
                "it draws by itself instead of with virgl: {}",
                output.trim()
            ),
        }),
    }
}

/// Boots with the window, or without where QEMU cannot open it.
fn boot(
    workspace: &Workspace,
    parts: &Parts,
    daemon: Option<&Path>,
    arguments: &DemoArgs,
    window: Option<Window>,
    pictures: &Path,
) -> Result<(Session, Option<Window>)> {
    let options = Options {
        label: "demo".to_owned(),
        device: arguments.device,
        display: match window {
            Some(_) => Display::Frontend,
            None => Display::Headless(pictures.to_owned()),
        },
        renderer: arguments.renderer,
        window,
        ..Options::default()
    };
    let stage = Stage::start("boot Linux without KVM", Duration::from_secs(10));
    match Session::boot(workspace, parts, daemon, &options) {
        Ok(session) => {
            stage.done();
            Ok((session, window))
        }
        Err(Error::Ended { output, .. }) if window.is_some() => {
            drop(stage);
            let reason = output.lines().last().unwrap_or_default().trim();
            eprintln!("QEMU cannot open its window here ({reason}): writing a file");
            boot(workspace, parts, daemon, arguments, None, pictures)
        }
        Err(error) => Err(error),
    }
}

/// Gets the parts, with QEMU's window if there is a display and the QEMU has one.
fn prepare(workspace: &Workspace, display: bool) -> Result<(Parts, Option<Window>)> {
    if display {
        let parts = setup::ensure(workspace, Purpose::Window)?;
        match parts.qemu.window() {
            Some(window) => return Ok((parts, Some(window))),
            None => eprintln!("this QEMU has neither a GTK nor an SDL window: writing a file"),
        }
    }
    Ok((setup::ensure(workspace, Purpose::Boot)?, None))
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Copies the first picture that the daemon writes from now on.
fn copy_newest(session: &mut Session, from: &Path, to: &Path) -> Result<()> {
    let now = SystemTime::now();
    session.wait_until("the daemon's picture", WRITTEN, |_| {
        let written = fs::metadata(from).and_then(|metadata| metadata.modified());
        Ok(written.is_ok_and(|written| written > now).then_some(()))
    })?;
    fs::copy(from, to).map_err(Error::io("copy", from))?;
    Ok(())
}

/// A picture of one colour, or one that stands still, would be a failure that looks like success.
fn check(earlier: &Picture, later: &Picture) -> Result<()> {
    let colours = count_colours(later);
    let message = if colours <= COLOURS {
        format!("it has only {colours} colours: the guest's drawing does not reach the screen")
    } else if difference(earlier, later).is_none() {
        "it does not move: the guest's frames do not reach the screen".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Protocol {
        peer: "picture",
        message,
    })
}
