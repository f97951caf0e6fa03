//! Where the workspace and its build folder are, and how its programs are built.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::rig::DeviceKind;

const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// The folders everything else is relative to.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo for the build folder, which the environment or a configuration may have moved.
    pub(crate) fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap_or(Path::new("/"))
            .to_owned();
        let text = process::capture(
            cargo()
                .args(["metadata", "--no-deps", "--format-version=1"])
                .current_dir(&root),
        )?;
        let metadata: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| Error::Protocol {
                peer: "cargo metadata",
                message: error.to_string(),
            })?;
        let target = metadata
            .get("target_directory")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| Error::Protocol {
                peer: "cargo metadata",
                message: "no target_directory in its answer".to_owned(),
            })?;
        let workspace = Self {
            root,
            target: PathBuf::from(target),
        };
        for folder in [workspace.rig(), workspace.out(), workspace.logs()] {
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        Ok(workspace)
    }

    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's build folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Downloads, unpacked, kept from run to run.
    pub(crate) fn rig(&self) -> PathBuf {
        self.target.join("rig")
    }

    /// Pictures and files that guests hand out.
    pub(crate) fn out(&self) -> PathBuf {
        self.rig().join("out")
    }

    /// Logs of the latest runs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.rig().join("logs")
    }

    /// Builds the guest's programs, and our device when it is to be used; returns the latter.
    pub(crate) fn build_programs(&self, device: DeviceKind) -> Result<Option<PathBuf>> {
        let mut packages = vec!["kms_probe", "gl_probe", "buffer_probe"];
        if device == DeviceKind::Ours {
            packages.push("vhost_user_gpu");
        }
        let mut command = cargo();
        command.args(["build", "--release"]).current_dir(&self.root);
        for package in packages {
            command.args(["--package", package]);
        }
        let log = self.logs().join("build.txt");
        process::run(command, &log, BUILD_LIMIT)?;
        if device == DeviceKind::Qemu {
            return Ok(None);
        }
        let program = self.programs().join("vhost-user-gpu");
        if program.is_file() {
            Ok(Some(program))
        } else {
            Err(Error::Missing {
                what: format!("the build left no {}", program.display()),
                hint: "check the [[bin]] section of vhost_user_gpu/Cargo.toml".to_owned(),
            })
        }
    }

    /// Where optimised programs are.
    pub(crate) fn programs(&self) -> PathBuf {
        self.target.join("release")
    }
}

/// The cargo that runs us, or the one in PATH.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}
