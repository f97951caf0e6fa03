//! Buffers on real device nodes, which a guest has and the host may not: the guest's own virtio-gpu
//! and vgem, `/dev/udmabuf`, a dma-heap. `buffer_probe` does the work there; here its verdicts
//! become lines. So do tests of the renderer that need a render node.

mod desk;
mod render_node;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::progress;
use crate::rig::{DeviceKind, Options, Renderer, Session};
use crate::setup::{self, Purpose};
use crate::soak;
use crate::test::report::{Outcome, Report};
use crate::workspace::Workspace;

use desk::Desk;
use render_node::GuestTests;

/// Libraries are loaded over 9p, and a shader compiler may be among them.
const LIMIT: Duration = Duration::from_secs(120);
/// The probe's exit code where the machine lacks what was asked for.
const ABSENT: i32 = 77;

/// The name of a check and what the probe is told.
const CHECKS: [(&str, &[&str]); 13] = [
    ("buffers: memfd", &["share", "memfd"]),
    ("buffers: udmabuf", &["share", "udmabuf"]),
    ("buffers: dumb on virtio_gpu", &["share", "dumb@virtio_gpu"]),
    ("buffers: dumb on vgem", &["share", "dumb@vgem"]),
    ("buffers: GBM on virgl", &["share", "gbm@virtio_gpu"]),
    ("buffers: uses of GBM", &["uses", "virtio_gpu"]),
    ("buffers: scattered pages as a dma-buf", &["pages"]),
    ("buffers: a guest's blob is shown where it is", &["blob"]),
    ("buffers: dma-bufs of a heap", &["heap"]),
    ("buffers: a device's fence is waited for", &["fence"]),
    (
        "buffers: udmabuf is chosen for what stays mapped",
        &["choose", "buffers", "udmabuf"],
    ),
    (
        "buffers: GBM is chosen for rendering",
        &["choose", "rendering", "gbm"],
    ),
    (
        "buffers: GBM is chosen for scanout",
        &["choose", "scanout", "gbm"],
    ),
];

/// What is made, exported and dropped again and again, and how the probe calls it.
const LEAK_GATES: [(&str, &str); 4] = [
    ("buffers: memfd leaves nothing", "memfd"),
    ("buffers: udmabuf leaves nothing", "udmabuf"),
    ("buffers: dumb buffers leave nothing", "dumb@virtio_gpu"),
    ("buffers: GBM on virgl leaves nothing", "gbm@virtio_gpu"),
];
/// How often, in full.
const CYCLES: u64 = 100_000;
/// An emulated GPU takes 20 ms for one, and the machine may be busy.
const CYCLE_LIMIT: Duration = Duration::from_millis(100);

/// The renderer of this workspace, on the guest's GPU.
const SHARING: (&str, GuestTests) = (
    "buffers: textures of the renderer as dma-bufs",
    GuestTests {
        target: "virgl_sharing",
        names: &[
            "a_texture_is_exported_and_imported_again",
            "an_image_of_gbm_is_drawn_into_where_it_is",
        ],
    },
);

/// A test on a desktop in the guest, which is told where our daemon is.
type DeskTest = fn(&mut Desk<'_>, &Path) -> Result<Outcome>;

const ON_A_DESKTOP: [(&str, DeskTest); 3] = [
    ("buffers: GBM in a window of the guest", |desk, _| {
        desk.window()
    }),
    ("device in the guest: 2D in a window", |desk, daemon| {
        desk.device_in_2d(daemon)
    }),
    ("device in the guest: 3D in a window", |desk, daemon| {
        desk.device_in_3d(daemon)
    }),
];

/// Boots a guest with the newest kernel and runs the probe in it.
pub(crate) fn run(workspace: &Workspace, only: &[String], report: &mut Report) -> Result<()> {
    let named = |name: &str| only.is_empty() || only.iter().any(|text| name.contains(text));
    let wanted: Vec<_> = CHECKS.iter().filter(|(name, _)| named(name)).collect();
    let gates: Vec<_> = LEAK_GATES.iter().filter(|(name, _)| named(name)).collect();
    let on_a_desktop: Vec<_> = ON_A_DESKTOP
        .iter()
        .filter(|(name, _)| named(name))
        .collect();
    let (sharing, tests) = SHARING;
    let sharing = named(sharing).then_some(sharing);
    let nothing = wanted.is_empty() && gates.is_empty() && on_a_desktop.is_empty();
    if nothing && sharing.is_none() {
        return Ok(());
    }
    if !cfg!(target_arch = "x86_64") {
        let wanted = wanted.iter().map(|(name, _)| *name);
        let gates = gates.iter().map(|(name, _)| *name);
        let on_a_desktop = on_a_desktop.iter().map(|(name, _)| *name);
        return skip(
            wanted.chain(gates).chain(sharing).chain(on_a_desktop),
            report,
        );
    }
    // Before the boot: the guest does not see every file that comes later.
    let sharing = sharing.map(|name| (name, tests.build(workspace)));
    let (mut session, daemon) = match boot(workspace) {
        Ok(booted) => booted,
        Err(error) => {
            report.check("buffers: a guest", || Err(error))?;
            return Ok(());
        }
    };
    for (name, words) in wanted {
        report.check(name, || probe(&mut session, words, LIMIT))?;
    }
    for (name, source) in gates {
        report.check(name, || repeat(&mut session, source, soak::TEST_FRACTION))?;
    }
    if let Some((name, program)) = sharing {
        report.check(name, || tests.run(&mut session, &program?))?;
    }
    if !on_a_desktop.is_empty() {
        let out = workspace.out();
        match Desk::start(&mut session, &out) {
            Ok(mut desk) => {
                for (name, test) in on_a_desktop {
                    report.check(name, || test(&mut desk, &daemon))?;
                }
                desk.stop()?;
            }
            Err(error) => {
                report.check("buffers: a desktop in the guest", || Err(error))?;
            }
        }
    }
    session.quit()
}

/// Boots the same guest for the leak gates alone, and does one in `fraction` of their iterations;
/// returns whether all hold.
pub(crate) fn soak(workspace: &Workspace, fraction: u64, only: &[String]) -> Result<bool> {
    let named = |name: &str| only.is_empty() || only.iter().any(|text| name.contains(text));
    let gates = LEAK_GATES.iter().filter(|(name, _)| named(name));
    let mut report = Report::default();
    if !cfg!(target_arch = "x86_64") {
        skip(gates.map(|(name, _)| *name), &mut report)?;
        return Ok(report.finish());
    }
    let (mut session, _) = boot(workspace)?;
    for (name, source) in gates {
        report.check(name, || repeat(&mut session, source, fraction))?;
    }
    session.quit()?;
    Ok(report.finish())
}

fn skip<'a>(names: impl Iterator<Item = &'a str>, report: &mut Report) -> Result<()> {
    for name in names {
        let why = "the guest rig needs an x86-64 host".to_owned();
        report.check(name, || Ok(Outcome::Skipped(why)))?;
    }
    Ok(())
}

/// A guest, and our daemon's program.
fn boot(workspace: &Workspace) -> Result<(Session, PathBuf)> {
    let parts = setup::ensure(workspace, Purpose::Test)?;
    let parts = setup::with_newest_kernel(workspace, parts)?;
    let building = progress::Stage::start("build the device", Duration::from_secs(60));
    let daemon = workspace
        .build_programs(DeviceKind::Ours)?
        .unwrap_or_default();
    building.done_quietly();
    let options = Options {
        label: "test-buffers".to_owned(),
        renderer: Renderer::Virgl,
        ..Options::default()
    };
    let mut session = Session::boot(workspace, &parts, Some(&daemon), &options)?;
    // A kernel without it has the checks of vgem skipped.
    let job = session.start(&["modprobe", "vgem"])?;
    session.wait_for_end(&job, LIMIT)?;
    Ok((session, daemon))
}

/// Makes and drops the images of a source: one in `fraction` of [`CYCLES`].
fn repeat(session: &mut Session, source: &str, fraction: u64) -> Result<Outcome> {
    let count = CYCLES.div_euclid(fraction).max(1);
    let factor = u32::try_from(count).unwrap_or(u32::MAX);
    let limit = LIMIT.saturating_add(CYCLE_LIMIT.saturating_mul(factor));
    probe(
        session,
        &["cycle", source, "--count", &count.to_string()],
        limit,
    )
}

fn probe(session: &mut Session, words: &[&str], limit: Duration) -> Result<Outcome> {
    let mut command = vec!["buffer-probe"];
    command.extend(words);
    let job = session.start(&command)?;
    let (code, output) = session.wait_for_end(&job, limit)?;
    verdict(code, &output).map_err(|error| error.with_logs(|| session.logs()))
}

fn verdict(code: i32, output: &str) -> Result<Outcome> {
    let last = output.lines().last().unwrap_or_default();
    match code {
        0 => Ok(Outcome::Passed),
        ABSENT => Ok(Outcome::Skipped(
            last.strip_prefix("absent: ").unwrap_or(last).to_owned(),
        )),
        _ => Err(Error::Protocol {
            peer: "buffer-probe",
            message: format!("ended with {code}: {}", output.trim()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_lacks_is_skipped_with_the_probes_reason() {
        let outcome = verdict(77, "shared\nabsent: no card: /dev/dri has none\n").unwrap();

        let why = match outcome {
            Outcome::Skipped(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why, "no card: /dev/dri has none");
    }

    #[test]
    fn a_failure_has_all_the_probe_said() {
        let failure = verdict(1, "shared\nerror: plane 0 is wrong\n").unwrap_err();

        assert!(failure.to_string().contains("error: plane 0 is wrong"));
    }
}
