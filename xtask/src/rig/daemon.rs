//! Our daemon as the guest's GPU.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process::{self, Process};
use crate::rig::options::{Display, FrontEnd, Options};

const START_LIMIT: Duration = Duration::from_secs(10);

/// Starts the daemon and waits until QEMU can connect to it.
pub(crate) fn start(
    program: &Path,
    socket: &Path,
    options: &Options,
    log: &Path,
) -> Result<Process> {
    if let Display::Headless(folder) = &options.display {
        prepare(folder)?;
    }
    let mut process = Process::spawn("vhost-user-gpu", command(program, socket, options), log)?;
    process::wait_until("the daemon's socket", START_LIMIT, || {
        process.check_running()?;
        Ok(socket.exists().then_some(()))
    })
    .map_err(|error| error.with_logs(|| process.log_tail()))?;
    Ok(process)
}

/// Makes the folder of the pictures and takes away those of earlier runs.
fn prepare(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    for entry in fs::read_dir(folder)
        .map_err(Error::io("read", folder))?
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("scanout-") && name.ends_with(".png") {
            fs::remove_file(entry.path()).map_err(Error::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn command(program: &Path, socket: &Path, options: &Options) -> Command {
    let mut command = process::tied_command(program);
    command.arg("--socket-path").arg(socket).arg("--display");
    match &options.display {
        Display::Frontend => command.arg("frontend"),
        Display::Headless(folder) => {
            let mut value = std::ffi::OsString::from("headless=");
            value.push(folder);
            command.arg(value)
        }
        Display::Windows(desktop) => command.arg(desktop),
    };
    command.args(["--renderer", options.renderer.name()]);
    if options.front_end == FrontEnd::AnyDevice {
        // What only such a front end lets the guest see.
        command.arg("--guest-blobs");
        let size = options.size;
        let screen = format!("{}x{}", size.width, size.height);
        command.args(["--scanout", &screen]);
    }
    // The tests read what it says there, whatever RUST_LOG may be.
    command.args(["--log-level", "info"]);
    command
}
