//! A daemon as a process, ours or QEMU's.

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A daemon's program, what it is told, and how its libraries are found.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// What it is told besides where its socket is.
    pub(crate) arguments: Vec<String>,
    /// Where its libraries are, for one that was only unpacked.
    pub(crate) libraries: Option<PathBuf>,
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    directory: TempDir,
}

/// What Mesa reads to know how many threads may draw. Our renderer sets it, in this process and in a daemon.
const DRAWING_THREADS: &str = "LP_NUM_THREADS";

/// Its value when this process began, which every daemon is to find.
static DRAWING_THREADS_AT_START: OnceLock<Option<OsString>> = OnceLock::new();

/// Remembers what this process changes in its environment.
pub(crate) fn remember_environment() {
    DRAWING_THREADS_AT_START.get_or_init(|| std::env::var_os(DRAWING_THREADS));
}

impl Program {
    /// The same under another name and with other arguments.
    pub(crate) fn told(&self, name: &'static str, arguments: &[&str]) -> Self {
        Self {
            name,
            arguments: arguments.iter().map(|&each| each.to_owned()).collect(),
            ..self.clone()
        }
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Daemon {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(&self.path);
        command
            .arg("--socket-path")
            .arg(directory.path().join("socket"))
            .args(&self.arguments)
            .env_remove("RUST_LOG")
            .env_remove(DRAWING_THREADS)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        if let Some(Some(threads)) = DRAWING_THREADS_AT_START.get() {
            command.env(DRAWING_THREADS, threads);
        }
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        Daemon {
            child: command.spawn().unwrap(),
            directory,
        }
    }
}

impl Daemon {
    fn socket_path(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// A connection, as soon as it listens.
    pub(crate) fn connect(&mut self) -> UnixStream {
        let path = self.socket_path();
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match UnixStream::connect(&path) {
                Ok(stream) => return stream,
                Err(error) => assert!(Instant::now() < end, "{}: {error}", path.display()),
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon has ended: {status}");
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it run on this processor only, or on all again.
    pub(crate) fn pin(&self, processor: Option<usize>) {
        pin_process(self.pid(), processor);
    }

    /// A value of `/proc/<pid>/smaps_rollup`, in KiB.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        field(Path::new(&path), name)
    }

    /// How often its threads have gone to sleep.
    pub(crate) fn sleeps(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/task", self.pid()))
            .unwrap()
            .map(|task| {
                field(
                    &task.unwrap().path().join("status"),
                    "voluntary_ctxt_switches:",
                )
            })
            .sum()
    }
}

fn field(path: &Path, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap()
}

/// Lets this process run on this processor only, or on all again.
pub(crate) fn pin_self(processor: Option<usize>) {
    pin_process(std::process::id(), processor);
}

/// Pins all threads that a process has; those that it starts later follow.
fn pin_process(process: u32, processor: Option<usize>) {
    let mut set = CpuSet::new();
    let places = match processor {
        Some(only) => only..only + 1,
        None => 0..CpuSet::count(),
    };
    for place in places {
        set.set(place).unwrap();
    }
    for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let id = task.unwrap().file_name().into_string().unwrap();
        let pinned = sched_setaffinity(Pid::from_raw(id.parse().unwrap()), &set);
        // One that has ended meanwhile needs no place.
        assert!(pinned.is_ok() || pinned == Err(Errno::ESRCH));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
