//! A QEMU that can do vhost-user-gpu without KVM: 8.0 or newer.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::process;
use crate::rig::Window;
use crate::setup::Purpose;
use crate::setup::apt::Apt;

const PROGRAM: &str = "qemu-system-x86_64";
const DAEMON: &str = "vhost-user-gpu";
const OLDEST: u32 = 8;
/// What QEMU 11 takes any vhost-user device with, and passes all its features on.
const ANY_DEVICE: &str = "vhost-user-test-device-pci";
const MODERN_FOLDER: &str = "qemu-modern";
/// The loader of programs of another release.
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";

/// An emulator and what it needs to run from where it is.
#[derive(Debug, Clone)]
pub(crate) struct Qemu {
    program: PathBuf,
    /// The folder it was unpacked into; none for an installed one.
    unpacked: Option<PathBuf>,
    /// What starts it, where it needs newer libraries than are installed.
    loader: Option<PathBuf>,
}

impl Qemu {
    /// A command that starts it, its own libraries, modules and firmware in place.
    pub(crate) fn command(&self) -> Command {
        let mut command = process::tied_command(self.loader.as_ref().unwrap_or(&self.program));
        if let Some(root) = &self.unpacked {
            let libraries = [
                root.join("usr/lib/x86_64-linux-gnu"),
                root.join("lib/x86_64-linux-gnu"),
            ];
            let path = std::env::join_paths(&libraries).ok();
            if self.loader.is_some() {
                if let Some(path) = path {
                    command.arg("--library-path").arg(path);
                }
                command.arg(&self.program);
            } else if let Some(path) = path {
                command.env("LD_LIBRARY_PATH", path);
            }
            command.env(
                "QEMU_MODULE_DIR",
                root.join("usr/lib/x86_64-linux-gnu/qemu"),
            );
            for folder in ["usr/share/qemu", "usr/share/seabios"] {
                command.arg("-L").arg(root.join(folder));
            }
            // Firmware that was installed before is not unpacked again.
            command.args(["-L", "/usr/share/qemu", "-L", "/usr/share/seabios"]);
        }
        command
    }
}

/// QEMU's own vhost-user-gpu daemon.
#[derive(Debug, Clone)]
pub(crate) struct QemuDaemon {
    pub(crate) program: PathBuf,
    /// Where its libraries are, unless they are installed.
    pub(crate) libraries: Option<PathBuf>,
}

impl Qemu {
    /// The daemon that came with this QEMU, if any.
    pub(crate) fn daemon(&self) -> Option<QemuDaemon> {
        let root = self.unpacked.as_deref().unwrap_or(Path::new("/"));
        let folders = ["usr/lib/qemu", "usr/libexec", "usr/lib"];
        let mut programs = folders.iter().map(|folder| root.join(folder).join(DAEMON));
        Some(QemuDaemon {
            program: programs.find(|program| program.is_file())?,
            libraries: self
                .unpacked
                .as_ref()
                .map(|root| root.join("usr/lib/x86_64-linux-gnu")),
        })
    }

    fn has_device(&self, name: &str) -> bool {
        let devices = process::capture(self.command().args(["-device", "help"]));
        devices.is_ok_and(|devices| devices.contains(&format!("\"{name}\"")))
    }

    /// The window this QEMU can open, if any.
    pub(crate) fn window(&self) -> Option<Window> {
        let displays = process::capture(self.command().args(["-display", "help"])).ok()?;
        let has = |name: &str| displays.lines().any(|line| line.trim() == name);
        if has("gtk") {
            Some(Window::Gtk)
        } else {
            has("sdl").then_some(Window::Sdl)
        }
    }
}

/// Finds a usable QEMU, unpacked or installed.
pub(crate) fn find(rig: &Path, purpose: Purpose) -> Option<Qemu> {
    let unpacked = unpacked(rig, purpose);
    if unpacked.program.is_file() {
        return Some(unpacked);
    }
    let program = process::find_program(PROGRAM)?;
    let version = process::capture(Command::new(&program).arg("--version")).ok()?;
    if major(&version)? < OLDEST {
        return None;
    }
    let installed = Qemu {
        program,
        unpacked: None,
        loader: None,
    };
    installed
        .has_device("vhost-user-gpu-pci")
        .then_some(installed)
}

/// Finds a QEMU 11, unpacked or installed.
pub(crate) fn find_modern(rig: &Path) -> Option<Qemu> {
    let installed = process::find_program(PROGRAM).map(|program| Qemu {
        program,
        unpacked: None,
        loader: None,
    });
    let mut found = [Some(unpacked_modern(rig)), installed]
        .into_iter()
        .flatten();
    found.find(|qemu| qemu.program.is_file() && qemu.has_device(ANY_DEVICE))
}

/// Unpacks a QEMU 11 of a newer release, with all its libraries.
pub(crate) fn fetch_modern(newer: &Apt, rig: &Path) -> Result<Qemu> {
    let qemu = unpacked_modern(rig);
    let closure = newer.closure(&["qemu-system-x86"])?;
    newer.unpack("QEMU 11", &closure, &rig.join(MODERN_FOLDER))?;
    if qemu.has_device(ANY_DEVICE) {
        Ok(qemu)
    } else {
        Err(Error::Missing {
            what: format!("the archive's newest QEMU has no {ANY_DEVICE}"),
            hint: "install QEMU 11 or newer".to_owned(),
        })
    }
}

/// Unpacks Debian's QEMU, with its window when one is to be opened.
pub(crate) fn fetch(apt: &Apt, rig: &Path, purpose: Purpose) -> Result<Qemu> {
    let mut packages = vec!["qemu-system-x86"];
    if purpose == Purpose::Window {
        packages.extend(["qemu-system-gui", "qemu-system-modules-opengl"]);
    }
    let qemu = unpacked(rig, purpose);
    let closure = apt.closure(&packages)?;
    apt.unpack("QEMU", &closure, &folder(rig, purpose))?;
    if qemu.program.is_file() {
        Ok(qemu)
    } else {
        Err(Error::Missing {
            what: format!("the archive's packages hold no {PROGRAM}"),
            hint: "install QEMU 8.0 or newer".to_owned(),
        })
    }
}

fn folder(rig: &Path, purpose: Purpose) -> PathBuf {
    rig.join(match purpose {
        Purpose::Window => "qemu-window",
        Purpose::Build | Purpose::Boot | Purpose::Test => "qemu",
    })
}

fn unpacked(rig: &Path, purpose: Purpose) -> Qemu {
    let folder = folder(rig, purpose);
    Qemu {
        program: folder.join("usr/bin").join(PROGRAM),
        unpacked: Some(folder),
        loader: None,
    }
}

fn unpacked_modern(rig: &Path) -> Qemu {
    let folder = rig.join(MODERN_FOLDER);
    Qemu {
        program: folder.join("usr/bin").join(PROGRAM),
        loader: Some(folder.join(LOADER)),
        unpacked: Some(folder),
    }
}

/// The first number of `QEMU emulator version 10.0.2 (Debian …)`.
fn major(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once("version ")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_lines() {
        assert_eq!(
            major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright"),
            Some(10)
        );
        assert_eq!(major("nonsense"), None);
    }
}
