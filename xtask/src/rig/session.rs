//! One booted guest: QEMU, the daemon beside it, and the talk with both.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::error::{Error, Result};
use crate::process::{self, Process};
use crate::rig::daemon;
use crate::rig::exchange::{Exchange, Follower, Request};
use crate::rig::initramfs;
use crate::rig::machine::{self, Paths};
use crate::rig::options::{DeviceKind, Display, Options};
use crate::rig::qmp::Qmp;
use crate::rig::terminal::Splitter;
use crate::rig::wiretap::{Record, Wiretap};
use crate::setup::Parts;
use crate::workspace::Workspace;

const QUIT_LIMIT: Duration = Duration::from_secs(10);
/// For commands that only look something up.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A booted guest. Dropping it ends QEMU, then the daemon.
#[derive(Debug)]
pub(crate) struct Session {
    qmp: Qmp,
    qemu: Process,
    daemon: Option<Process>,
    tap: Option<Wiretap>,
    exchange: Exchange,
    paths: Paths,
    out: PathBuf,
    headless: Option<PathBuf>,
    boot: String,
    boot_limit: Duration,
}

/// A command running in the guest, its output kept in a file.
#[derive(Debug)]
pub(crate) struct Job {
    id: String,
    name: String,
}

impl Session {
    /// Boots a guest and waits until it takes jobs. `daemon` is the program of our device.
    pub(crate) fn boot(
        workspace: &Workspace,
        parts: &Parts,
        daemon: Option<&Path>,
        options: &Options,
    ) -> Result<Self> {
        let logs = workspace.logs();
        let log = |kind: &str| logs.join(format!("{}-{kind}.txt", options.label));
        let run = tempfile::Builder::new()
            .prefix("rig-")
            .tempdir()
            .map_err(Error::io("create a folder in", &std::env::temp_dir()))?;
        let socket = run.path().join("gpu");
        let paths = Paths {
            gpu: if options.tap {
                run.path().join("tap")
            } else {
                socket.clone()
            },
            run,
            console: log("console"),
            terminal: log("terminal"),
        };
        for file in [&paths.console, &paths.terminal] {
            // QEMU appends; an old console would pass for this guest's.
            fs::write(file, "").map_err(Error::io("empty", file))?;
        }
        let run = paths.run.path();
        let exchange = Exchange::create(
            &run.join("exchange"),
            &parts.kernel.modules,
            &workspace.programs(),
        )?;
        let initramfs = run.join("initramfs");
        fs::write(&initramfs, initramfs::build(parts)?).map_err(Error::io("write", &initramfs))?;

        let daemon = match (options.device, daemon) {
            (DeviceKind::Ours, Some(program)) => {
                Some(daemon::start(program, &socket, options, &log("daemon"))?)
            }
            _ => None,
        };
        let tap = options
            .tap
            .then(|| Wiretap::start(&paths.gpu, &socket))
            .transpose()?;
        let command = machine::command(parts, &paths, &workspace.out(), options);
        let mut qemu = Process::spawn("QEMU", command, &log("qemu"))?;
        let qmp = Qmp::connect(&run.join("qmp"), || qemu.check_running())
            .map_err(|error| qemu.explain(error))?;
        let mut session = Self {
            qmp,
            qemu,
            daemon,
            tap,
            exchange,
            paths,
            out: workspace.out(),
            headless: match (&options.display, options.device) {
                (Display::Headless(folder), DeviceKind::Ours) => Some(folder.clone()),
                _ => None,
            },
            boot: String::new(),
            boot_limit: options.boot_limit,
        };
        session.wait_for_boot()?;
        Ok(session)
    }

    /// Waits until a boot other than the last known one takes jobs.
    fn wait_for_boot(&mut self) -> Result<()> {
        let boot = self.wait_until("the guest's start", self.boot_limit, |session| {
            Ok(session
                .exchange
                .boot_id()
                .filter(|boot| *boot != session.boot))
        })?;
        self.boot = boot;
        Ok(())
    }

    /// Reboots the guest from inside; QEMU and the daemon stay.
    pub(crate) fn reboot(&mut self) -> Result<()> {
        self.start(&["reboot", "-f"])?;
        self.wait_for_boot()
    }

    /// Starts a command in the guest.
    pub(crate) fn start(&mut self, words: &[&str]) -> Result<Job> {
        let owned: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let id = self.exchange.submit(&owned, Path::new("/"), false)?;
        Ok(Job {
            id,
            name: words.join(" "),
        })
    }

    /// Waits until a job has printed `text`; fails when it ends before.
    pub(crate) fn wait_for_output(
        &mut self,
        job: &Job,
        text: &str,
        limit: Duration,
    ) -> Result<String> {
        let what = format!("`{}` printing {text:?}", job.name);
        self.wait_until(&what, limit, |session| {
            // Read before the output, so that nothing printed at the end is missed.
            let status = session.exchange.status(&job.id);
            let output = session.exchange.output(&job.id);
            match status {
                _ if output.contains(text) => Ok(Some(output)),
                Some(code) => Err(session.ended(job, code)),
                None => Ok(None),
            }
        })
    }

    /// Fails if a job has ended.
    pub(crate) fn check_job(&self, job: &Job) -> Result<()> {
        match self.exchange.status(&job.id) {
            None => Ok(()),
            Some(code) => Err(self.ended(job, code)),
        }
    }

    fn ended(&self, job: &Job, code: i32) -> Error {
        Error::Protocol {
            peer: "guest",
            message: format!(
                "`{}` ended with {code}: {}",
                job.name,
                self.exchange.output(&job.id).trim()
            ),
        }
    }

    /// Waits until a job has ended; returns its exit code and output.
    pub(crate) fn wait_for_end(&mut self, job: &Job, limit: Duration) -> Result<(i32, String)> {
        let what = format!("the end of `{}`", job.name);
        self.wait_until(&what, limit, |session| {
            Ok(session
                .exchange
                .status(&job.id)
                .map(|code| (code, session.exchange.output(&job.id))))
        })
    }

    /// Runs a command in the guest that must succeed and returns its output.
    pub(crate) fn run(&mut self, words: &[&str], limit: Duration) -> Result<String> {
        let job = self.start(words)?;
        match self.wait_for_end(&job, limit)? {
            (0, output) => Ok(output),
            (code, _) => Err(self.ended(&job, code)),
        }
    }

    /// Ends a job and waits until it has gone.
    pub(crate) fn stop(&mut self, job: &Job) -> Result<()> {
        self.end(job, "-TERM")
    }

    /// Ends a job whatever it is doing, and waits until it has gone.
    pub(crate) fn kill(&mut self, job: &Job) -> Result<()> {
        self.end(job, "-KILL")
    }

    fn end(&mut self, job: &Job, signal: &str) -> Result<()> {
        if self.exchange.status(&job.id).is_some() {
            return Ok(());
        }
        if let Some(pid) = self.exchange.pid(&job.id) {
            let killer = self.start(&["kill", signal, &pid.to_string()])?;
            self.wait_for_end(&killer, Duration::from_secs(20))?;
        }
        self.wait_for_end(job, Duration::from_secs(20))?;
        Ok(())
    }

    /// Runs the user's command on the guest's terminal, `show`ing its output as it comes.
    pub(crate) fn run_on_terminal(
        &mut self,
        words: &[String],
        directory: &Path,
        limit: Duration,
        mut show: impl FnMut(&[u8]),
    ) -> Result<i32> {
        let mut terminal = Follower::new(&self.paths.terminal);
        let mut splitter = Splitter::default();
        self.exchange.submit(words, directory, true)?;
        let what = format!("the end of `{}`", words.join(" "));
        self.wait_until(&what, limit, |_| {
            let code = splitter.feed(&terminal.read()?);
            show(&splitter.take());
            Ok(code)
        })
    }

    /// What our daemon has told QEMU, when that is recorded.
    pub(crate) fn record(&self) -> Record {
        self.tap.as_ref().map(Wiretap::record).unwrap_or_default()
    }

    /// Whether the guest's GPU offers 3D: the first bit of what driver and device agreed on.
    pub(crate) fn has_3d(&mut self) -> Result<bool> {
        let look = "cat /sys/bus/virtio/drivers/virtio_gpu/virtio*/features";
        let features = self.run(&["sh", "-c", look], ANSWER_LIMIT)?;
        Ok(features.starts_with('1'))
    }

    /// What our daemon says about its renderer: which it chose, and why.
    pub(crate) fn renderer_line(&self) -> String {
        let log = self.daemon.as_ref().map(Process::log).unwrap_or_default();
        log.lines()
            .find_map(|line| line.split_once("renderer: "))
            .map(|(_, choice)| choice.to_owned())
            .unwrap_or_default()
    }

    /// Saves what the front end shows of one scanout.
    pub(crate) fn screendump(&mut self, head: u32, file: &Path) -> Result<()> {
        self.qmp.screendump(head, file)
    }

    /// The socket of the VNC server that shows one scanout.
    pub(crate) fn vnc_socket(&self, head: u32) -> PathBuf {
        self.paths.run.path().join(format!("vnc{head}"))
    }

    /// The host's path of a file that the guest has in `/rig`.
    pub(crate) fn exchange_file(&self, name: &str) -> PathBuf {
        self.paths.run.path().join("exchange").join(name)
    }

    /// Whether QEMU and the daemon are still there.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        self.qemu.check_running()?;
        match &mut self.daemon {
            Some(daemon) => daemon.check_running(),
            None => Ok(()),
        }
    }

    /// Waits until the user closes QEMU's window or a signal comes.
    pub(crate) fn wait_for_window(&mut self) -> Result<()> {
        process::wait_until("the window's end", Duration::MAX, || {
            if self.qemu.try_wait()?.is_some() {
                return Ok(Some(()));
            }
            self.serve_requests()?;
            self.check_running()?;
            Ok(None)
        })
    }

    /// Ends QEMU, then the daemon, both the way they like it.
    pub(crate) fn quit(mut self) -> Result<()> {
        // The answer may be lost when QEMU is quick to go; its end is what counts.
        let _ = self.qmp.execute("quit", json!({}));
        self.qemu.wait(QUIT_LIMIT)?;
        if let Some(mut daemon) = self.daemon.take() {
            daemon.stop();
        }
        Ok(())
    }

    /// The ends of all logs, for a failure's report.
    pub(crate) fn logs(&self) -> String {
        let mut text = format!(
            "  end of the guest's console:\n{}  end of QEMU's output:\n{}",
            process::tail(&self.paths.console, 20),
            self.qemu.log_tail()
        );
        if let Some(daemon) = &self.daemon {
            text.push_str("  end of the daemon's log:\n");
            text.push_str(&daemon.log_tail());
        }
        text
    }

    /// Waits while the guest's requests are served and all programs stay alive.
    pub(crate) fn wait_until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        process::wait_until(what, limit, || {
            self.serve_requests()?;
            if let Some(value) = ready(self)? {
                return Ok(Some(value));
            }
            self.check_running()?;
            Ok(None)
        })
        .map_err(|error| error.with_logs(|| self.logs()))
    }

    /// Saves what a screen shows, wherever it is shown.
    fn screenshot(&mut self, head: u32, file: &Path) -> Result<()> {
        let Some(folder) = &self.headless else {
            return self.qmp.screendump(head, file);
        };
        // The daemon writes once a second at most: what it has now may be older than the request.
        thread::sleep(Duration::from_millis(1200));
        let newest = folder.join(format!("scanout-{head}.png"));
        fs::copy(&newest, file).map_err(Error::io("copy", &newest))?;
        Ok(())
    }

    fn serve_requests(&mut self) -> Result<()> {
        while let Some((id, request)) = self.exchange.next_request() {
            let answer = match request {
                Ok(Request::Screenshot { name, head }) => {
                    let file = self.out.join(format!("{name}.png"));
                    match self.screenshot(head, &file) {
                        Ok(()) => format!("ok {}", file.display()),
                        Err(error) => error.to_string().replace('\n', " "),
                    }
                }
                Err(complaint) => complaint,
            };
            self.exchange.answer(&id, &answer)?;
        }
        Ok(())
    }
}
