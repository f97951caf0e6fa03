//! Finds, and fetches where it can, all that booting a guest needs.

mod apt;
mod kernel;
mod packages;
mod qemu;
mod sources;
mod system;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::progress::Stage;
use crate::workspace::Workspace;

use apt::Apt;
pub(crate) use kernel::Kernel;
pub(crate) use qemu::Qemu;
use system::{Family, System};

/// What a command is going to do with the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Build everything and run it here, without a guest.
    Build,
    /// Boot a guest.
    Boot,
    /// Boot a guest with QEMU's window open.
    Window,
    /// Run every test.
    Test,
}

/// All that is needed to boot a guest.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The emulator.
    pub(crate) qemu: Qemu,
    /// The guest's kernel and its modules.
    pub(crate) kernel: Kernel,
    /// A busybox that needs no shared library.
    pub(crate) busybox: PathBuf,
}

/// Installs what building and running here needs; says nothing when nothing is missing.
pub(crate) fn ensure_build(workspace: &Workspace) -> Result<()> {
    let _lock = lock(workspace)?;
    packages::ensure(workspace, &System::detect(), Purpose::Build)
}

/// Two sessions in one build folder must not unpack into each other.
fn lock(workspace: &Workspace) -> Result<File> {
    let path = workspace.rig().join("setup.lock");
    let lock = File::create(&path).map_err(Error::io("create", &path))?;
    lock.lock().map_err(Error::io("lock", &path))?;
    Ok(lock)
}

/// Returns the parts, fetching what is missing; says nothing when nothing is.
pub(crate) fn ensure(workspace: &Workspace, purpose: Purpose) -> Result<Parts> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Error::Missing {
            what: "the guest rig needs an x86-64 host: the guest runs the host's own programs"
                .to_owned(),
            hint: "run it on an x86-64 machine; `cargo test` works everywhere".to_owned(),
        });
    }
    let rig = workspace.rig();
    let _lock = lock(workspace)?;
    let system = System::detect();
    packages::ensure(workspace, &system, purpose)?;
    let mut apt = None;
    let qemu = match qemu::find(&rig, purpose) {
        Some(qemu) => qemu,
        None => qemu::fetch(private_apt(&mut apt, workspace, &system)?, &rig, purpose)?,
    };
    let busybox = match find_busybox(&rig) {
        Some(busybox) => busybox,
        None => fetch_busybox(private_apt(&mut apt, workspace, &system)?, &rig)?,
    };
    let kernel = match kernel::find(&rig, &system) {
        Some(kernel) => kernel,
        None => kernel::fetch(private_apt(&mut apt, workspace, &system)?, &rig, &busybox)?,
    };
    Ok(Parts {
        qemu,
        kernel,
        busybox,
    })
}

/// The same parts with the archive's newest kernel: what the release's own kernel lacks of dma-bufs
/// is in there.
pub(crate) fn with_newest_kernel(workspace: &Workspace, parts: Parts) -> Result<Parts> {
    let system = System::detect();
    if system.codename != "bookworm" {
        return Ok(parts);
    }
    let rig = workspace.rig();
    let _lock = lock(workspace)?;
    let kernel = match kernel::find_newest(&rig) {
        Some(kernel) => kernel,
        None => {
            let mut apt = None;
            let apt = private_apt(&mut apt, workspace, &system)?;
            kernel::fetch_newest(apt, &rig, &parts.busybox)?
        }
    };
    Ok(Parts { kernel, ..parts })
}

/// The same parts with QEMU 11.
pub(crate) fn with_modern_qemu(workspace: &Workspace, parts: Parts) -> Result<Parts> {
    let rig = workspace.rig();
    let _lock = lock(workspace)?;
    let qemu = match qemu::find_modern(&rig) {
        Some(qemu) => qemu,
        None => {
            let system = System::detect();
            if system.family != Family::Debian {
                let why = "there is no QEMU 11; only Debian's is unpacked by itself";
                return Err(Error::Unsuitable(why.to_owned()));
            }
            let stage = Stage::start("read the lists of a newer Debian", Duration::from_secs(8));
            let newer = Apt::open_newer(workspace, &system)?;
            stage.done();
            qemu::fetch_modern(&newer, &rig)?
        }
    };
    Ok(Parts { qemu, ..parts })
}

/// Opens the private apt at the first need, so that a complete rig touches no network.
fn private_apt<'a>(
    apt: &'a mut Option<Apt>,
    workspace: &Workspace,
    system: &System,
) -> Result<&'a Apt> {
    if apt.is_none() {
        if system.family != Family::Debian {
            return Err(system.missing_rig_parts());
        }
        let stage = Stage::start("read Debian's package lists", Duration::from_secs(5));
        *apt = Some(Apt::open(workspace, system)?);
        stage.done();
    }
    apt.as_ref().ok_or_else(|| system.missing_rig_parts())
}

fn find_busybox(rig: &Path) -> Option<PathBuf> {
    unpacked_busybox(rig)
        .or_else(|| process::find_program("busybox").filter(|file| is_static(file)))
}

/// Debian 13 has it in usr/bin, Debian 12 in bin.
fn unpacked_busybox(rig: &Path) -> Option<PathBuf> {
    ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|place| rig.join("busybox").join(place))
        .find(|file| file.is_file())
}

fn fetch_busybox(apt: &Apt, rig: &Path) -> Result<PathBuf> {
    let folder = rig.join("busybox");
    apt.unpack(
        "busybox for the guest",
        &["busybox-static".to_owned()],
        &folder,
    )?;
    unpacked_busybox(rig).ok_or_else(|| Error::Missing {
        what: "Debian's busybox-static holds no busybox".to_owned(),
        hint: format!("look into {}", folder.display()),
    })
}

/// Whether an ELF program names no loader: only such a one runs in an empty file system.
fn is_static(file: &Path) -> bool {
    let Ok(bytes) = fs::read(file) else {
        return false;
    };
    let loader = b"/ld-linux";
    !bytes
        .get(..4096)
        .unwrap_or(&bytes)
        .windows(loader.len())
        .any(|window| window == loader)
}
