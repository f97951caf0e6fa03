//! One front end after another at the same daemon.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::io::{Read, Write};

use gpu_buffer::Rect;
use nix::sys::signal::Signal;
use virtio_gpu::protocol::ErrorCode;

use conformance::daemon::Daemon;
use conformance::front_end::{FrontEnd, GET_FEATURES, encode};
use conformance::wait::wait_until;
use support::PROGRAM;
use support::drawing::*;

fn persistent() -> Daemon {
    Daemon::start_with(PROGRAM, &["--persistent", "--log-level", "debug"])
}

#[test]
fn the_next_front_end_finds_a_device_as_new() {
    let daemon = persistent();
    let (mut first, mut gpu) = FrontEnd::running(&daemon);
    show(&mut first, &mut gpu, 200, 100);
    drop((first, gpu));

    let (mut second, mut gpu) = FrontEnd::running(&daemon);

    let answers = second.execute(&[flush(Rect::from_size(1, 1))]);
    assert_eq!(answers[0].outcome(), Err(ErrorCode::InvalidResourceId));
    show(&mut second, &mut gpu, 64, 64);
}

#[test]
fn nothing_of_earlier_front_ends_is_held() {
    let daemon = persistent();
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    show(&mut front_end, &mut gpu, 200, 100);
    let expected = daemon.holdings();
    drop((front_end, gpu));

    for _ in 0..20 {
        let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
        show(&mut front_end, &mut gpu, 200, 100);
        assert_eq!(daemon.holdings(), expected);
    }
}

#[test]
fn a_front_end_that_dies_in_the_middle_of_a_message_or_talks_nonsense_makes_room_for_the_next() {
    let daemon = persistent();
    let whole = encode(GET_FEATURES, 0x1, &[]);
    for cut in 1..whole.len() {
        let mut stream = daemon.connect();
        stream.write_all(&whole[..cut]).unwrap();
    }
    let mut stream = daemon.connect();
    stream.write_all(&[0xff; 64]).unwrap();

    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);

    show(&mut front_end, &mut gpu, 64, 64);
}

#[test]
fn a_front_end_that_was_refused_or_has_gone_is_let_go_and_costs_nothing() {
    let daemon = persistent();
    let mut refused = daemon.connect();
    // Version 0.
    refused.write_all(&[0; 12]).unwrap();

    let mut byte = [0];
    assert_eq!(refused.read(&mut byte).unwrap(), 0, "end of file");
    let (_, before) = daemon.activity();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let (_, after) = daemon.activity();
    assert!(after - before <= 1, "{} ticks while idle", after - before);
}

#[test]
fn a_front_end_that_comes_too_early_waits_and_costs_nothing() {
    let daemon = persistent();
    let (first, gpu) = FrontEnd::running(&daemon);
    let mut early = FrontEnd::connect(&daemon);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let (_, before) = daemon.activity();
    std::thread::sleep(std::time::Duration::from_millis(400));
    let (_, after) = daemon.activity();
    assert!(after - before <= 1, "{} ticks while idle", after - before);

    drop((first, gpu));

    early.realize();
}

#[test]
fn its_socket_stays_until_sigterm_and_is_then_removed() {
    let mut daemon = persistent();
    drop(FrontEnd::running(&daemon));
    assert!(daemon.socket_path().exists());

    daemon.signal(Signal::SIGTERM);
    let (status, took) = daemon.wait();

    assert!(status.success());
    assert!(took.as_secs_f64() < 1.0, "{took:?}");
    wait_until("the socket to go", || !daemon.socket_path().exists());
}
