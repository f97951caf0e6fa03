//! An X server without a screen.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A running Xvfb.
#[derive(Debug)]
pub(crate) struct Xvfb {
    child: Child,
    number: u32,
}

/// Whether there is one to run.
pub(crate) fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join("Xvfb").is_file())
}

impl Xvfb {
    /// Starts one of 800x600, without these extensions.
    pub(crate) fn start(without: &[&str]) -> Self {
        Self::spawn(None, without, &[])
    }

    /// Starts one of this number.
    pub(crate) fn start_as(number: u32) -> Self {
        Self::spawn(Some(number), &[], &[])
    }

    /// Starts one that is reached over the network alone.
    pub(crate) fn start_remote() -> Self {
        Self::spawn(None, &[], &["-listen", "tcp", "-nolisten", "unix"])
    }

    fn spawn(number: Option<u32>, without: &[&str], more: &[&str]) -> Self {
        let mut command = Command::new("Xvfb");
        if let Some(number) = number {
            command.arg(format!(":{number}"));
        }
        command.args(["-displayfd", "1", "-screen", "0", "800x600x24"]);
        command.args(["-ac", "-noreset"]).args(more);
        for extension in without {
            command.args(["-extension", extension]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let number = line.trim().parse().expect("Xvfb says no number");
        Self { child, number }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn name(&self) -> String {
        format!(":{}", self.number)
    }

    /// Leaves it so many bytes of memory more than it has; false where that cannot be done.
    pub(crate) fn starve(&self, spare: u64) -> bool {
        let statm = format!("/proc/{}/statm", self.child.id());
        let statm = std::fs::read_to_string(statm).unwrap();
        let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
        let limit = pages * 4096 + spare;
        let status = Command::new("prlimit")
            .args(["--pid", &self.child.id().to_string()])
            .arg(format!("--as={limit}"))
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// Stops it where it is, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        use nix::sys::signal::{Signal, kill};
        let signal = match frozen {
            true => Signal::SIGSTOP,
            false => Signal::SIGCONT,
        };
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        kill(pid, signal).unwrap();
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
