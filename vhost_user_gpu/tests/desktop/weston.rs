//! Weston, headless, and its screenshots.

use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use conformance::daemon::Running;
use conformance::wait::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::screen::Seen;

/// Nothing but the desktop's colour around the window.
const CONFIG: &str = "[core]
idle-time=0

[shell]
panel-position=none
background-color=0xff00ff00
background-type=tile
animation=none
startup-animation=none
close-animation=none
";

const DESKTOP: [u8; 3] = [0, 255, 0];

/// A compositor with a plain desktop of 800x600.
pub(crate) struct Weston {
    process: Running,
    directory: PathBuf,
}

impl Weston {
    /// `None`, and a line that says so, where it is not installed.
    pub(crate) fn start(directory: &Path) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there =
            |program| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
        if !is_there("weston") || !is_there("weston-screenshooter") {
            println!("SKIP: weston is not installed");
            return None;
        }
        let config = directory.join("weston.ini");
        fs::write(&config, CONFIG).unwrap();
        let mut command = Command::new("weston");
        command
            .args(["--backend=headless-backend.so", "--use-pixman", "--debug"])
            .args(["--width=800", "--height=600", "--socket=weston"])
            .arg(format!("--config={}", config.display()))
            .env("XDG_RUNTIME_DIR", directory)
            .env_remove("WAYLAND_DISPLAY")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let weston = Self {
            process: Running::start(&mut command),
            directory: directory.to_owned(),
        };
        wait_until("weston's socket", || {
            UnixStream::connect(weston.socket()).is_ok()
        });
        Some(weston)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("weston")
    }

    /// What `--display` calls it.
    pub(crate) fn name(&self) -> String {
        format!("wayland={}", self.socket().display())
    }

    /// Stops it where it is, or has it go on.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.0.id() as i32), signal).unwrap();
    }

    /// What a monitor would show: its width, and the pixels.
    fn screenshot(&self) -> Option<(usize, Vec<[u8; 3]>)> {
        let shots = tempfile::tempdir_in(&self.directory).unwrap();
        let status = Command::new("weston-screenshooter")
            .current_dir(shots.path())
            .env("XDG_RUNTIME_DIR", &self.directory)
            .env("WAYLAND_DISPLAY", "weston")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !status.unwrap().success() {
            return None;
        }
        let file = fs::read_dir(shots.path()).unwrap().next()?;
        let file = BufReader::new(File::open(file.unwrap().path()).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let samples = info.color_type.samples();
        let pixels = bytes[..info.buffer_size()].chunks(samples);
        let pixels = pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]]);
        Some((info.width as usize, pixels.collect()))
    }
}

impl Seen for Weston {
    fn window(&self, (width, height): (u32, u32)) -> Option<Vec<[u8; 3]>> {
        let (screen_width, screen) = self.screenshot()?;
        // Before the desktop is there all is black.
        if !screen.contains(&DESKTOP) {
            return None;
        }
        let rows = screen.chunks(screen_width);
        let in_row = |row: &[[u8; 3]]| row.iter().position(|pixel| *pixel != DESKTOP);
        let left = rows.clone().filter_map(in_row).min()?;
        let rows: Vec<_> = rows.filter(|row| in_row(row).is_some()).collect();
        let is_whole = rows.len() == height as usize && left + width as usize <= screen_width;
        is_whole.then(|| {
            let part = |row: &&[[u8; 3]]| row[left..left + width as usize].to_vec();
            rows.iter().flat_map(part).collect()
        })
    }
}
