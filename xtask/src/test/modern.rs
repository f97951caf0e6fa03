//! A guest of QEMU 11, whose device for any vhost-user back end hides nothing: what QEMU's
//! vhost-user-gpu masks, blobs above all, is seen by a real driver here.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::progress;
use crate::rig::{DeviceKind, Display, FrontEnd, Options};
use crate::setup::{self, Purpose};
use crate::test::guest::{House, Scene, Stage};
use crate::test::report::{Outcome, Report};
use crate::test::scenes::{self, DRAWN, wrong};
use crate::workspace::Workspace;

const SCENES: [(&str, Scene); 5] = [
    ("QEMU 11: all features reach the guest", features),
    ("QEMU 11: page flips", scenes::headless_flips),
    ("QEMU 11: what is shown are blobs", blobs),
    ("QEMU 11: cursor position", scenes::cursor_position),
    ("QEMU 11: driver removed and loaded again", driver_reload),
];

/// Boots one guest and runs all tests in it.
pub(crate) fn run(workspace: &Workspace, only: &[String], report: &mut Report) -> Result<()> {
    let named = |name: &str| only.is_empty() || only.iter().any(|text| name.contains(text));
    let wanted: Vec<_> = SCENES.iter().filter(|(name, _)| named(name)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    if !cfg!(target_arch = "x86_64") {
        for (name, _) in wanted {
            let why = "the guest rig needs an x86-64 host".to_owned();
            report.check(name, || Ok(Outcome::Skipped(why)))?;
        }
        return Ok(());
    }
    let prepared = setup::ensure(workspace, Purpose::Test)
        .and_then(|parts| setup::with_newest_kernel(workspace, parts))
        .and_then(|parts| setup::with_modern_qemu(workspace, parts))
        .and_then(|parts| {
            let building = progress::Stage::start("build the device", Duration::from_secs(60));
            let daemon = workspace.build_programs(DeviceKind::Ours)?;
            building.done_quietly();
            Ok((parts, daemon))
        });
    let (parts, daemon) = match prepared {
        Ok(prepared) => prepared,
        Err(Error::Unsuitable(why)) => {
            for (name, _) in wanted {
                report.check(name, || Ok(Outcome::Skipped(why.clone())))?;
            }
            return Ok(());
        }
        Err(error) => {
            report.check("QEMU 11: preparation", || Err(error))?;
            return Ok(());
        }
    };
    let mut house = House::new(workspace, &parts, daemon.as_deref());
    let options = Options {
        label: "test-modern".to_owned(),
        front_end: FrontEnd::AnyDevice,
        display: Display::Headless(house.headless.clone()),
        ..Options::default()
    };
    for (name, scene) in wanted {
        house.play(report, name, *scene, &options)?;
    }
    house.close()
}

/// The driver has agreed to EDIDs, UUIDs and blobs (VIRTIO 1.4 §5.7.3: bits 1, 2 and 3).
fn features(stage: &mut Stage<'_>) -> Result<()> {
    let look = "cat /sys/bus/virtio/drivers/virtio_gpu/virtio*/features";
    let features = stage.session.run(&["sh", "-c", look], DRAWN)?;
    match features.get(..4) {
        Some("0111") => Ok(()),
        _ => Err(wrong(&format!("the guest's features are {features}"))),
    }
}

/// What the driver sent while frames were drawn, flipped and shown: blobs were created and shown
/// (VIRTIO 1.4 §5.7.6.7: 0x10c, 0x10d), none of the pictures was 2D (0x101), and nothing was refused.
/// Linux asks for transfers of its blobs too, of which a device has nothing to do.
fn blobs(stage: &mut Stage<'_>) -> Result<()> {
    stage.session.run(&["sh", "-c", TRACE], DRAWN)?;
    scenes::headless_flips(stage)?;
    let sent = stage.session.run(&["sh", "-c", TRACED], DRAWN)?;
    let has = |kind: &str| sent.lines().any(|line| line.trim() == kind);
    if !(has("0x10c") && has("0x10d") && has("0x104")) || has("0x101") {
        let sent = sent.replace('\n', " ");
        return Err(wrong(&format!("the driver sent {sent}")));
    }
    let refused = stage.session.run(&["sh", "-c", REFUSED], DRAWN)?;
    if refused.is_empty() {
        Ok(())
    } else {
        Err(wrong(&format!("the driver says: {refused}")))
    }
}

/// What the driver said of answers that are errors.
const REFUSED: &str = "dmesg | grep 'response 0x12' || true";
/// Has the kernel note each command of the driver.
const TRACE: &str = "cd /sys/kernel/tracing; [ -e trace ] || mount -t tracefs tracefs . && \
    cd /sys/kernel/tracing && echo 1 >events/virtio_gpu/virtio_gpu_cmd_queue/enable";
/// The kinds of those that were noted.
const TRACED: &str = "cd /sys/kernel/tracing; echo 0 >events/virtio_gpu/virtio_gpu_cmd_queue/enable; \
    sed -n 's/.* type=\\(0x[0-9a-f]*\\) .*/\\1/p' trace | sort -u";

/// The driver goes and comes back; the device must survive its reset, and so must its blobs.
fn driver_reload(stage: &mut Stage<'_>) -> Result<()> {
    for _ in 0..2 {
        stage.session.run(&["sh", "-c", scenes::RELOAD], DRAWN)?;
        scenes::headless_flips(stage)?;
    }
    Ok(())
}
