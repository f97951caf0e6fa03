//! The daemon as a program: its start, its end, and what it leaves.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::Command;

use conformance::daemon::{Daemon, Running, command, connect};
use conformance::front_end::{FrontEnd, GET_QUEUE_NUM};
use conformance::wait::wait_until;
use support::PROGRAM;

/// Runs the daemon with arguments that make it end at once.
fn run(arguments: &[&str]) -> Output {
    command(PROGRAM).args(arguments).output().unwrap()
}

/// A daemon in 2D, which does not say so in a line of its own.
fn plain() -> std::process::Command {
    let mut command = command(PROGRAM);
    command.args(["--renderer", "none", "--log-level", "warn"]);
    command
}

/// Checks that a run failed with this status, one line of error and one hint.
fn assert_fails(arguments: &[&str], status: i32, error: &str) {
    let output = if status == 1 {
        plain().args(arguments).output().unwrap()
    } else {
        run(arguments)
    };
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();

    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {stderr}"
    );
    assert_eq!(lines.len(), 2, "{arguments:?}: {stderr}");
    assert!(lines[0].starts_with("error: "), "{stderr}");
    assert!(lines[0].contains(error), "{arguments:?}: {stderr}");
    assert!(lines[1].starts_with("hint: "), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_command_line_that_makes_no_sense_is_one_line_a_hint_and_status_2() {
    let cases: [(&[&str], &str); 22] = [
        (&[], "--socket-path"),
        (
            &["--socket-path", "/tmp/s", "--fd", "3"],
            "cannot be used with",
        ),
        (&["--socket-path"], "value is required"),
        (&["--fd", "three"], "three"),
        (&["--fd", "-1"], "-1"),
        (&["--fd", "3", "--bogus"], "--bogus"),
        (&["--fd", "3", "extra"], "extra"),
        (&["--fd", "3", "--display", "cinema"], "headless[=DIR]"),
        (&["--fd", "3", "--display", "headless="], "nothing follows"),
        (&["--fd", "3", "--scanout", "640x480@0.5"], "thousandths"),
        (&["--fd", "3", "--scanout", "640x480@60.1234"], "59.94"),
        (&["--fd", "3", "--input-axes", "0x9"], "from 1"),
        (&["--fd", "3", "--renderer", "vulkan"], "vulkan"),
        (&["--fd", "3", "--renderer-start-limit", "0"], "from 1"),
        (&["--fd", "3", "--capsets", "venus"], "venus"),
        (&["--fd", "3", "--renderer", "none", "--virgl"], "--virgl"),
        (
            &["--fd", "3", "--renderer", "none", "--capsets", "virgl"],
            "--capsets",
        ),
        (&["--fd", "3", "--log-level", "loud"], "loud"),
        (
            &["--fd", "3", "--display", "headless", "--scanout", "640"],
            "1280x800",
        ),
        (
            &["--fd", "3", "--display", "headless", "--scanout", "0x480"],
            "16384",
        ),
        (
            &[
                "--fd",
                "3",
                "--display",
                "headless",
                "--scanout",
                "640x16385",
            ],
            "16384",
        ),
        (
            &["--fd", "3", "--display", "frontend", "--scanout", "640x480"],
            "another --display",
        ),
    ];
    for (arguments, error) in cases {
        assert_fails(arguments, 2, error);
    }
    let mut many = vec!["--fd", "3", "--display", "headless"];
    many.extend(["--scanout", "1x1"].repeat(17));
    assert_fails(&many, 2, "17 times");
}

#[test]
fn a_socket_that_cannot_be_made_is_one_line_a_hint_and_status_1() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("file"), "mine").unwrap();
    let _listener = UnixListener::bind(path("live")).unwrap();

    assert_fails(&["-s", &path("file")], 1, "not a socket");
    assert_fails(&["-s", &path("live")], 1, "in use");
    assert_fails(&["-s", &path("missing/socket")], 1, "caused by");
    assert_fails(&["-s", &path(&"x".repeat(120))], 1, "at most 107");
    assert_fails(&["-f", "99"], 1, "descriptor 99");
    assert_fails(&["-f", "0"], 1, "descriptor 0");
    assert_fails(
        &[
            "-s",
            &path("new"),
            "--display",
            &format!("headless={}", path("file")),
        ],
        1,
        "display",
    );

    if cfg!(all(feature = "wayland", feature = "x11")) {
        let nowhere = format!("wayland={}", path("nowhere"));
        assert_fails(&["-s", &path("new"), "--display", &nowhere], 1, "nowhere");
        let nowhere = "x11=:64999";
        assert_fails(&["-s", &path("new"), "--display", nowhere], 1, "display");
    }
    assert_fails(
        &["-s", &path("new"), "--input-mouse", &path("file")],
        1,
        "not a socket",
    );

    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "mine");
    assert!(!directory.path().join("new").exists());
}

#[test]
fn capabilities_are_printed_whatever_else_is_asked() {
    for arguments in [
        &["--print-capabilities"] as &[&str],
        &["-c"],
        &["--fd", "77", "--bogus", "-c"],
        &["-c", "--socket-path", "/no/such/place"],
    ] {
        let output = run(arguments);

        assert_eq!(output.status.code(), Some(0));
        let features = if cfg!(feature = "virgl") {
            r#""render-node","virgl""#
        } else {
            ""
        };
        let expected = format!("{{\"type\":\"gpu\",\"features\":[{features}]}}\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let help = run(&["--help"]);
    let version = run(&["--version"]);

    assert!(help.status.success() && version.status.success());
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("--print-capabilities")
    );
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        format!("vhost-user-gpu {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_daemon_is_not_disturbed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    let mut first = Running::start(
        command(PROGRAM)
            .args(["--renderer", "none", "-s"])
            .arg(&path)
            .stderr(Stdio::piped()),
    );
    let mut log = BufReader::new(first.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for a front end") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
    }

    assert_fails(&["-s", path.to_str().unwrap()], 1, "in use");
    let mut stream = connect(&path);
    std::io::Write::write_all(
        &mut stream,
        &conformance::front_end::encode(GET_QUEUE_NUM, 1, &[]),
    )
    .unwrap();
    let mut reply = [0; 20];
    stream.read_exact(&mut reply).unwrap();

    drop(stream);
    assert!(first.0.wait().unwrap().success());
    assert!(!path.exists());
}

#[test]
fn an_inherited_socket_is_served_whether_it_listens_or_is_connected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let (ours, theirs) = UnixStream::pair().unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    for fd in [theirs.as_fd(), listener.as_fd()] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let mut daemon = Running::start(plain().args(["--fd", &fd.as_raw_fd().to_string()]));
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        let mut stream = if fd.as_raw_fd() == theirs.as_raw_fd() {
            ours.try_clone().unwrap()
        } else {
            UnixStream::connect(&path).unwrap()
        };

        std::io::Write::write_all(
            &mut stream,
            &conformance::front_end::encode(GET_QUEUE_NUM, 1, &[]),
        )
        .unwrap();
        let mut reply = [0; 20];
        stream.read_exact(&mut reply).unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();

        assert!(daemon.0.wait().unwrap().success());
    }
    assert!(path.exists(), "a file that the daemon did not create stays");
}

#[test]
fn a_termination_signal_ends_it_within_a_second_and_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut waiting = Daemon::start(PROGRAM);
        waiting.signal(signal);
        assert_ended_clean(&mut waiting);

        let mut connected = Daemon::start(PROGRAM);
        let (_front_end, _gpu) = FrontEnd::running(&connected);
        connected.signal(signal);
        assert_ended_clean(&mut connected);

        let mut loaded = Daemon::start(PROGRAM);
        let (mut front_end, _gpu) = FrontEnd::running(&loaded);
        for _ in 0..100 {
            front_end.guest.driver.send(&Command::GetDisplayInfo, None);
        }
        front_end.guest.kick(QueueIndex::Control);
        loaded.signal(signal);
        assert_ended_clean(&mut loaded);
    }
}

fn assert_ended_clean(daemon: &mut Daemon) {
    let (status, took) = daemon.wait();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(took < Duration::from_secs(1), "{took:?}");
    let left: Vec<String> = std::fs::read_dir(daemon.directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["log"]);
}

#[test]
fn another_programs_socket_at_its_path_is_left_alone() {
    let mut daemon = Daemon::start(PROGRAM);
    std::fs::remove_file(daemon.socket_path()).unwrap();
    let _other = UnixListener::bind(daemon.socket_path()).unwrap();

    daemon.signal(Signal::SIGTERM);
    daemon.wait();

    assert!(daemon.socket_path().exists());
}

#[test]
fn it_ends_with_status_0_when_the_front_end_goes() {
    let mut daemon = Daemon::start(PROGRAM);
    let (front_end, gpu) = FrontEnd::running(&daemon);
    drop((front_end, gpu));

    let (status, _) = daemon.wait();

    assert_eq!(status.code(), Some(0));
    assert!(!daemon.socket_path().exists());
}

#[test]
fn it_does_not_wake_up_while_nothing_happens() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, gpu) = FrontEnd::running(&daemon);
    front_end.succeed(&[Command::GetDisplayInfo]);
    let assert_idle = |when: &str| {
        std::thread::sleep(Duration::from_millis(300));
        let before = daemon.activity();
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(daemon.activity(), before, "{when}");
    };

    assert_idle("with a display socket");
    drop(gpu);
    assert_idle("without one");
}

#[test]
fn its_descriptors_are_back_at_the_baseline_after_many_stops_and_starts() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    front_end.synchronize();
    let before = daemon.open_descriptors();

    for _ in 0..100 {
        front_end.stop(gpu);
        gpu = front_end.resume();
    }
    gpu.settle();
    front_end.synchronize();

    assert_eq!(daemon.open_descriptors(), before);
}

#[test]
fn a_log_that_nobody_reads_or_that_is_closed_does_not_stop_it() {
    for closed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut daemon = Running::start(
            command(PROGRAM)
                .arg("-s")
                .arg(&path)
                .args(["--renderer", "none", "--log-level", "trace"])
                .stderr(Stdio::piped()),
        );
        let _unread = daemon.0.stderr.take().filter(|_| !closed);
        wait_until("the socket", || path.exists());
        let mut stream = connect(&path);

        // Far more lines than a pipe holds.
        for _ in 0..3000 {
            std::io::Write::write_all(
                &mut stream,
                &conformance::front_end::encode(GET_QUEUE_NUM, 1, &[]),
            )
            .unwrap();
            let mut reply = [0; 20];
            stream.read_exact(&mut reply).unwrap();
        }

        drop(stream);
        assert!(daemon.0.wait().unwrap().success());
    }
}

#[test]
fn a_headless_display_has_the_screens_of_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let display = format!("--display=headless={}", directory.path().display());
    let mut daemon = Daemon::start_with(PROGRAM, &[&display, "--scanout", "320x200"]);
    let mut front_end = FrontEnd::connect(&daemon);
    front_end.realize();
    let mut gpu = front_end.start();

    let answers = front_end.execute(&[Command::GetDisplayInfo]);

    // x, y, width, height, enabled of the first screen.
    let info: Vec<u32> = answers[0].bytes[24..44]
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    assert_eq!(info, [0, 0, 320, 200, 1]);
    assert!(
        gpu.is_quiet(),
        "the front end's socket stays open and unused"
    );
    daemon.signal(Signal::SIGTERM);
    let (status, _) = daemon.wait();
    assert!(status.success());
}
