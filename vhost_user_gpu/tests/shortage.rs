//! A system without descriptors or memory left: each step that needs some fails in order, and everything works again
//! when there are some.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command as Program, Stdio};
use std::time::Duration;

use conformance::daemon::{Daemon, Running};
use conformance::front_end::*;
use conformance::gpu_socket::GpuSocket;
use conformance::guest::{Guest, MEMORY, QUEUES, owned, place};
use conformance::wait::{LIMIT, wait_until};
use nix::poll::{PollFd, PollFlags, poll};
use support::PROGRAM;
use support::drawing::*;
use tempfile::TempDir;

/// What the daemon says when it cannot accept.
const WAITS: &str = "a front end has to wait";

/// Enough for everything.
const PLENTY: &str = "--nofile=256:";

/// Changes a limit of a process, as an argument of `prlimit` says.
fn limit(pid: u32, what: &str) {
    let mut prlimit = Program::new("prlimit");
    let status = prlimit.arg(format!("--pid={pid}")).arg(what).status();
    assert!(status.unwrap().success());
}

/// The number that the next descriptor of a process would have.
fn next_descriptor(pid: u32) -> usize {
    let directory = PathBuf::from(format!("/proc/{pid}/fd"));
    let is_free = |number: &usize| {
        let path = directory.join(number.to_string());
        path.symlink_metadata().is_err()
    };
    (0..).find(is_free).unwrap()
}

#[test]
fn front_ends_wait_while_there_are_no_descriptors_which_costs_next_to_nothing() {
    let daemon = Daemon::start_with(PROGRAM, &["--persistent", "--log-level", "debug"]);
    drop(FrontEnd::running(&daemon));
    wait_until("the end of the session", || {
        daemon.log().contains("the front end has gone")
    });
    let mut next = next_descriptor(daemon.pid());
    wait_until("the daemon to rest", || {
        std::thread::sleep(Duration::from_millis(50));
        let before = std::mem::replace(&mut next, next_descriptor(daemon.pid()));
        before == next
    });
    let held = daemon.open_descriptors();
    limit(daemon.pid(), &format!("--nofile={next}:"));

    let mut waiting = [FrontEnd::connect(&daemon), FrontEnd::connect(&daemon)];
    wait_until("the refusal", || daemon.log().contains(WAITS));
    let (_, before) = daemon.activity();
    std::thread::sleep(Duration::from_millis(700));
    let (_, after) = daemon.activity();

    assert!(after - before <= 1, "{} ticks of waiting", after - before);
    assert_eq!(daemon.open_descriptors(), held);
    assert_eq!(daemon.log().matches(WAITS).count(), 1);

    limit(daemon.pid(), PLENTY);
    for front_end in &mut waiting {
        front_end.realize();
        let mut gpu = front_end.start();
        gpu.settle();
        show(front_end, &mut gpu, 64, 64);
        front_end.stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

/// A daemon that has so many descriptors from its first instruction on.
struct Short {
    process: Running,
    directory: TempDir,
}

impl Short {
    fn start(descriptors: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let socket = directory.path().join("socket");
        // What this process has inherited goes, so that the sweep begins where the daemon does.
        let script = format!(
            "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit -S -n {descriptors}; exec '{PROGRAM}' --renderer none --persistent -s '{}'",
            socket.display()
        );
        let mut shell = Program::new("sh");
        shell.args(["-c", &script]).stdin(Stdio::null()).stderr(log);
        Self {
            process: Running::start(&mut shell),
            directory,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn has_ended(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_some()
    }

    fn raise_limit(&self) {
        limit(self.process.0.id(), PLENTY);
    }

    /// A connection in the daemon's backlog; nothing if it has ended.
    fn connect(&mut self) -> Option<UnixStream> {
        let mut stream = None;
        wait_until("the daemon's socket or its end", || {
            stream = UnixStream::connect(self.socket()).ok();
            stream.is_some() || self.has_ended()
        });
        let stream = stream?;
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Some(stream)
    }

    /// How a daemon ends that cannot start.
    fn assert_failed_in_order(&mut self) {
        let status = self.process.0.wait().unwrap();
        let log = self.log();
        assert_eq!(status.code(), Some(1), "{log}");
        let errors: Vec<&str> = log.lines().filter(|line| !line.starts_with('[')).collect();
        assert_eq!(errors.len(), 2, "{log}");
        assert!(errors[0].starts_with("error: "), "{log}");
        assert!(errors[1].starts_with("hint: "), "{log}");
        assert!(!self.socket().exists(), "{log}");
    }
}

/// What failed for want of descriptors, by name.
type Failures = BTreeSet<&'static str>;

/// A served front end, whatever it takes.
fn served(daemon: &mut Short, failures: &mut Failures) -> FrontEnd {
    loop {
        let mut stream = daemon.connect().unwrap();
        stream.write_all(&encode(GET_QUEUE_NUM, 1, &[])).unwrap();
        wait_until("an answer or a refusal", || {
            let mut watched = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
            poll(&mut watched, 1_u8).unwrap() == 1 || daemon.log().contains(WAITS)
        });
        if daemon.log().contains(WAITS) {
            failures.insert("accept");
            daemon.raise_limit();
        }
        let mut reply = [0; 20];
        // A socket that is closed with something unread in it is reset.
        match stream.read(&mut reply).unwrap_or(0) {
            20 => return FrontEnd::over(stream, Guest::default()),
            length => assert_eq!(length, 0),
        }
        failures.insert("session");
        daemon.raise_limit();
    }
}

/// A front end and its guest, which insist on what they say.
struct Insistent<'a> {
    front_end: FrontEnd,
    daemon: &'a Short,
    failures: &'a mut Failures,
}

impl Insistent<'_> {
    /// Sends a request, again with enough descriptors if it was refused.
    fn say(&mut self, name: &'static str, request: u32, payload: &[u8], fd: BorrowedFd<'_>) {
        if self.front_end.acknowledged(request, payload, &[fd]) != 0 {
            self.failures.insert(name);
            self.daemon.raise_limit();
            let again = self.front_end.acknowledged(request, payload, &[fd]);
            assert_eq!(again, 0, "{name}: {}", self.daemon.log());
        }
    }

    /// Starts both rings.
    fn start_rings(&mut self) {
        for queue in QUEUES {
            let index = longs(&[place(queue) as u64]);
            self.front_end.send_ring_setup(queue);
            let guest = &self.front_end.guest;
            let [error, call, kick] = [&guest.errors, &guest.calls, &guest.kicks]
                .map(|events| owned(&events[place(queue)]));
            self.say("SET_VRING_ERR", SET_VRING_ERR, &index, error.as_fd());
            self.say("SET_VRING_CALL", SET_VRING_CALL, &index, call.as_fd());
            self.say("SET_VRING_KICK", SET_VRING_KICK, &index, kick.as_fd());
            self.front_end.enable(queue, 1);
        }
    }

    /// All from the greeting until a picture is seen.
    fn live(&mut self) {
        let features = longs(&[PROTOCOL_FEATURES]);
        self.front_end.send(SET_PROTOCOL_FEATURES, &features, &[]);
        let features = longs(&[ACKNOWLEDGED]);
        self.front_end.send(SET_FEATURES, &features, &[]);
        let (mut gpu, theirs) = GpuSocket::pair();
        self.say("GPU_SET_SOCKET", GPU_SET_SOCKET, &[], theirs.as_fd());
        let memory = owned(&self.front_end.guest.regions[0].file);
        let region = region(0, MEMORY, 0);
        self.say("ADD_MEM_REG", ADD_MEM_REG, &region, memory.as_fd());
        self.start_rings();
        gpu.settle();
        // What a guest draws takes none.
        show(&mut self.front_end, &mut gpu, 200, 100);
    }
}

#[test]
fn wherever_descriptors_run_out_one_thing_fails_in_order_and_works_with_more() {
    let mut failures = Failures::new();
    // The program's loader needs one beside the three standard streams.
    for descriptors in 4..32 {
        let mut daemon = Short::start(descriptors);
        if daemon.connect().is_none() {
            daemon.assert_failed_in_order();
            failures.insert("start");
            continue;
        }
        let front_end = served(&mut daemon, &mut failures);
        let mut insistent = Insistent {
            front_end,
            daemon: &daemon,
            failures: &mut failures,
        };
        insistent.live();
        assert!(!daemon.has_ended());
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    }
    let expected = [
        "ADD_MEM_REG",
        "GPU_SET_SOCKET",
        "SET_VRING_CALL",
        "SET_VRING_ERR",
        "SET_VRING_KICK",
        "accept",
        "start",
    ];
    assert_eq!(failures, Failures::from(expected));
}
