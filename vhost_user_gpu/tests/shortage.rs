//! A system without descriptors or memory left: each step that needs some fails in order, and everything works again
//! when there are some.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::path::PathBuf;
use std::process::Command as Program;
use std::time::Duration;

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::wait::wait_until;
use support::PROGRAM;
use support::drawing::*;

/// The number that the daemon's next descriptor would have.
fn next_descriptor(daemon: &Daemon) -> usize {
    let directory = PathBuf::from(format!("/proc/{}/fd", daemon.pid()));
    let is_free = |number: &usize| {
        directory
            .join(number.to_string())
            .symlink_metadata()
            .is_err()
    };
    (0..).find(is_free).unwrap()
}

/// Lets the daemon open descriptors with numbers below `limit` only.
fn limit_descriptors(daemon: &Daemon, limit: usize) {
    let status = Program::new("prlimit")
        .arg(format!("--pid={}", daemon.pid()))
        .arg(format!("--nofile={limit}:"))
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn front_ends_wait_while_there_are_no_descriptors_which_costs_next_to_nothing() {
    let daemon = Daemon::start_with(PROGRAM, &["--persistent", "--log-level", "debug"]);
    drop(FrontEnd::running(&daemon));
    wait_until("the end of the session", || {
        daemon.log().contains("the front end has gone")
    });
    let mut next = next_descriptor(&daemon);
    wait_until("the daemon to rest", || {
        std::thread::sleep(Duration::from_millis(50));
        let before = std::mem::replace(&mut next, next_descriptor(&daemon));
        before == next
    });
    let held = daemon.open_descriptors();
    limit_descriptors(&daemon, next);

    let mut waiting = [FrontEnd::connect(&daemon), FrontEnd::connect(&daemon)];
    wait_until("the refusal", || {
        daemon.log().contains("a front end has to wait")
    });
    let (_, before) = daemon.activity();
    std::thread::sleep(Duration::from_millis(700));
    let (_, after) = daemon.activity();

    assert!(after - before <= 1, "{} ticks of waiting", after - before);
    assert_eq!(daemon.open_descriptors(), held);
    assert_eq!(daemon.log().matches("a front end has to wait").count(), 1);

    limit_descriptors(&daemon, 64);
    for front_end in &mut waiting {
        front_end.realize();
        let mut gpu = front_end.start();
        gpu.settle();
        show(front_end, &mut gpu, 64, 64);
        front_end.stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
}
