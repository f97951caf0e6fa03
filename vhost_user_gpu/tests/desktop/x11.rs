//! Windows on Xvfb.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::wait::wait_until;
use gpu_buffer::Rect;
use nix::sys::signal::Signal;
use virtio_gpu::protocol::{Command, ScanoutId};

use crate::screen::{SIZE, Seen, daemon, draw, front_end, screens, show, summary};
use crate::support::drawing::{B8G8R8X8, IMAGE, create, flush, picture, set_scanout, transfer};
use crate::xvfb::Xvfb;

/// `VHOST_USER_BACKEND_CONFIG_CHANGE_MSG`, version 1, no payload.
const CONFIG_CHANGE: [u32; 3] = [2, 1, 0];

/// A message of the device's own.
fn told(channel: &mut UnixStream) -> [u32; 3] {
    let mut bytes = [0; 12];
    channel.read_exact(&mut bytes).unwrap();
    let word = |place: usize| u32::from_ne_bytes(bytes[place..place + 4].try_into().unwrap());
    [word(0), word(4), word(8)]
}

/// The width and height of the mode that a screen's EDID prefers.
fn preferred_mode(front_end: &mut FrontEnd) -> (u32, u32) {
    let scanout = ScanoutId(0);
    let answers = front_end.execute(&[Command::GetEdid { scanout }]);
    // Header, size and padding; the first detailed timing descriptor is at 54.
    let timing = &answers[0].bytes[24 + 8 + 54..];
    let split = |low: u8, high: u8| u32::from(low) | (u32::from(high) >> 4) << 8;
    (split(timing[2], timing[4]), split(timing[5], timing[7]))
}

#[test]
fn what_the_guest_draws_is_to_be_seen_in_a_window() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let mut daemon = daemon(&server.name(), &["--scanout", "320x240@75"]);
    let mut front_end = front_end(&daemon);
    assert_eq!(screens(&mut front_end), [(320, 240, true)]);

    show(&mut front_end, SIZE, 1);
    server.wait_for_picture(SIZE, 1);
    draw(&mut front_end, SIZE, 2);
    server.wait_for_picture(SIZE, 2);

    // Each was read where the guest's transfer put it.
    let (frames, shared, copied) = summary(&mut daemon, front_end);
    assert_eq!((frames, copied), (shared, 0));
}

#[test]
fn a_guest_goes_on_while_the_server_is_gone_and_its_window_comes_back() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let number = server.number();
    let daemon = daemon(&server.name(), &["--scanout", "320x240"]);
    let mut front_end = front_end(&daemon);
    show(&mut front_end, SIZE, 1);
    server.wait_for_picture(SIZE, 1);

    drop(server);
    wait_until("the loss", || {
        daemon.log().contains("there is no X server now")
    });
    for picture in 2..9 {
        draw(&mut front_end, SIZE, picture);
    }

    let server = Xvfb::start(Some(number)).unwrap();
    server.wait_for_picture(SIZE, 8);
}

#[test]
fn a_guest_goes_on_while_the_server_is_frozen_and_the_newest_picture_wins() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let daemon = daemon(&server.name(), &["--scanout", "320x240"]);
    let mut front_end = front_end(&daemon);
    show(&mut front_end, SIZE, 1);
    server.wait_for_picture(SIZE, 1);

    server.signal(Signal::SIGSTOP);
    for picture in 2..=60 {
        draw(&mut front_end, SIZE, picture);
    }
    server.signal(Signal::SIGCONT);

    server.wait_for_picture(SIZE, 60);
}

/// A front end that listens to the device, and the channel.
fn listening(daemon: &Daemon) -> (FrontEnd, UnixStream) {
    let mut front_end = FrontEnd::connect(daemon);
    front_end.realize();
    let channel = front_end.send_backend_channel();
    front_end.start_alone();
    (front_end, channel)
}

#[test]
fn a_window_of_another_size_asks_the_guest_for_that_mode() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let daemon = daemon(&server.name(), &["--scanout", "320x240"]);
    let (mut front_end, mut channel) = listening(&daemon);
    show(&mut front_end, SIZE, 1);
    server.wait_for_picture(SIZE, 1);
    assert_eq!(preferred_mode(&mut front_end), (320, 240));

    // A user who drags: of many sizes only some are worth a mode.
    for step in 0..=50 {
        server.resize(server.windows()[0], 350 + step, 250 + step);
    }
    assert_eq!(told(&mut channel), CONFIG_CHANGE);
    wait_until("the last size", || {
        screens(&mut front_end) == [(400, 300, true)]
    });
    assert_eq!(preferred_mode(&mut front_end), (400, 300));
    // VIRTIO_GPU_EVENT_DISPLAY in events_read.
    let config = [0_u32, 4, 0].map(u32::to_ne_bytes).concat();
    let config = [&config[..], &[0; 4]].concat();
    let answer = front_end.ask(conformance::front_end::GET_CONFIG, &config);
    assert_eq!(answer[12..], 1_u32.to_le_bytes());
}

#[test]
fn a_window_as_small_or_large_as_can_be_is_a_mode_that_can_be() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let daemon = daemon(&server.name(), &["--scanout", "320x240"]);
    let (mut front_end, mut channel) = listening(&daemon);
    show(&mut front_end, SIZE, 1);
    server.wait_for_picture(SIZE, 1);

    server.resize(server.windows()[0], 1, 1);
    assert_eq!(told(&mut channel), CONFIG_CHANGE);
    wait_until("the smallest mode", || {
        screens(&mut front_end) == [(32, 32, true)]
    });
    server.resize(server.windows()[0], 32_767, 32_767);
    assert_eq!(told(&mut channel), CONFIG_CHANGE);
    wait_until("the largest mode", || {
        screens(&mut front_end) == [(16_384, 16_384, true)]
    });
}

/// The guest shows a picture on two screens.
fn show_twice(front_end: &mut FrontEnd, (width, height): (u32, u32)) {
    let whole = Rect::from_size(width, height);
    create(front_end, IMAGE, B8G8R8X8, width, height);
    front_end.write_image(0, &picture(whole, 1));
    let second = Command::SetScanout {
        rect: whole,
        scanout: ScanoutId(1),
        resource: Some(IMAGE),
    };
    front_end.succeed(&[
        transfer(whole, width),
        set_scanout(width, height),
        second,
        flush(whole),
    ]);
}

#[test]
fn a_closed_window_is_a_monitor_unplugged_but_the_last_one_stays() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let arguments = ["--scanout", "320x240", "--scanout", "320x240"];
    let daemon = daemon(&server.name(), &arguments);
    let (mut front_end, mut channel) = listening(&daemon);
    show_twice(&mut front_end, SIZE);
    wait_until("two windows", || server.windows().len() == 2);

    server.close(server.windows()[1]);
    assert_eq!(told(&mut channel), CONFIG_CHANGE);
    let left = [(320, 240, true), (320, 240, false)];
    wait_until("one screen less", || screens(&mut front_end) == left);
    front_end.succeed(&[Command::SetScanout {
        rect: Rect::from_size(0, 0),
        scanout: ScanoutId(1),
        resource: None,
    }]);
    wait_until("one window less", || server.windows().len() == 1);

    server.close(server.windows()[0]);
    wait_until("the refusal", || {
        daemon.log().contains("it is the last one")
    });
    assert_eq!(screens(&mut front_end), left);
    server.wait_for_picture(SIZE, 1);
}

#[test]
fn a_front_end_with_a_display_socket_is_told_nothing_and_shown_nothing() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let daemon = daemon(&server.name(), &["--scanout", "320x240"]);
    let mut front_end = FrontEnd::connect(&daemon);
    front_end.realize();
    let mut channel = front_end.send_backend_channel();
    let mut gpu = front_end.start();
    show(&mut front_end, SIZE, 1);
    server.wait_for_picture(SIZE, 1);

    server.resize(server.windows()[0], 400, 300);
    wait_until("the new size", || {
        screens(&mut front_end) == [(400, 300, true)]
    });
    server.close(server.windows()[0]);
    wait_until("the refusal", || {
        daemon.log().contains("does not tell its guest")
    });

    channel
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    assert!(channel.read(&mut [0]).is_err(), "a message");
    assert!(gpu.is_quiet());
}
