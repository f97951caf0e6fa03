//! Child processes that never outlive us, and waits that always end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Error, Result};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
const POLL: Duration = Duration::from_millis(20);
const GRACE: Duration = Duration::from_secs(3);

/// Makes SIGINT and SIGTERM end every wait, so that guards clean up; the second signal ends at once.
pub(crate) fn handle_signals() -> Result<()> {
    let flag = Arc::clone(INTERRUPTED.get_or_init(Arc::default));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|source| Error::Io {
                action: "handle signals".to_owned(),
                source,
            })?;
    }
    Ok(())
}

fn interrupted() -> bool {
    INTERRUPTED
        .get()
        .is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Asks `ready` again and again until it yields something, the deadline passes or a signal comes.
pub(crate) fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if interrupted() {
            return Err(Error::Interrupted);
        }
        if start.elapsed() >= limit {
            return Err(Error::TimedOut {
                what: what.to_owned(),
                after: limit,
                output: String::new(),
            });
        }
        sleep(POLL);
    }
}

/// A running program whose output goes to a file; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with no input and its output in `log`.
    pub(crate) fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::create(log).map_err(Error::io("create", log))?;
        let err = out.try_clone().map_err(Error::io("share", log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(Error::io("start", Path::new(command.get_program())))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// The exit status once the program has ended.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .map_err(Error::io("wait for", Path::new(&self.name)))
    }

    /// Fails if the program has ended.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        match self.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Error::Ended {
                name: self.name.clone(),
                status,
                output: String::new(),
            }),
        }
    }

    /// Replaces an error in talking to the program by the program's own end, if that is the cause.
    pub(crate) fn explain(&mut self, error: Error) -> Error {
        match self.wait(Duration::from_millis(500)) {
            Ok(status) => Error::Ended {
                name: self.name.clone(),
                status,
                output: self.log_tail(),
            },
            Err(_) => error.with_logs(|| self.log_tail()),
        }
    }

    /// Waits until the program ends by itself.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait_until(&what, limit, || self.try_wait())
    }

    /// Asks the program to end, and makes it end when it does not.
    pub(crate) fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended in between; the loop below finds out.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// All that the program has written.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of what the program wrote.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log, 20)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a program to its end with its output in `log`.
pub(crate) fn run(mut command: Command, log: &Path, limit: Duration) -> Result<()> {
    let text = describe(&command);
    command.env("LC_ALL", "C.UTF-8");
    let mut process = Process::spawn(&text, command, log)?;
    let status = process
        .wait(limit)
        .map_err(|error| error.with_logs(|| tail(log, 20)))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Command {
            command: text,
            status,
            output: tail(log, 20),
        })
    }
}

/// Runs a program that ends by itself soon and returns the text it printed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    capture_bytes(command).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Runs a program that ends by itself soon and returns what it wrote.
pub(crate) fn capture_bytes(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("start", Path::new(command.get_program())))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Command {
            command: describe(command),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// A command that the kernel kills when we die without cleaning up, where `setpriv` can arrange it.
pub(crate) fn tied_command(program: &Path) -> Command {
    if find_program("setpriv").is_some() {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Looks a program up in PATH and in the system folders that PATH may lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The last `lines` lines of a text file; empty when there is none.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all.iter()
        .skip(all.len().saturating_sub(lines))
        .map(|line| format!("    {line}\n"))
        .collect()
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut text = name.to_string_lossy().into_owned();
    for word in command.get_args().take(3) {
        text.push(' ');
        text.push_str(&word.to_string_lossy());
    }
    text
}
