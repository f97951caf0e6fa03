//! Packages that must be installed on the system, because programs in the guest are the host's.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::progress::Stage;
use crate::setup::Purpose;
use crate::setup::system::{Family, System};
use crate::workspace::Workspace;

/// A program and the packages that bring it.
struct Need {
    program: &'static str,
    debian: &'static str,
    fedora: &'static str,
    arch: &'static str,
}

const FOR_TESTS: [Need; 1] = [Need {
    program: "modetest",
    debian: "libdrm-tests",
    fedora: "drm-utils",
    arch: "libdrm",
}];

const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// Installs what is missing where we may, else says how to.
pub(crate) fn ensure(workspace: &Workspace, system: &System, purpose: Purpose) -> Result<()> {
    let needs: &[Need] = match purpose {
        Purpose::Test => &FOR_TESTS,
        Purpose::Boot | Purpose::Window => &[],
    };
    let missing: Vec<&Need> = needs
        .iter()
        .filter(|need| process::find_program(need.program).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs = join(&missing, |need| need.program);
    let debian = join(&missing, |need| need.debian);
    if system.family != Family::Debian || !system.root {
        return Err(Error::Missing {
            what: format!("missing: {programs}"),
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

fn join(needs: &[&Need], name: impl Fn(&Need) -> &'static str) -> String {
    let names: Vec<&str> = needs.iter().map(|need| name(need)).collect();
    names.join(" ")
}
