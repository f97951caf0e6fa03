//! A desktop of this machine that nobody sees: Weston without a monitor, or Xvfb. Our daemon shows the guest in a window
//! on it, and pictures of the whole screen tell whether that is right.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kms_probe::Picture;
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::picture::{only_window, read_png};
use crate::process::{self, Process};

const START_LIMIT: Duration = Duration::from_secs(20);

/// Of the screen: more than the guest's.
const WIDTH: u32 = 1400;
const HEIGHT: u32 = 1000;

/// Nothing but one colour around the window.
const WESTON_CONFIG: &str = "[core]
idle-time=0
[shell]
panel-position=none
background-color=0xff00ff00
background-type=tile
animation=none
startup-animation=none
close-animation=none
";

/// Kinds of desktops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DesktopKind {
    /// Weston.
    Wayland,
    /// Xvfb.
    X11,
}

/// A desktop; it ends with this.
#[derive(Debug)]
pub(crate) struct Desktop {
    kind: DesktopKind,
    /// What our daemon calls it.
    display: String,
    /// Before its folder goes.
    _process: Process,
    folder: TempDir,
}

impl DesktopKind {
    /// The programs that it needs.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Wayland => &["weston", "weston-screenshooter"],
            Self::X11 => &["Xvfb"],
        }
    }
}

impl Desktop {
    /// Starts one and waits until it takes windows.
    pub(crate) fn start(kind: DesktopKind, log: &Path) -> Result<Self> {
        for program in kind.programs() {
            if process::find_program(program).is_none() {
                return Err(Error::Unsuitable(format!("{program} is not installed")));
            }
        }
        let folder = tempfile::Builder::new()
            .prefix("rig-")
            .tempdir()
            .map_err(Error::io("create a folder in", &std::env::temp_dir()))?;
        let (process, display) = match kind {
            DesktopKind::Wayland => start_weston(folder.path(), log)?,
            DesktopKind::X11 => start_xvfb(folder.path(), log)?,
        };
        Ok(Self {
            kind,
            display,
            _process: process,
            folder,
        })
    }

    /// What our daemon's `--display` calls it.
    pub(crate) fn display(&self) -> &str {
        &self.display
    }

    /// What is seen in the only window, which should have this size; none while it has not.
    pub(crate) fn window(&self, size: (u32, u32)) -> Result<Option<Picture>> {
        match self.kind {
            DesktopKind::Wayland => Ok(only_window(&self.screenshot()?, size)),
            // Without a window manager windows are in the corner.
            DesktopKind::X11 => {
                let screen = self.framebuffer()?;
                let pixel = |x, y| screen.get(x, y).unwrap_or(0);
                Ok(Some(Picture::from_fn(size.0, size.1, pixel)))
            }
        }
    }

    fn screenshot(&self) -> Result<Picture> {
        let folder = tempfile::tempdir_in(self.folder.path())
            .map_err(Error::io("create a folder in", self.folder.path()))?;
        let mut command = Command::new("weston-screenshooter");
        command
            .current_dir(folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("WAYLAND_DISPLAY", "weston");
        process::capture(&mut command)?;
        let file = fs::read_dir(folder.path())
            .map_err(Error::io("read", folder.path()))?
            .flatten()
            .next();
        let file = file.ok_or_else(|| Error::Protocol {
            peer: "weston-screenshooter",
            message: "it made no picture".to_owned(),
        })?;
        read_png(&file.path())
    }

    /// What Xvfb keeps in its file.
    fn framebuffer(&self) -> Result<Picture> {
        let file = self.folder.path().join("Xvfb_screen0");
        let bytes = fs::read(&file).map_err(Error::io("read", &file))?;
        read_xwd(&bytes).ok_or_else(|| Error::Protocol {
            peer: "Xvfb",
            message: format!("{} is no picture of 32 bits a pixel", file.display()),
        })
    }
}

fn start_weston(folder: &Path, log: &Path) -> Result<(Process, String)> {
    let config = folder.join("weston.ini");
    fs::write(&config, WESTON_CONFIG).map_err(Error::io("write", &config))?;
    let mut command = process::tied_command(Path::new("weston"));
    // Its other renderer takes the fourth byte of an opaque picture for alpha in screenshots.
    command
        .args(["--backend=headless-backend.so", "--use-gl", "--debug"])
        .arg(format!("--width={WIDTH}"))
        .arg(format!("--height={HEIGHT}"))
        .arg("--socket=weston")
        .arg(format!("--config={}", config.display()))
        .env("XDG_RUNTIME_DIR", folder)
        .env_remove("WAYLAND_DISPLAY");
    let mut process = Process::spawn("weston", command, log)?;
    let socket = folder.join("weston");
    process::wait_until("Weston's socket", START_LIMIT, || {
        process.check_running()?;
        Ok(UnixStream::connect(&socket).is_ok().then_some(()))
    })
    .map_err(|error| error.with_logs(|| process.log_tail()))?;
    Ok((process, format!("wayland={}", socket.display())))
}

fn start_xvfb(folder: &Path, log: &Path) -> Result<(Process, String)> {
    let number = folder.join("number");
    let mut command = process::tied_command(Path::new("sh"));
    // The number of the display, which the server chooses, goes to a file of its own.
    command
        .args(["-c", "exec Xvfb \"$@\" 3>\"$0\""])
        .arg(&number)
        .args(["-displayfd", "3", "-ac", "-noreset", "-nolisten", "tcp"])
        .args(["-screen", "0", &format!("{WIDTH}x{HEIGHT}x24"), "-fbdir"])
        .arg(folder);
    let mut process = Process::spawn("Xvfb", command, log)?;
    let number = process::wait_until("Xvfb's start", START_LIMIT, || {
        process.check_running()?;
        let text = fs::read_to_string(&number).unwrap_or_default();
        Ok(text.ends_with('\n').then(|| text.trim().to_owned()))
    })
    .map_err(|error| error.with_logs(|| process.log_tail()))?;
    Ok((process, format!("x11=:{number}")))
}

/// A window dump: a header of big-endian words (`XWDFile.h`), colours, then rows of pixels, which are as this machine
/// has them.
fn read_xwd(bytes: &[u8]) -> Option<Picture> {
    let (words, _) = bytes.as_chunks::<4>();
    let word = |place: usize| words.get(place).copied().map(u32::from_be_bytes);
    let (header, width, height) = (word(0)?, word(4)?, word(5)?);
    let (bits_per_pixel, row_bytes, colours) = (word(11)?, word(12)?, word(19)?);
    if bits_per_pixel != 32 {
        return None;
    }
    let start = usize::try_from(header.checked_add(colours.checked_mul(12)?)?).ok()?;
    let row_bytes = usize::try_from(row_bytes).ok().filter(|bytes| *bytes > 0)?;
    let rows = bytes.get(start..)?.chunks_exact(row_bytes);
    let pixels: Vec<u32> = rows
        .take(usize::try_from(height).ok()?)
        .flat_map(|row| {
            row.as_chunks::<4>()
                .0
                .iter()
                .take(usize::try_from(width).unwrap_or(0))
        })
        .map(|pixel| u32::from_ne_bytes(*pixel) & 0x00ff_ffff)
        .collect();
    Picture::from_pixels(width, height, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_dump_is_a_picture() {
        let mut words = [0_u32; 25];
        (words[0], words[4], words[5]) = (100, 2, 1);
        (words[11], words[12], words[19]) = (32, 12, 1);
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
        bytes.extend([0xee; 12]);
        bytes.extend(
            [0xff11_2233_u32, 0x0044_5566, 7]
                .into_iter()
                .flat_map(u32::to_ne_bytes),
        );

        let picture = read_xwd(&bytes).unwrap();

        assert_eq!((picture.width(), picture.height()), (2, 1));
        assert_eq!(picture.pixels(), [0x11_2233, 0x44_5566]);
        assert!(read_xwd(&bytes[..105]).is_none());
    }
}
