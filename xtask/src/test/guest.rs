//! Runs the guest tests, sharing boots; a failure costs its guest, so that the next test starts clean.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::progress;
use crate::rig::desktop::{Desktop, DesktopKind};
use crate::rig::{DeviceKind, Display, Options, Renderer, Session};
use crate::setup::{self, Parts, Purpose};
use crate::test::report::{Outcome, Report};
use crate::test::{desktops, gl, scenes, wire};
use crate::workspace::Workspace;

/// A test on a running guest.
pub(super) type Scene = fn(&mut Stage<'_>) -> Result<()>;

/// What every guest test works with.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// The guest.
    pub(crate) session: &'a mut Session,
    /// Where pictures are kept when they are wrong.
    pub(crate) out: &'a Path,
    /// The folder of a headless display's pictures.
    pub(crate) headless: &'a Path,
    /// Where the daemon has its windows, if it has some.
    pub(crate) desktop: Option<&'a Desktop>,
    /// Where the guest's programs are, for a reference on the host.
    pub(crate) programs: &'a Path,
}

const ON_FRONT_END: [(&str, Scene); 7] = [
    ("modetest's pattern", scenes::modetest),
    ("page flips", scenes::flips),
    ("partial update", scenes::partial_update),
    ("two resolutions", scenes::resolutions),
    ("driver removed and loaded again", scenes::driver_reload),
    ("two scanouts", scenes::two_scanouts),
    ("reboot with the device kept", scenes::reboot),
];

const THROUGH_VIEWER: [(&str, Scene); 2] = [
    ("another size from a viewer", scenes::resize),
    ("cursor image and hotspot in a viewer", scenes::cursor_shape),
];

const HEADLESS: [(&str, Scene); 4] = [
    ("headless: page flips", scenes::headless_flips),
    ("headless: cursor position", scenes::cursor_position),
    ("headless: cursor hidden", scenes::cursor_hidden),
    ("headless: all that on a 3D device", gl::is_offered),
];

const ON_THE_WIRE: [(&str, Scene); 2] = [
    ("cursor image, hotspot and position", wire::cursor),
    ("only damage is sent", wire::only_damage_is_sent),
];

const WITH_GL: [(&str, Scene); 9] = [
    ("3D: eglinfo finds virgl", gl::eglinfo),
    ("3D: pixels off screen", gl::off_screen),
    ("3D: pixels on the screen", gl::on_screen),
    ("3D: kmscube turns", gl::kmscube),
    ("3D: three contexts at once", gl::contexts),
    ("3D: clients killed in mid-frame", gl::killed_client),
    ("3D: Weston and its client", gl::weston),
    ("3D: driver removed and loaded again", gl::driver_reload),
    ("3D: reboot with the device kept", gl::reboot),
];

const IN_WAYLAND: [(&str, Scene); 2] = [
    ("in a window of Weston: page flips", desktops::flips),
    ("in a window of Weston: another mode", desktops::mode),
];

const IN_X11: [(&str, Scene); 2] = [
    ("in a window of Xvfb: page flips", desktops::flips),
    ("in a window of Xvfb: another mode", desktops::mode),
];

const STAYED_2D: &str = "headless: none of that needed the renderer";

const EXIT_CODE: &str = "exit code of `cargo xtask guest`";

const DEMO: &str = "picture of `cargo xtask demo`";

/// Boots guests and runs all tests in them.
pub(crate) fn run(
    workspace: &Workspace,
    device: DeviceKind,
    only: &[String],
    report: &mut Report,
) -> Result<()> {
    let named = |name: &str| only.is_empty() || only.iter().any(|text| name.contains(text));
    let wanted = |test: &&(&'static str, Scene)| named(test.0);
    if !cfg!(target_arch = "x86_64") {
        let names = ON_FRONT_END
            .iter()
            .chain(&ON_THE_WIRE)
            .chain(&HEADLESS)
            .chain(&WITH_GL)
            .chain(&IN_WAYLAND)
            .chain(&IN_X11)
            .map(|(name, _)| *name);
        for name in names.chain([STAYED_2D, EXIT_CODE, DEMO]) {
            skip(report, name, "the guest rig needs an x86-64 host")?;
        }
        return Ok(());
    }
    let prepared = setup::ensure(workspace, Purpose::Test).and_then(|parts| {
        let building = progress::Stage::start("build the device", Duration::from_secs(60));
        let daemon = workspace.build_programs(device)?;
        building.done_quietly();
        Ok((parts, daemon))
    });
    let (parts, daemon) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            report.check("guest: preparation", || Err(error))?;
            return Ok(());
        }
    };
    let mut house = House::new(workspace, &parts, daemon.as_deref());
    let front_end = Options {
        label: "test-frontend".to_owned(),
        device,
        max_outputs: 2,
        ..Options::default()
    };
    for &(name, scene) in THROUGH_VIEWER.iter().filter(wanted) {
        if device == DeviceKind::Ours {
            let why = "QEMU shows a vhost-user-gpu to viewers only on a host with dma-bufs";
            skip(report, name, why)?;
        } else {
            house.play(report, name, scene, &front_end)?;
        }
    }
    for &(name, scene) in ON_FRONT_END.iter().filter(wanted) {
        house.play(report, name, scene, &front_end)?;
    }
    house.close()?;
    let tapped = Options {
        label: "test-wire".to_owned(),
        tap: true,
        ..front_end.clone()
    };
    // What draws there is 2D, the device is not.
    let headless = Options {
        label: "test-headless".to_owned(),
        display: Display::Headless(house.headless.clone()),
        renderer: Renderer::Virgl,
        max_outputs: 1,
        ..front_end.clone()
    };
    let with_gl = Options {
        label: "test-3d".to_owned(),
        renderer: Renderer::Virgl,
        max_outputs: 1,
        ..front_end.clone()
    };
    for (scenes, options) in [
        (&ON_THE_WIRE[..], &tapped),
        (&HEADLESS[..], &headless),
        (&WITH_GL[..], &with_gl),
    ] {
        for &(name, scene) in scenes.iter().filter(wanted) {
            if device == DeviceKind::Qemu {
                skip(report, name, "it is about our daemon")?;
            } else {
                house.play(report, name, scene, options)?;
            }
        }
        let played = house.session.is_some();
        house.close()?;
        if played && options.label == headless.label {
            let log = workspace.logs().join("test-headless-daemon.txt");
            report.check(STAYED_2D, || {
                gl::was_never_needed(&log).map(|()| Outcome::Passed)
            })?;
        }
    }
    for (kind, scenes, label) in [
        (DesktopKind::Wayland, &IN_WAYLAND, "test-wayland"),
        (DesktopKind::X11, &IN_X11, "test-x11"),
    ] {
        let scenes: Vec<_> = scenes
            .iter()
            .copied()
            .filter(|scene| wanted(&scene))
            .collect();
        let options = Options {
            label: label.to_owned(),
            max_outputs: 1,
            ..front_end.clone()
        };
        house.play_in_windows(report, kind, &scenes, options)?;
    }
    if named(EXIT_CODE) {
        report.check(EXIT_CODE, || exit_code(device))?;
    }
    if named(DEMO) && device == DeviceKind::Ours {
        report.check(DEMO, demo)?;
    }
    Ok(())
}

fn skip(report: &mut Report, name: &str, why: &str) -> Result<()> {
    report.check(name, || Ok(Outcome::Skipped(why.to_owned())))?;
    Ok(())
}

/// Keeps one guest running from test to test.
pub(super) struct House<'a> {
    workspace: &'a Workspace,
    parts: &'a Parts,
    daemon: Option<&'a Path>,
    pub(super) headless: PathBuf,
    desktop: Option<Desktop>,
    session: Option<Session>,
}

impl<'a> House<'a> {
    /// Without a guest so far.
    pub(super) fn new(
        workspace: &'a Workspace,
        parts: &'a Parts,
        daemon: Option<&'a Path>,
    ) -> Self {
        Self {
            workspace,
            parts,
            daemon,
            headless: workspace.out().join("headless"),
            desktop: None,
            session: None,
        }
    }

    pub(super) fn play(
        &mut self,
        report: &mut Report,
        name: &str,
        scene: Scene,
        options: &Options,
    ) -> Result<()> {
        let passed = report.check(name, || {
            let session = match self.session.take() {
                Some(session) => session,
                None => Session::boot(self.workspace, self.parts, self.daemon, options)?,
            };
            let session = self.session.insert(session);
            let mut stage = Stage {
                session,
                out: &self.workspace.out(),
                headless: &self.headless,
                desktop: self.desktop.as_ref(),
                programs: &self.workspace.programs(),
            };
            scene(&mut stage)
                .and_then(|()| stage.session.check_running())
                .map_err(|error| error.with_logs(|| stage.session.logs()))?;
            Ok(Outcome::Passed)
        })?;
        if !passed {
            self.session = None;
        }
        Ok(())
    }

    /// Plays scenes while the daemon has its windows on a desktop of this kind.
    fn play_in_windows(
        &mut self,
        report: &mut Report,
        kind: DesktopKind,
        scenes: &[(&'static str, Scene)],
        mut options: Options,
    ) -> Result<()> {
        if scenes.is_empty() {
            return Ok(());
        }
        let log = self
            .workspace
            .logs()
            .join(format!("{}-desktop.txt", options.label));
        let started = match options.device {
            DeviceKind::Qemu => Err(Error::Unsuitable("it is about our daemon".to_owned())),
            DeviceKind::Ours => Desktop::start(kind, &log),
        };
        let desktop = match started {
            Ok(desktop) => desktop,
            Err(Error::Unsuitable(why)) => {
                for (name, _) in scenes {
                    skip(report, name, &why)?;
                }
                return Ok(());
            }
            Err(error) => {
                report.check("guest: a desktop of the host", || Err(error))?;
                return Ok(());
            }
        };
        options.display = Display::Windows(desktop.display().to_owned());
        self.desktop = Some(desktop);
        for (name, scene) in scenes {
            self.play(report, name, *scene, &options)?;
        }
        let closed = self.close();
        self.desktop = None;
        closed
    }

    pub(super) fn close(&mut self) -> Result<()> {
        match self.session.take() {
            Some(session) => session.quit(),
            None => Ok(()),
        }
    }
}

/// This program, run by a user: how it ended and what it printed.
fn run_own(arguments: &[&str]) -> Result<(ExitStatus, String)> {
    let program =
        std::env::current_exe().map_err(Error::io("find", Path::new("this program itself")))?;
    let log = tempfile::NamedTempFile::new()
        .map_err(Error::io("create a file in", &std::env::temp_dir()))?;
    let mut command = Command::new(program);
    command.args(arguments);
    let mut child = process::Process::spawn("cargo xtask", command, log.path())?;
    let status = child.wait(Duration::from_secs(240))?;
    Ok((status, child.log()))
}

/// The command of the user's own words, in a process of its own.
fn exit_code(device: DeviceKind) -> Result<Outcome> {
    let device = match device {
        DeviceKind::Ours => "ours",
        DeviceKind::Qemu => "qemu",
    };
    let script = "printf 'a  b\\n'; exit 42";
    let (status, output) = run_own(&["guest", "--device", device, "--", "sh", "-c", script])?;
    if status.code() == Some(42) && output == "a  b\n" {
        Ok(Outcome::Passed)
    } else {
        Ok(Outcome::Failed(format!(
            "{status}, printed {output:?}; expected code 42 and \"a  b\\n\""
        )))
    }
}

/// It checks its picture itself; here the picture must be one of 3D.
fn demo() -> Result<Outcome> {
    let folder =
        tempfile::tempdir().map_err(Error::io("create a folder in", &std::env::temp_dir()))?;
    let out = folder.path().to_string_lossy();
    let (status, output) = run_own(&["demo", "--headless", "--out", &out])?;
    let is_there = folder.path().join("guest.png").is_file();
    if status.success() && is_there && output.contains("renderer: virgl") {
        Ok(Outcome::Passed)
    } else {
        Ok(Outcome::Failed(format!("{status}: {output}")))
    }
}
