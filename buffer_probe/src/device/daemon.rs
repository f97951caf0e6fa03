//! Our daemon as a process, with time enough for an emulated machine.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Error, Result};

/// A renderer compiles shaders, and its libraries come from far.
const LIMIT: Duration = Duration::from_secs(100);
const PAUSE: Duration = Duration::from_millis(20);

/// A running daemon; it does not outlive its owner.
#[derive(Debug)]
pub(super) struct Daemon {
    process: Child,
    folder: TempDir,
}

impl Daemon {
    /// Starts it, to draw on `render_node` or in 2D, and waits until it wants a front end.
    pub(super) fn start(
        program: &Path,
        arguments: &[&str],
        render_node: Option<&Path>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(Error::io("create a folder"))?;
        let log = File::create(folder.path().join("log")).map_err(Error::io("create a log"))?;
        let mut command = Command::new(program);
        command
            .arg("--socket-path")
            .arg(folder.path().join("socket"))
            .args(arguments);
        match render_node {
            None => command.args(["--renderer", "none"]),
            Some(node) => command
                .args(["--renderer", "virgl", "--render-node"])
                .arg(node)
                .arg(format!("--renderer-start-limit={}", LIMIT.as_secs())),
        };
        let process = command
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(Error::io("start the daemon"))?;
        let mut daemon = Self { process, folder };
        wait_until("the daemon to want a front end", || {
            let log = daemon.log()?;
            if daemon.has_ended()? {
                return Err(Error::Wrong(format!("the daemon has ended: {log}")));
            }
            Ok(log.contains("waiting for a front end").then_some(()))
        })?;
        Ok(daemon)
    }

    /// A connection to it, which waits for answers as long as this module does.
    pub(super) fn connect(&self) -> Result<UnixStream> {
        let stream = UnixStream::connect(self.file("socket")).map_err(Error::io("connect"))?;
        stream
            .set_read_timeout(Some(LIMIT))
            .map_err(Error::io("set a timeout"))?;
        Ok(stream)
    }

    /// Waits until it ends by itself; what it has said.
    pub(super) fn end(mut self) -> Result<String> {
        let status = wait_until("the daemon's end", || {
            self.process.try_wait().map_err(Error::io("wait"))
        })?;
        let log = self.log()?;
        if status.success() {
            Ok(log)
        } else {
            Err(Error::Wrong(format!("the daemon: {status}: {log}")))
        }
    }

    fn has_ended(&mut self) -> Result<bool> {
        let status = self.process.try_wait().map_err(Error::io("wait"))?;
        Ok(status.is_some())
    }

    fn log(&self) -> Result<String> {
        fs::read_to_string(self.file("log")).map_err(Error::io("read the daemon's log"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until there is something.
pub(super) fn wait_until<T>(what: &str, mut ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if Instant::now() > end {
            return Err(Error::Wrong(format!("waited in vain for {what}")));
        }
        std::thread::sleep(PAUSE);
    }
}
