//! Packages that must be installed on the system: what building needs, and the programs and drivers
//! of the guest, which are the host's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::progress::Stage;
use crate::setup::Purpose;
use crate::setup::system::{Family, System};
use crate::workspace::Workspace;

/// Something that must be there, and the packages that bring it.
struct Need {
    sign: Sign,
    debian: &'static str,
    fedora: &'static str,
    arch: &'static str,
}

/// What tells that a package is installed.
#[derive(Clone, Copy)]
enum Sign {
    /// A program in PATH.
    Program(&'static str),
    /// A library's file in one of the system's library folders.
    Library(&'static str),
    /// A file that is at the same place everywhere.
    File(&'static str),
}

/// Bindings are made from the installed header, and GBM is linked.
const FOR_BUILDS: [Need; 4] = [
    Need {
        sign: Sign::Program("pkg-config"),
        debian: "pkg-config",
        fedora: "pkgconf-pkg-config",
        arch: "pkgconf",
    },
    Need {
        sign: Sign::Library("libclang.so"),
        debian: "libclang-dev",
        fedora: "clang-devel",
        arch: "clang",
    },
    Need {
        sign: Sign::File("/usr/include/virgl/virglrenderer.h"),
        debian: "libvirglrenderer-dev",
        fedora: "virglrenderer-devel",
        arch: "virglrenderer",
    },
    Need {
        sign: Sign::Library("libgbm.so"),
        debian: "libgbm-dev",
        fedora: "mesa-libgbm-devel",
        arch: "mesa",
    },
];

/// GL: on the host for the device and for tests of its parts, in the guest for programs.
const FOR_GL: [Need; 4] = [
    Need {
        sign: Sign::Library("libOpenGL.so.0"),
        debian: "libopengl0",
        fedora: "libglvnd-opengl",
        arch: "libglvnd",
    },
    Need {
        sign: Sign::Library("libEGL.so.1"),
        debian: "libegl1",
        fedora: "libglvnd-egl",
        arch: "libglvnd",
    },
    Need {
        sign: Sign::File("/usr/share/glvnd/egl_vendor.d/50_mesa.json"),
        debian: "libegl-mesa0",
        fedora: "mesa-libEGL",
        arch: "mesa",
    },
    Need {
        sign: Sign::Library("dri/swrast_dri.so"),
        debian: "libgl1-mesa-dri",
        fedora: "mesa-dri-drivers",
        arch: "mesa",
    },
];

const FOR_TESTS: [Need; 7] = [
    Need {
        sign: Sign::Program("modetest"),
        debian: "libdrm-tests",
        fedora: "drm-utils",
        arch: "libdrm",
    },
    Need {
        sign: Sign::Program("eglinfo"),
        debian: "mesa-utils",
        fedora: "egl-utils",
        arch: "mesa-utils",
    },
    Need {
        sign: Sign::Program("kmscube"),
        debian: "kmscube",
        fedora: "kmscube",
        arch: "kmscube",
    },
    Need {
        sign: Sign::Program("weston"),
        debian: "weston",
        fedora: "weston",
        arch: "weston",
    },
    Need {
        sign: Sign::Program("weston-simple-egl"),
        debian: "weston",
        fedora: "weston-demo",
        arch: "weston",
    },
    Need {
        sign: Sign::Program("Xvfb"),
        debian: "xvfb",
        fedora: "xorg-x11-server-Xvfb",
        arch: "xorg-server-xvfb",
    },
    Need {
        sign: Sign::Program("seatd-launch"),
        debian: "seatd",
        fedora: "seatd",
        arch: "seatd",
    },
];

const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// Installs what is missing where we may, else says how to.
pub(crate) fn ensure(workspace: &Workspace, system: &System, purpose: Purpose) -> Result<()> {
    let needs: &[&[Need]] = match purpose {
        Purpose::Build | Purpose::Boot | Purpose::Window => &[&FOR_BUILDS, &FOR_GL],
        Purpose::Test => &[&FOR_BUILDS, &FOR_GL, &FOR_TESTS],
    };
    let missing: Vec<&Need> = needs
        .iter()
        .flat_map(|needs| needs.iter())
        .filter(|need| !need.sign.is_there())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let signs = join(&missing, |need| need.sign.name());
    let debian = join(&missing, |need| need.debian);
    if system.family != Family::Debian || !system.root {
        return Err(Error::Missing {
            what: format!("missing: {signs}"),
            hint: format!(
                "Debian: sudo apt-get install {debian}; Fedora: sudo dnf install {}; \
                 Arch: sudo pacman -S {}",
                join(&missing, |need| need.fedora),
                join(&missing, |need| need.arch)
            ),
        });
    }
    let stage = Stage::start(&format!("install {debian}"), Duration::from_secs(10));
    let log = workspace.logs().join("apt-install.txt");
    let packages: Vec<&str> = debian.split(' ').collect();
    if install(&packages, &log).is_err() {
        // The lists may be old or absent: read them once and try again.
        apt_get(&["update"], &log)
            .and_then(|()| install(&packages, &log))
            .map_err(|error| match error {
                Error::Command { .. } => Error::Missing {
                    what: format!("cannot install {debian}: no network?"),
                    hint: format!(
                        "check the connection or the mirror; {} has apt's words",
                        log.display()
                    ),
                },
                other => other,
            })?;
    }
    stage.done();
    Ok(())
}

fn install(packages: &[&str], log: &Path) -> Result<()> {
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments, log)
}

fn apt_get(arguments: &[&str], log: &Path) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::run(command, log, INSTALL_LIMIT)
}

/// The names of all, each once.
fn join(needs: &[&Need], name: impl Fn(&Need) -> &'static str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for need in needs {
        if !names.contains(&name(need)) {
            names.push(name(need));
        }
    }
    names.join(" ")
}

impl Sign {
    fn name(self) -> &'static str {
        match self {
            Self::Program(name) | Self::Library(name) | Self::File(name) => name,
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Program(name) => process::find_program(name).is_some(),
            Self::Library(name) => library_folders()
                .iter()
                .any(|folder| folder.join(name).exists()),
            Self::File(path) => Path::new(path).exists(),
        }
    }
}

/// Where libraries are: Fedora's folder, everyone's, and Debian's for the architecture and LLVM.
fn library_folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/usr/lib64"), PathBuf::from("/usr/lib")];
    for entry in fs::read_dir("/usr/lib").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == format!("{}-linux-gnu", std::env::consts::ARCH) {
            folders.push(entry.path());
        } else if name.starts_with("llvm-") {
            folders.push(entry.path().join("lib"));
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_brings_two_things_is_named_once() {
        let needs: Vec<&Need> = FOR_TESTS.iter().collect();
        let debian = join(&needs, |need| need.debian);
        assert_eq!(debian.matches("weston").count(), 1, "{debian}");
    }

    #[test]
    fn signs_are_looked_for_where_they_belong() {
        assert!(Sign::Program("sh").is_there());
        assert!(Sign::File("/proc/self/exe").is_there());
        for sign in [Sign::Program, Sign::Library, Sign::File] {
            assert!(!sign("no-such-thing").is_there());
        }
    }
}
