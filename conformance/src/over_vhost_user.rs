//! A daemon of any make, driven as QEMU drives it: over its socket, on shared memory.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use virtio_gpu::testing::Driver;
use virtio_gpu::{QueueIndex, QueueSetup};
use vm_memory::GuestMemoryMmap;

use crate::daemon::Daemon;
use crate::executor::{Executor, Footprint, Log, ShownCursor};
use crate::front_end::FrontEnd;
use crate::guest::{Guest, QUEUES, place};
use crate::in_process::{FEATURES, FEATURES_3D, RESOURCE_BLOB};
use crate::map::REGIONS;
use crate::monitor::Monitor;
use crate::picture::Picture;
use crate::violation::Violation;

/// Place of the region that can be unplugged among [`REGIONS`].
const PLUGGED: usize = 2;

/// `VHOST_USER_F_PROTOCOL_FEATURES`.
const PROTOCOL: u64 = 1 << 30;

/// How long the device is waited for at a time, in milliseconds.
const PATIENCE: u16 = 2;

/// A daemon, a front end and its guest, and a viewer.
#[derive(Debug)]
pub struct OverVhostUser {
    daemon: Daemon,
    front_end: FrontEnd,
    monitor: Option<Monitor>,
    features: u64,
    frozen: bool,
    unplugged: bool,
    failed: [bool; 2],
    log_length: usize,
    log_taken: Instant,
}

impl OverVhostUser {
    /// Starts the daemon, which takes `--socket-path`, with further arguments.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        Self::around(Daemon::start_with(program, arguments), FEATURES)
    }

    /// The same with blobs, which the arguments have to ask for.
    pub fn start_with_blobs(program: &str, arguments: &[&str]) -> Self {
        let daemon = Daemon::start_with(program, arguments);
        Self::around(daemon, FEATURES | RESOURCE_BLOB)
    }

    /// The same with virglrenderer; what the daemon says where that cannot be had.
    ///
    /// # Errors
    /// The daemon's log.
    pub fn start_rendering(program: &str, arguments: &[&str]) -> Result<Self, String> {
        let arguments = [&["--renderer", "auto"], arguments].concat();
        let daemon = Daemon::start_with(program, &arguments);
        if !daemon.log().contains("renderer: virgl on ") {
            return Err(daemon.log());
        }
        Ok(Self::around(daemon, FEATURES | FEATURES_3D))
    }

    fn around(daemon: Daemon, features: u64) -> Self {
        let mut front_end = FrontEnd::connect_for(&daemon, Guest::with_regions(&REGIONS));
        if features & FEATURES_3D != 0 {
            front_end.draws_in_3d();
        }
        if features & RESOURCE_BLOB != 0 {
            front_end.expects_blobs();
        }
        front_end.features = features | PROTOCOL;
        front_end.realize();
        let gpu = front_end.start();
        let mut made = Self {
            daemon,
            front_end,
            monitor: Some(Monitor::new(gpu)),
            features,
            frozen: false,
            unplugged: false,
            failed: [false; 2],
            log_length: 0,
            log_taken: Instant::now(),
        };
        // What the daemon asks a new display socket is answered before anything is counted.
        for _ in 0..20 {
            made.idle();
        }
        let _ = made.take_log();
        made
    }

    fn monitor(&mut self) -> &mut Monitor {
        self.monitor.as_mut().expect("there is one between resets")
    }
}

impl Executor for OverVhostUser {
    fn features(&self) -> u64 {
        self.features
    }

    fn memory(&self) -> Arc<GuestMemoryMmap> {
        self.front_end.guest.memory.clone()
    }

    fn driver(&mut self) -> &mut Driver {
        &mut self.front_end.guest.driver
    }

    fn kick(&mut self, queue: QueueIndex) {
        self.front_end.guest.kick(queue);
    }

    fn idle(&mut self) {
        let frozen = self.frozen;
        let guest = &self.front_end.guest;
        let events = guest.calls.iter().chain(&guest.errors);
        let mut fds: Vec<_> = events
            .map(|event| PollFd::new(event.as_fd(), PollFlags::POLLIN))
            .collect();
        let socket = self.monitor.as_ref().filter(|_| !frozen);
        fds.extend(
            socket.map(|monitor| PollFd::new(monitor.socket().stream.as_fd(), PollFlags::POLLIN)),
        );
        poll(&mut fds, PollTimeout::from(PATIENCE)).expect("these can be polled");
        if !frozen {
            self.monitor().follow();
        }
    }

    fn take_interrupt(&mut self, queue: QueueIndex) -> bool {
        self.front_end.guest.take_interrupts(queue) > 0
    }

    fn failed(&mut self, queue: QueueIndex) -> bool {
        let failed = &mut self.failed[place(queue)];
        *failed |= self.front_end.ring_error(queue).is_some();
        *failed
    }

    fn set_up(&mut self, queue: QueueIndex, setup: &QueueSetup) -> bool {
        self.front_end.set_up(queue, setup)
    }

    fn reset(&mut self, features: u64) -> Result<(), Violation> {
        self.check_alive()?;
        let monitor = self.monitor.take().expect("there is one between resets");
        self.front_end.stop(monitor.into_socket());
        if std::mem::take(&mut self.unplugged) {
            self.front_end.add_region(PLUGGED);
        }
        self.front_end.features = features | PROTOCOL;
        let gpu = self.front_end.restart();
        self.monitor = Some(Monitor::new(gpu));
        self.frozen = false;
        for queue in QUEUES {
            let _ = self.front_end.ring_error(queue);
            let _ = self.take_interrupt(queue);
        }
        self.failed = [false; 2];
        self.check_alive()
    }

    fn unplug(&mut self) {
        self.front_end.remove_region(PLUGGED);
        self.unplugged = true;
    }

    fn freeze(&mut self) {
        self.frozen = true;
    }

    fn thaw(&mut self) {
        self.frozen = false;
        self.monitor().follow();
    }

    fn footprint(&mut self) -> Footprint {
        self.front_end.synchronize();
        let [descriptors, threads, mappings] = self.daemon.holdings();
        Footprint(vec![
            ("descriptors", descriptors as u64),
            ("threads", threads as u64),
            ("mappings of guest memory", mappings as u64),
        ])
    }

    fn tracker(&mut self) -> Option<Footprint> {
        None
    }

    fn shown(&mut self, scanout: u32) -> Option<Picture> {
        self.monitor().scanout(scanout).cloned()
    }

    fn cursor(&mut self, scanout: u32) -> ShownCursor {
        if self.monitor().has_cursor(scanout) {
            ShownCursor::OfSomeSize
        } else {
            ShownCursor::Hidden
        }
    }

    fn take_log(&mut self) -> Log {
        let log = self.daemon.log();
        let new = log.get(self.log_length..).unwrap_or_default();
        let lines = new.lines().map(str::to_owned).collect();
        self.log_length = log.len();
        let since = std::mem::replace(&mut self.log_taken, Instant::now());
        Log {
            lines,
            span: since.elapsed(),
        }
    }

    fn check_alive(&mut self) -> Result<(), Violation> {
        if self.daemon.is_running() {
            Ok(())
        } else {
            Err(Violation::Gone(self.daemon.log()))
        }
    }
}
