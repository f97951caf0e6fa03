//! The daemon as a process.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::wait::{LIMIT, wait_until};

/// A daemon's command, not started.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_remove("RUST_LOG");
    command
}

/// Connects to a daemon; its file is there a moment before its socket listens.
pub fn connect(path: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(path);
    wait_until("the daemon to listen", || {
        if stream.is_err() {
            stream = UnixStream::connect(path);
        }
        stream.is_ok()
    });
    let stream = stream.unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// A process that is killed when dropped.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    process: Running,
    directory: TempDir,
}

impl Daemon {
    /// A daemon that waits for a front end, and logs all it can.
    pub fn start(program: &str) -> Self {
        let daemon = Self::start_with(program, &["--log-level", "debug"]);
        // The file is there a moment before the daemon listens and knows its own file.
        wait_until("the daemon to listen", || {
            daemon.log().contains("waiting for a front end")
        });
        daemon
    }

    /// A daemon with these arguments besides its socket's path. It draws in 2D unless they choose a renderer.
    pub fn start_with(program: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let mut command = command(program);
        command
            .arg("--socket-path")
            .arg(directory.path().join("socket"))
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(log);
        let chosen = ["--renderer", "--virgl"];
        if !arguments.iter().any(|given| chosen.contains(given)) {
            command.args(["--renderer", "none"]);
        }
        let daemon = Self {
            process: Running::start(&mut command),
            directory,
        };
        wait_until("the daemon's socket", || daemon.socket_path().exists());
        daemon
    }

    /// Where its socket is.
    pub fn socket_path(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// The directory that it has to itself.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A connection to it.
    pub fn connect(&self) -> UnixStream {
        connect(&self.socket_path())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.0.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits for the end and says how it came and how long it took.
    pub fn wait(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            assert!(
                start.elapsed() < LIMIT,
                "the daemon did not end:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_none()
    }

    /// The daemon's open descriptors.
    pub fn open_descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    /// What it holds: descriptors, threads, and mappings of files that a guest shares.
    pub fn holdings(&self) -> [usize; 3] {
        let entries = |directory: &str| {
            std::fs::read_dir(format!("/proc/{}/{directory}", self.pid()))
                .unwrap()
                .count()
        };
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid())).unwrap();
        [
            entries("fd"),
            entries("task"),
            maps.matches("/memfd:").count(),
        ]
    }

    /// How often its threads have gone to sleep, which is one more than how often they woke up, and the processor
    /// time that it has used, in hundredths of a second: one that spins does not go to sleep.
    pub fn activity(&self) -> (u64, u64) {
        let switches = std::fs::read_dir(format!("/proc/{}/task", self.pid()))
            .unwrap()
            .map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap())
            .map(|status| {
                let line = status
                    .lines()
                    .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                    .unwrap();
                line.trim().parse::<u64>().unwrap()
            })
            .sum();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // utime and stime, the fields 14 and 15, of which 3 is the first after the name in parentheses.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let times = fields.split(' ').skip(11).take(2);
        let ticks = times.map(|field| field.parse::<u64>().unwrap()).sum();
        (switches, ticks)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}
