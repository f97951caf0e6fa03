//! A desktop inside the guest: Weston on the guest's own screen, drawn by the guest's GPU. What a
//! window shows there is seen from outside, on the screen that QEMU shows.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kms_probe::{Picture, pattern};

use crate::error::{Error, Result};
use crate::picture::{difference, only_window, read_png, write_png};
use crate::process;
use crate::rig::{Job, Session};
use crate::test::buffers::LIMIT;
use crate::test::report::Outcome;
use crate::test::scenes::{unlike, wrong};

/// A look at the screen takes time from the guest.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// What `buffer-probe window` shows last.
const WINDOW: Scene = Scene {
    name: "guest-window",
    size: (320, 240),
    seed: 2,
    kept_row: None,
};
/// What `buffer-probe device` shows last, when its guest draws in 2D.
const IN_2D: Scene = Scene {
    name: "guest-device-2d",
    size: (256, 256),
    seed: 4,
    kept_row: None,
};
/// The same in 3D, with a row that a command stream has drawn red.
const IN_3D: Scene = Scene {
    name: "guest-device-3d",
    kept_row: Some(0xff_0000),
    ..IN_2D
};
/// The guest's own, whose driver is its virtio-gpu.
const RENDER_NODE: &str = "/dev/dri/renderD128";

/// What must be seen in a window.
struct Scene {
    name: &'static str,
    size: (u32, u32),
    seed: u32,
    /// The colour of the last row, where it is not the pattern's.
    kept_row: Option<u32>,
}

impl Scene {
    fn expected(&self) -> Picture {
        let (width, height) = self.size;
        let mut picture = pattern(width, height, self.seed);
        if let Some(colour) = self.kept_row {
            for x in 0..width {
                picture.set(x, height.saturating_sub(1), colour);
            }
        }
        picture
    }
}

/// Weston, running in the guest.
pub(super) struct Desk<'a> {
    session: &'a mut Session,
    job: Job,
    /// Where its clients find it.
    socket: String,
    out: &'a Path,
}

impl<'a> Desk<'a> {
    /// Starts it and waits until it takes clients.
    pub(super) fn start(session: &'a mut Session, out: &'a Path) -> Result<Self> {
        let job = session.start(&["desktop"])?;
        let said = session.wait_for_output(&job, "\n", LIMIT)?;
        let socket = said.trim().to_owned();
        Ok(Self {
            session,
            job,
            socket,
            out,
        })
    }

    /// dma-bufs of GBM on the guest's GPU, shown by `gpu_display`.
    pub(super) fn window(&mut self) -> Result<Outcome> {
        let job = self.client(&["buffer-probe", "window", "gbm@virtio_gpu"])?;
        let said = self.session.wait_for_output(&job, "ready", LIMIT)?;
        self.expect(&WINDOW, &job)?;
        self.session.stop(&job)?;
        let promise = "2 frames, 2 of them read where they were drawn, 0 bytes copied";
        if said.contains(promise) {
            Ok(Outcome::Passed)
        } else {
            Err(wrong(&format!("{promise:?} is not what was said: {said}")))
        }
    }

    /// Our device, its guest drawing in 2D.
    pub(super) fn device_in_2d(&mut self, daemon: &Path) -> Result<Outcome> {
        self.device(daemon, &[], &IN_2D)
    }

    /// Our device on the guest's GPU.
    pub(super) fn device_in_3d(&mut self, daemon: &Path) -> Result<Outcome> {
        self.device(daemon, &["--render-node", RENDER_NODE], &IN_3D)
    }

    fn device(&mut self, daemon: &Path, words: &[&str], scene: &Scene) -> Result<Outcome> {
        let seen = format!("{}-seen", scene.name);
        let until = format!("/rig/{seen}");
        let daemon = daemon.to_string_lossy();
        let mut command = vec!["buffer-probe", "device", &daemon, "--until", &until];
        command.extend(words);
        let job = self.client(&command)?;
        self.session.wait_for_output(&job, "ready", LIMIT)?;
        self.expect(scene, &job)?;
        let seen = self.session.exchange_file(&seen);
        fs::write(&seen, "").map_err(Error::io("write", &seen))?;
        match self.session.wait_for_end(&job, LIMIT)? {
            (0, _) => Ok(Outcome::Passed),
            (code, said) => Err(wrong(&format!("it ended with {code}: {said}"))),
        }
    }

    fn client(&mut self, words: &[&str]) -> Result<Job> {
        let display = format!("WAYLAND_DISPLAY={}", self.socket);
        let mut command = vec!["env", &display];
        command.extend(words);
        self.session.start(&command)
    }

    /// Waits until the screen shows a scene in its only window, to the last pixel.
    fn expect(&mut self, scene: &Scene, job: &Job) -> Result<()> {
        let expected = scene.expected();
        let file = self.out.join(format!("{}.png", scene.name));
        let start = Instant::now();
        loop {
            self.session.check_job(job)?;
            self.session.screendump(0, &file)?;
            let screen = read_png(&file)?;
            let how = match only_window(&screen, scene.size) {
                None => "there is no window of that size".to_owned(),
                Some(window) => match difference(&expected, &window) {
                    None => return write_png(&window, &file),
                    Some(how) => how,
                },
            };
            if start.elapsed() > LIMIT {
                let log = self.session.exchange_file("weston.log");
                let how = format!("{how}\n{}", process::tail(&log, 12));
                return Err(unlike(self.out, scene.name, &expected, &how));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Ends it.
    pub(super) fn stop(self) -> Result<()> {
        self.session.stop(&self.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_drew_is_the_last_row() {
        let expected = IN_3D.expected();

        assert_eq!(expected.get(0, 254), pattern(256, 256, 4).get(0, 254));
        assert_eq!(expected.get(0, 255), Some(0xff_0000));
        assert_eq!(expected.get(255, 255), Some(0xff_0000));
    }
}
