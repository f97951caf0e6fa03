//! `cargo xtask bench`: how fast our daemon is, beside its bounds and QEMU's own daemon.

use std::ffi::OsString;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::progress::Stage;
use crate::setup::{self, Purpose};
use crate::workspace::{Workspace, cargo};

const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// For the benchmark itself: names of measurements, --rounds, --slice, --peer
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs the benchmark and says where its numbers are.
pub(crate) fn run(workspace: &Workspace, arguments: &BenchArgs) -> Result<()> {
    // QEMU's daemon comes with its window.
    let parts = setup::ensure(workspace, Purpose::Window)?;
    let stage = Stage::start(
        "build the device and the benchmark",
        Duration::from_secs(60),
    );
    let mut build = cargo();
    build
        .args(["build", "--release", "--package", "gpu_bench"])
        .args(["--package", "vhost_user_gpu"])
        .current_dir(workspace.root());
    process::run(build, &workspace.logs().join("build.txt"), BUILD_LIMIT)?;
    stage.done();

    let folder = workspace.target().join("bench");
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let result = folder.join("result.json");
    let mut bench = process::tied_command(&workspace.programs().join("gpu_bench"));
    bench
        .arg("--ours")
        .arg(workspace.programs().join("vhost-user-gpu"))
        .arg("--json")
        .arg(&result);
    match parts.qemu.daemon() {
        Some(daemon) => {
            bench.arg("--qemu").arg(daemon.program);
            if let Some(libraries) = daemon.libraries {
                bench.arg("--qemu-libraries").arg(libraries);
            }
        }
        None => println!("QEMU's own vhost-user-gpu daemon is not here: nothing to compare with"),
    }
    run_shown(bench.args(&arguments.arguments))?;
    println!("{}", result.display());
    Ok(())
}

/// Runs a program whose output is for the user.
fn run_shown(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|source| Error::Io {
        action: format!("run {}", command.get_program().display()),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Command {
            command: command.get_program().display().to_string(),
            status,
            output: String::new(),
        })
    }
}
