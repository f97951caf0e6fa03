//! Debian packages fetched with a private apt configuration and unpacked aside: nothing on the
//! system is installed, upgraded or reconfigured, and no root is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process::{self, Process};
use crate::progress::Stage;
use crate::setup::sources::{self, Archive};
use crate::setup::system::System;
use crate::workspace::Workspace;

const DOWNLOAD_LIMIT: Duration = Duration::from_secs(900);

/// A release that can be unpacked beside an older one, and its backports: the first with QEMU 11.
const NEWER: [&str; 2] = ["trixie", "trixie-backports"];

/// What need not be fetched.
#[derive(Debug)]
enum Installed {
    /// What this system has.
    Here,
    /// Nothing: all is taken from another release, down to the loader.
    Nothing,
}

/// A private view of the archive, its lists up to date.
#[derive(Debug)]
pub(crate) struct Apt {
    folder: PathBuf,
    installed: Installed,
    logs: PathBuf,
    codename: String,
    release: String,
    root: bool,
}

impl Apt {
    /// Reads the package lists of the archive this machine is configured for.
    pub(crate) fn open(workspace: &Workspace, system: &System) -> Result<Self> {
        let archive = archive_of(system)?;
        // Only Debian 12's own QEMU is too old to take from its main archive.
        let backports = (system.codename == "bookworm").then(|| "bookworm-backports".to_owned());
        let apt = Self {
            folder: workspace.rig().join("apt"),
            installed: Installed::Here,
            logs: workspace.logs(),
            codename: system.codename.clone(),
            release: backports.clone().unwrap_or_else(|| system.codename.clone()),
            root: system.root,
        };
        apt.write_configuration(&archive, &system.codename, backports.as_deref())?;
        apt.update(&archive)?;
        Ok(apt)
    }

    /// Reads the package lists of a release with newer programs, in the same archive. What comes
    /// from there brings all its libraries.
    pub(crate) fn open_newer(workspace: &Workspace, system: &System) -> Result<Self> {
        let archive = archive_of(system)?;
        let [codename, backports] = NEWER;
        let apt = Self {
            folder: workspace.rig().join("apt-newer"),
            installed: Installed::Nothing,
            logs: workspace.logs(),
            codename: codename.to_owned(),
            release: backports.to_owned(),
            root: system.root,
        };
        apt.write_configuration(&archive, codename, Some(backports))?;
        let status = apt.status();
        fs::write(&status, "").map_err(Error::io("write", &status))?;
        apt.update(&archive)?;
        Ok(apt)
    }

    fn update(&self, archive: &Archive) -> Result<()> {
        let log = self.logs.join("apt-update.txt");
        process::run(self.tool("apt-get", &["update"]), &log, DOWNLOAD_LIMIT).map_err(|error| {
            match error {
                Error::Command { .. } => Error::Missing {
                    what: format!(
                        "cannot read the package lists of {}: no network?",
                        archive.uri
                    ),
                    hint: format!(
                        "check the connection or the mirror; {} has apt's words",
                        log.display()
                    ),
                },
                other => other,
            }
        })
    }

    /// The list of what is installed, when that is nothing.
    fn status(&self) -> PathBuf {
        self.folder.join("status")
    }

    fn write_configuration(
        &self,
        archive: &Archive,
        codename: &str,
        backports: Option<&str>,
    ) -> Result<()> {
        for folder in ["lists/partial", "cache/archives/partial"] {
            let folder = self.folder.join(folder);
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        let mut text = archive.entry(codename);
        if let Some(backports) = backports {
            text.push_str(&archive.entry(backports));
        }
        let list = self.folder.join("sources.list");
        fs::write(&list, text).map_err(Error::io("write", &list))
    }

    /// An apt program that sees only the private configuration.
    fn tool(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        let folder = self.folder.display();
        for option in [
            format!("Dir::Etc::SourceList={folder}/sources.list"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "Dir::Etc::Preferences=/dev/null".to_owned(),
            "Dir::Etc::PreferencesParts=/dev/null".to_owned(),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache={folder}/cache"),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=2".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        if matches!(self.installed, Installed::Nothing) {
            let status = self.status();
            command
                .arg("-o")
                .arg(format!("Dir::State::status={}", status.display()));
        }
        if self.root {
            // The unprivileged user of apt cannot write into a build folder.
            command.args(["-o", "APT::Sandbox::User=root"]);
        }
        command.args(arguments);
        command
    }

    /// What the release's own `package` depends on, one level down.
    pub(crate) fn depends(&self, package: &str) -> Result<Vec<String>> {
        self.depends_in(&self.codename, package)
    }

    /// What the newest `package` of the archive depends on, one level down.
    pub(crate) fn newest_depends(&self, package: &str) -> Result<Vec<String>> {
        self.depends_in(&self.release, package)
    }

    fn depends_in(&self, release: &str, package: &str) -> Result<Vec<String>> {
        let arguments = ["-t", release, "depends", package];
        let text = process::capture(&mut self.tool("apt-cache", &arguments))?;
        Ok(text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .map(str::to_owned)
            .collect())
    }

    /// `packages` and all they need that this system has not installed, as `name=version`.
    pub(crate) fn closure(&self, packages: &[&str]) -> Result<Vec<String>> {
        let mut command = self.tool(
            "apt-get",
            &[
                "--simulate",
                "--no-install-recommends",
                "-t",
                &self.release,
                "install",
            ],
        );
        command.args(packages);
        Ok(parse_simulation(&process::capture(&mut command)?))
    }

    /// Downloads `packages` and unpacks them into `folder`, which appears only when it is complete.
    pub(crate) fn unpack(&self, title: &str, packages: &[String], folder: &Path) -> Result<()> {
        let stage = Stage::start(&format!("download {title}"), Duration::from_secs(30));
        let debs = self.folder.join("debs");
        recreate(&debs)?;
        self.download(packages, &debs, &stage)?;
        stage.done();

        let stage = Stage::start(&format!("unpack {title}"), Duration::from_secs(4));
        let partial = folder.with_extension("partial");
        recreate(&partial)?;
        let log = self.logs.join("dpkg-deb.txt");
        let files: Vec<PathBuf> = entries(&debs)
            .into_iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "deb"))
            .collect();
        for (index, deb) in files.iter().enumerate() {
            stage.progress(count(index), count(files.len()));
            let mut command = Command::new("dpkg-deb");
            command.arg("-x").arg(deb).arg(&partial);
            process::run(command, &log, Duration::from_secs(300))?;
        }
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
        }
        fs::rename(&partial, folder).map_err(Error::io("rename", &partial))?;
        fs::remove_dir_all(&debs).map_err(Error::io("remove", &debs))?;
        stage.done();
        Ok(())
    }

    fn download(&self, packages: &[String], debs: &Path, stage: &Stage) -> Result<()> {
        let mut command = self.tool(
            "apt-get",
            &["-t", &self.release, "--print-uris", "download"],
        );
        command.args(packages).current_dir(debs);
        let total = parse_sizes(&process::capture(&mut command)?);

        let mut command = self.tool("apt-get", &["-t", &self.release, "download"]);
        command.args(packages).current_dir(debs);
        let log = self.logs.join("apt-download.txt");
        let mut process = Process::spawn("apt-get download", command, &log)?;
        let status = process::wait_until("the download", DOWNLOAD_LIMIT, || {
            stage.progress(folder_size(debs), total);
            process.try_wait()
        })
        .map_err(|error| error.with_logs(|| process.log_tail()))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::Missing {
                what: format!(
                    "cannot download {}: no network?",
                    packages.first().map_or("packages", String::as_str)
                ),
                hint: format!(
                    "check the connection or the mirror; {} has apt's words",
                    log.display()
                ),
            })
        }
    }
}

/// The archive that a system is configured for.
fn archive_of(system: &System) -> Result<Archive> {
    sources::find(&system.codename).ok_or_else(|| Error::Missing {
        what: format!(
            "no Debian archive for {} in /etc/apt/sources.list or /etc/apt/sources.list.d",
            system.codename
        ),
        hint: "add the line of the Debian mirror you use there".to_owned(),
    })
}

/// Lines such as `Inst name (version Debian:12.15/oldstable [amd64])` or `Inst name [old] (new …)`.
fn parse_simulation(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("Inst ")?;
            let name = rest.split_whitespace().next()?;
            let (_, version) = rest.split_once('(')?;
            let version = version.split_whitespace().next()?;
            Some(format!("{name}={version}"))
        })
        .collect()
}

/// The sum of the sizes in lines such as `'http://…/x.deb' x.deb 1234 SHA256:…`.
fn parse_sizes(text: &str) -> u64 {
    text.lines()
        .filter(|line| line.starts_with('\''))
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

fn recreate(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
    }
    fs::create_dir_all(folder).map_err(Error::io("create", folder))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

fn folder_size(folder: &Path) -> u64 {
    entries(folder)
        .iter()
        .filter_map(|file| fs::metadata(file).ok())
        .map(|metadata| metadata.len())
        .fold(0, u64::saturating_add)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_installations_name_versions() {
        let text = "NOTE: This is only a simulation!\n\
                    Inst libfdt1 (1.6.1-4+b1 Debian:12.15/oldstable [amd64])\n\
                    Inst libx [1.0] (1:2.0~bpo Debian Backports:x [amd64]) []\n\
                    Conf libfdt1 (1.6.1-4+b1 Debian:12.15/oldstable [amd64])\n";
        assert_eq!(
            parse_simulation(text),
            ["libfdt1=1.6.1-4+b1", "libx=1:2.0~bpo"]
        );
    }

    #[test]
    fn sizes_are_summed() {
        let text = "'http://a/x.deb' x.deb 1200 SHA256:0\nsomething else\n'http://a/y.deb' y.deb 34 SHA256:1\n";
        assert_eq!(parse_sizes(text), 1234);
    }
}
