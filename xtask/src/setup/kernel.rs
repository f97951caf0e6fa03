//! A stock kernel with its modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::progress::Stage;
use crate::setup::apt::Apt;
use crate::setup::system::{Family, System};

/// Marks an unpacked kernel as ready for use.
const INDEXED: &str = "indexed";
const METAPACKAGE: &str = "linux-image-amd64";
const RELEASE: &str = "kernel";
const NEWEST: &str = "kernel-newest";

/// A kernel image and its modules.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// The bootable image.
    pub(crate) image: PathBuf,
    /// The folder with `modules.dep`.
    pub(crate) modules: PathBuf,
}

impl Kernel {
    /// The name of its release, which is also the name of its module folder.
    pub(crate) fn release(&self) -> String {
        self.modules
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

/// Finds a kernel that was unpacked or, where we cannot unpack one, the system's own.
pub(crate) fn find(rig: &Path, system: &System) -> Option<Kernel> {
    if let Some(kernel) = find_indexed(&rig.join(RELEASE)) {
        return Some(kernel);
    }
    if system.family == Family::Debian {
        return None;
    }
    first_kernel(Path::new("/lib/modules"), Path::new("/boot"))
}

/// Finds the newest kernel of the archive, if it was unpacked.
pub(crate) fn find_newest(rig: &Path) -> Option<Kernel> {
    find_indexed(&rig.join(NEWEST))
}

fn find_indexed(folder: &Path) -> Option<Kernel> {
    let is_indexed = folder.join(INDEXED).is_file();
    is_indexed.then(|| find_unpacked(folder).ok()).flatten()
}

/// Unpacks the release's own kernel, and indexes its modules.
pub(crate) fn fetch(apt: &Apt, rig: &Path, busybox: &Path) -> Result<Kernel> {
    let names = apt.depends(METAPACKAGE)?;
    unpack(apt, names, &rig.join(RELEASE), busybox)
}

/// Unpacks the archive's newest kernel, and indexes its modules.
pub(crate) fn fetch_newest(apt: &Apt, rig: &Path, busybox: &Path) -> Result<Kernel> {
    let names = apt.newest_depends(METAPACKAGE)?;
    unpack(apt, names, &rig.join(NEWEST), busybox)
}

/// Unpacks the kernel among what Debian's metapackage depends on.
fn unpack(apt: &Apt, names: Vec<String>, folder: &Path, busybox: &Path) -> Result<Kernel> {
    let name = names
        .into_iter()
        .find(|name| name.starts_with("linux-image-"))
        .ok_or_else(|| Error::Missing {
            what: format!("the archive's {METAPACKAGE} names no kernel"),
            hint: "check the Debian mirror in /etc/apt".to_owned(),
        })?;
    apt.unpack("a Debian kernel", &[name], folder)?;
    let kernel = find_unpacked(folder)?;
    index(&kernel, folder, busybox)?;
    Ok(kernel)
}

/// Writes `modules.dep` and its like, which packages leave to their installation.
fn index(kernel: &Kernel, folder: &Path, busybox: &Path) -> Result<()> {
    let stage = Stage::start("index the kernel's modules", Duration::from_secs(15));
    // Debian 13 has the modules in usr/lib, Debian 12 in lib: this is what either is in.
    let base = kernel.modules.ancestors().nth(3).unwrap_or(folder);
    process::capture(
        Command::new(busybox)
            .args(["depmod", "-b"])
            .arg(base)
            .arg(kernel.release()),
    )?;
    let mark = folder.join(INDEXED);
    fs::write(&mark, "").map_err(Error::io("write", &mark))?;
    stage.done();
    Ok(())
}

fn find_unpacked(folder: &Path) -> Result<Kernel> {
    ["lib/modules", "usr/lib/modules"]
        .iter()
        .find_map(|modules| first_kernel(&folder.join(modules), &folder.join("boot")))
        .ok_or_else(|| Error::Missing {
            what: "Debian's kernel package holds no kernel".to_owned(),
            hint: format!("look into {}", folder.display()),
        })
}

fn first_kernel(modules: &Path, boot: &Path) -> Option<Kernel> {
    let mut folders: Vec<PathBuf> = fs::read_dir(modules)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders.into_iter().rev().find_map(|folder| {
        let release = folder.file_name()?.to_string_lossy().into_owned();
        let image = [
            boot.join(format!("vmlinuz-{release}")),
            folder.join("vmlinuz"),
        ]
        .into_iter()
        .find(|image| fs::File::open(image).is_ok())?;
        Some(Kernel {
            image,
            modules: folder,
        })
    })
}
