//! Runs the guest tests, sharing boots; a failure costs its guest, so that the next test starts clean.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::progress;
use crate::rig::{DeviceKind, Display, Options, Session};
use crate::setup::{self, Parts, Purpose};
use crate::test::report::{Outcome, Report};
use crate::test::{scenes, wire};
use crate::workspace::Workspace;

/// A test on a running guest.
type Scene = fn(&mut Stage<'_>) -> Result<()>;

/// What every guest test works with.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// The guest.
    pub(crate) session: &'a mut Session,
    /// Where pictures are kept when they are wrong.
    pub(crate) out: &'a Path,
    /// The folder of a headless display's pictures.
    pub(crate) headless: &'a Path,
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

const HEADLESS: [(&str, Scene); 3] = [
    ("headless: page flips", scenes::headless_flips),
    ("headless: cursor position", scenes::cursor_position),
    ("headless: cursor hidden", scenes::cursor_hidden),
];

const ON_THE_WIRE: [(&str, Scene); 2] = [
    ("cursor image, hotspot and position", wire::cursor),
    ("only damage is sent", wire::only_damage_is_sent),
];

const EXIT_CODE: &str = "exit code of `cargo xtask guest`";

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
            .map(|(name, _)| *name);
        for name in names.chain([EXIT_CODE]) {
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
    let mut house = House {
        workspace,
        parts: &parts,
        daemon: daemon.as_deref(),
        headless: workspace.out().join("headless"),
        session: None,
    };
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
    let headless = Options {
        label: "test-headless".to_owned(),
        display: Display::Headless(house.headless.clone()),
        max_outputs: 1,
        ..front_end
    };
    for (scenes, options) in [(&ON_THE_WIRE[..], &tapped), (&HEADLESS[..], &headless)] {
        for &(name, scene) in scenes.iter().filter(wanted) {
            if device == DeviceKind::Qemu {
                skip(report, name, "it is about our daemon")?;
            } else {
                house.play(report, name, scene, options)?;
            }
        }
        house.close()?;
    }
    if named(EXIT_CODE) {
        report.check(EXIT_CODE, || exit_code(device))?;
    }
    Ok(())
}

fn skip(report: &mut Report, name: &str, why: &str) -> Result<()> {
    report.check(name, || Ok(Outcome::Skipped(why.to_owned())))?;
    Ok(())
}

/// Keeps one guest running from test to test.
struct House<'a> {
    workspace: &'a Workspace,
    parts: &'a Parts,
    daemon: Option<&'a Path>,
    headless: PathBuf,
    session: Option<Session>,
}

impl House<'_> {
    fn play(
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

    fn close(&mut self) -> Result<()> {
        match self.session.take() {
            Some(session) => session.quit(),
            None => Ok(()),
        }
    }
}

/// The command of the user's own words, in a process of its own.
fn exit_code(device: DeviceKind) -> Result<Outcome> {
    let program =
        std::env::current_exe().map_err(Error::io("find", Path::new("this program itself")))?;
    let device = match device {
        DeviceKind::Ours => "ours",
        DeviceKind::Qemu => "qemu",
    };
    let log = tempfile::NamedTempFile::new()
        .map_err(Error::io("create a file in", &std::env::temp_dir()))?;
    let mut command = Command::new(program);
    command.args(["guest", "--device", device, "--", "sh", "-c"]);
    command.arg("printf 'a  b\\n'; exit 42");
    let mut child = process::Process::spawn("cargo xtask guest", command, log.path())?;
    let status = child.wait(Duration::from_secs(240))?;
    let output = std::fs::read_to_string(log.path()).map_err(Error::io("read", log.path()))?;
    if status.code() == Some(42) && output == "a  b\n" {
        Ok(Outcome::Passed)
    } else {
        Ok(Outcome::Failed(format!(
            "{status}, printed {output:?}; expected code 42 and \"a  b\\n\""
        )))
    }
}
