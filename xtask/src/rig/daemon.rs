//! Our daemon as the guest's GPU.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::Result;
use crate::process::{self, Process};
use crate::rig::options::Display;

const START_LIMIT: Duration = Duration::from_secs(10);

/// Starts the daemon and waits until QEMU can connect to it.
pub(crate) fn start(
    program: &Path,
    socket: &Path,
    display: &Display,
    log: &Path,
) -> Result<Process> {
    let mut process = Process::spawn("vhost-user-gpu", command(program, socket, display), log)?;
    process::wait_until("the daemon's socket", START_LIMIT, || {
        process.check_running()?;
        Ok(socket.exists().then_some(()))
    })
    .map_err(|error| error.with_logs(|| process.log_tail()))?;
    Ok(process)
}

fn command(program: &Path, socket: &Path, display: &Display) -> Command {
    let mut command = process::tied_command(program);
    command.arg("--socket-path").arg(socket).arg("--display");
    match display {
        Display::Frontend => command.arg("frontend"),
        Display::Headless(folder) => {
            let mut value = std::ffi::OsString::from("headless=");
            value.push(folder);
            command.arg(value)
        }
    };
    command.args(["--renderer", "none"]);
    command
}
