//! Desktops that freeze for long, throw windows out, or are there when there is no descriptor left: the guest goes
//! on, and is seen again.

use std::process::Command as Program;
use std::time::{Duration, Instant};

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::wait::wait_until;
use nix::sys::signal::Signal;

use crate::screen::{SIZE, Seen, daemon, draw, front_end, screens, show};
use crate::weston::Weston;
use crate::xvfb::Xvfb;

/// Changes how many descriptors a process may have.
fn allow_descriptors(daemon: &Daemon, number: usize) {
    let status = Program::new("prlimit")
        .arg(format!("--pid={}", daemon.pid()))
        .arg(format!("--nofile={number}:"))
        .status();
    assert!(status.unwrap().success());
}

/// The number that the next descriptor of the daemon would have.
fn next_descriptor(daemon: &Daemon) -> usize {
    let is_free = |number: &usize| {
        let path = format!("/proc/{}/fd/{number}", daemon.pid());
        std::fs::symlink_metadata(path).is_err()
    };
    (0..).find(is_free).unwrap()
}

/// A daemon whose window the desktop shows, and its guest.
fn shown(seen: &impl Seen, display: &str) -> (Daemon, FrontEnd) {
    let daemon = daemon(display, &["--scanout", "320x240"]);
    let mut front_end = front_end(&daemon);
    show(&mut front_end, SIZE, 1);
    seen.wait_for_picture(SIZE, 1);
    (daemon, front_end)
}

/// The guest draws, and shows other pictures as well, while the daemon can open nothing; then it can.
fn assert_shows_again_when_there_are_descriptors(seen: &impl Seen, display: &str) {
    let (daemon, mut front_end) = shown(seen, display);
    allow_descriptors(&daemon, next_descriptor(&daemon));

    for number in 2..40 {
        draw(&mut front_end, SIZE, number);
    }
    front_end.succeed(&[crate::support::drawing::set_scanout(160, 120)]);
    draw(&mut front_end, SIZE, 40);
    assert_eq!(screens(&mut front_end), [(320, 240, true)]);

    allow_descriptors(&daemon, 256);
    front_end.succeed(&[crate::support::drawing::set_scanout(SIZE.0, SIZE.1)]);
    draw(&mut front_end, SIZE, 41);
    seen.wait_for_picture(SIZE, 41);
}

#[test]
fn without_descriptors_the_guest_goes_on_and_with_them_its_window_on_weston() {
    let directory = tempfile::tempdir().unwrap();
    if let Some(weston) = Weston::start(directory.path()) {
        assert_shows_again_when_there_are_descriptors(&weston, &weston.name());
    }
}

#[test]
fn without_descriptors_the_guest_goes_on_and_with_them_its_window_on_xvfb() {
    if let Some(server) = Xvfb::start(None) {
        assert_shows_again_when_there_are_descriptors(&server, &server.name());
    }
}

#[test]
fn a_desktop_that_comes_back_while_there_are_no_descriptors_is_found_when_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let Some(weston) = Weston::start(directory.path()) else {
        return;
    };
    let (daemon, mut front_end) = shown(&weston, &weston.name());

    drop(weston);
    wait_until("the loss", || {
        daemon.log().contains("there is no compositor now")
    });
    draw(&mut front_end, SIZE, 2);
    // Whatever it lets go of with the compositor it has let go of now.
    allow_descriptors(&daemon, next_descriptor(&daemon));
    let weston = Weston::start(directory.path()).unwrap();
    // Longer than any pause between two attempts.
    let (_, before) = daemon.activity();
    std::thread::sleep(Duration::from_secs(1));
    let (_, after) = daemon.activity();
    draw(&mut front_end, SIZE, 3);
    assert!(!daemon.log().contains("there is a compositor again"));
    assert!(after - before <= 10, "{} ticks of waiting", after - before);

    allow_descriptors(&daemon, 256);
    weston.wait_for_picture(SIZE, 3);
}

#[test]
fn a_window_that_is_thrown_out_of_the_server_comes_back_with_the_picture() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let (daemon, mut front_end) = shown(&server, &server.name());

    for round in 0..3 {
        server.throw_out(server.windows()[0]);
        wait_until("the loss", || {
            daemon.log().matches("there is no X server now").count() > 0
                && daemon.log().matches("there is an X server again").count() > round
        });
        server.wait_for_picture(SIZE, 1 + round as u8);
        draw(&mut front_end, SIZE, 2 + round as u8);
        server.wait_for_picture(SIZE, 2 + round as u8);
    }
}

#[test]
fn a_window_of_impossible_sizes_is_a_mode_that_can_be() {
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let (_daemon, mut front_end) = shown(&server, &server.name());
    let window = server.windows()[0];

    // The server itself refuses the first.
    for (width, height) in [(0, 0), (65_535, 65_535), (65_535, 1), (1, 65_535)] {
        server.try_resize(window, width, height);
        draw(&mut front_end, SIZE, 2);
    }
    wait_until("a mode that can be", || {
        screens(&mut front_end) == [(32, 16_384, true)]
    });
    server.try_resize(window, SIZE.0, SIZE.1);
    wait_until("the first mode", || {
        screens(&mut front_end) == [(320, 240, true)]
    });
    draw(&mut front_end, SIZE, 3);
    server.wait_for_picture(SIZE, 3);
}

/// How long a desktop is frozen: `$FREEZE_SECONDS`, or two.
fn freeze_time() -> Duration {
    let seconds = std::env::var("FREEZE_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(2))
}

/// The guest draws all the while that its desktop is frozen; each of its commands is answered meanwhile, and what the
/// daemon holds stays what it is.
fn assert_lives_through_a_freeze(seen: &impl Seen, display: &str, signal: impl Fn(Signal)) {
    let (daemon, mut front_end) = shown(seen, display);
    // Some pictures, so that all buffers are there.
    for number in 2..8 {
        draw(&mut front_end, SIZE, number);
        seen.wait_for_picture(SIZE, number);
    }

    signal(Signal::SIGSTOP);
    let start = Instant::now();
    let mut settled = None;
    let mut number = 8_u8;
    while start.elapsed() < freeze_time() {
        number = number.wrapping_add(1);
        draw(&mut front_end, SIZE, number);
        if settled.is_none() && start.elapsed() > freeze_time() / 4 {
            settled = Some(daemon.holdings());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let after = daemon.holdings();
    signal(Signal::SIGCONT);

    assert_eq!(Some(after), settled);
    draw(&mut front_end, SIZE, 99);
    seen.wait_for_picture(SIZE, 99);
}

#[test]
fn a_long_freeze_of_weston_holds_nobody_up_and_costs_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    if let Some(weston) = Weston::start(directory.path()) {
        let signal = |signal| weston.signal(signal);
        assert_lives_through_a_freeze(&weston, &weston.name(), signal);
    }
}

#[test]
fn a_long_freeze_of_an_x_server_holds_nobody_up_and_costs_nothing_more() {
    if let Some(server) = Xvfb::start(None) {
        let signal = |signal| server.signal(signal);
        assert_lives_through_a_freeze(&server, &server.name(), signal);
    }
}
