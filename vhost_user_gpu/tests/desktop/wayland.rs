//! Windows on Weston.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::wait::{LIMIT, wait_until};
use gpu_buffer::Rect;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use virtio_gpu::protocol::Command;

use crate::screen::{SIZE, Seen, daemon, draw, front_end, screens, show, summary};
use crate::support::drawing::{SCREEN, set_scanout};
use crate::support::{rendering, scene};
use crate::weston::Weston;

/// A guest whose first picture is seen on a Weston with its files in that folder; `None` where there is no Weston.
fn shown() -> Option<(TempDir, Weston, Daemon, FrontEnd)> {
    let directory = tempfile::tempdir().unwrap();
    let weston = Weston::start(directory.path())?;
    let daemon = daemon(&weston.name(), &["--scanout", "320x240"]);
    let mut front_end = front_end(&daemon);
    show(&mut front_end, SIZE, 1);
    weston.wait_for_picture(SIZE, 1);
    Some((directory, weston, daemon, front_end))
}

#[test]
fn what_the_guest_draws_is_to_be_seen_in_a_window() {
    let directory = tempfile::tempdir().unwrap();
    let Some(weston) = Weston::start(directory.path()) else {
        return;
    };
    let mut daemon = daemon(&weston.name(), &["--scanout", "320x240"]);
    let mut front_end = front_end(&daemon);
    assert_eq!(screens(&mut front_end), [(320, 240, true)]);

    show(&mut front_end, SIZE, 1);
    weston.wait_for_picture(SIZE, 1);
    draw(&mut front_end, SIZE, 2);
    weston.wait_for_picture(SIZE, 2);

    // Each was read where the guest's transfer put it.
    let (frames, shared, copied) = summary(&mut daemon, front_end);
    assert_eq!((frames, copied), (shared, 0));
}

#[test]
fn a_guest_goes_on_while_the_compositor_is_gone_and_its_window_comes_back() {
    let Some((directory, mut weston, daemon, mut front_end)) = shown() else {
        return;
    };

    for round in 0..3 {
        drop(weston);
        wait_until("the loss", || {
            daemon.log().matches("there is no compositor now").count() > round
        });
        let newest = 10 * (round as u8 + 1);
        for number in newest - 5..=newest {
            draw(&mut front_end, SIZE, number);
        }

        weston = Weston::start(directory.path()).unwrap();
        weston.wait_for_picture(SIZE, newest);
    }
}

#[test]
fn a_guest_goes_on_while_the_compositor_is_frozen_and_the_newest_picture_wins() {
    let Some((_directory, weston, daemon, mut front_end)) = shown() else {
        return;
    };
    let descriptors = daemon.open_descriptors();

    weston.signal(Signal::SIGSTOP);
    for number in 2..=60 {
        draw(&mut front_end, SIZE, number);
    }
    let more = daemon.open_descriptors() - descriptors;
    weston.signal(Signal::SIGCONT);

    weston.wait_for_picture(SIZE, 60);
    assert!(more <= 4, "{more} more descriptors");
}

#[test]
fn nothing_wakes_up_while_nothing_moves() {
    let Some((_directory, _weston, daemon, _front_end)) = shown() else {
        return;
    };
    std::thread::sleep(Duration::from_millis(500));

    let before = daemon.activity();
    std::thread::sleep(Duration::from_secs(2));

    assert_eq!(daemon.activity(), before);
}

#[test]
fn descriptors_are_back_at_the_baseline_after_many_compositors() {
    let Some((directory, mut weston, daemon, mut front_end)) = shown() else {
        return;
    };
    let before = daemon.holdings();

    for round in 2..8 {
        drop(weston);
        weston = Weston::start(directory.path()).unwrap();
        draw(&mut front_end, SIZE, round);
        weston.wait_for_picture(SIZE, round);
    }

    // A window has up to three buffers, and at any time as many as were needed.
    wait_until("about the same holdings as before", || {
        let pairs = daemon.holdings().into_iter().zip(before);
        pairs.into_iter().all(|(now, before)| now <= before + 2)
    });
}

/// A compositor that takes each connection and ends it with an error of the protocol.
#[test]
fn a_compositor_that_always_refuses_is_asked_now_and_then() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("liar");
    let listener = UnixListener::bind(&path).unwrap();
    let (counted, count) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // wl_display.error: object 1, code 3, "no".
            let message = [1_u32, (24 << 16), 1, 3, 3, u32::from_le_bytes(*b"no\0\0")];
            let bytes: Vec<u8> = message.into_iter().flat_map(u32::to_ne_bytes).collect();
            let _ = stream.write_all(&bytes);
            // Until the client has gone.
            let _ = stream.read_to_end(&mut Vec::new());
            if counted.send(()).is_err() {
                return;
            }
        }
    });
    let display = format!("wayland={}", path.display());
    let daemon = daemon(&display, &["--scanout", "320x240"]);
    let mut front_end = front_end(&daemon);
    let start = Instant::now();

    show(&mut front_end, SIZE, 1);
    let seen = (0..6).map_while(|_| count.recv_timeout(LIMIT).ok()).count();

    assert_eq!(seen, 6, "it does not try again");
    assert!(
        start.elapsed() >= Duration::from_millis(700),
        "without a pause"
    );
    draw(&mut front_end, SIZE, 2);
    assert_eq!(daemon.log().matches("protocol error 3: no").count(), 1);
}

#[test]
fn a_screen_that_was_switched_off_shows_the_guest_when_it_is_on_again() {
    let Some((_directory, weston, _daemon, mut front_end)) = shown() else {
        return;
    };

    front_end.succeed(&[Command::SetScanout {
        rect: Rect::from_size(0, 0),
        scanout: SCREEN,
        resource: None,
    }]);
    weston.wait_for(SIZE, "a black window", |_, _| [0, 0, 0]);
    front_end.succeed(&[set_scanout(SIZE.0, SIZE.1)]);
    draw(&mut front_end, SIZE, 2);

    weston.wait_for_picture(SIZE, 2);
}

#[test]
fn a_window_is_served_while_there_is_no_front_end() {
    let directory = tempfile::tempdir().unwrap();
    let Some(weston) = Weston::start(directory.path()) else {
        return;
    };
    let arguments = ["--scanout", "320x240", "--persistent"];
    let daemon = daemon(&weston.name(), &arguments);
    let mut first = front_end(&daemon);
    show(&mut first, SIZE, 1);
    weston.wait_for_picture(SIZE, 1);

    drop(first);
    weston.wait_for(SIZE, "a black window", |_, _| [0, 0, 0]);
    drop(weston);
    wait_until("the loss", || {
        daemon.log().contains("there is no compositor now")
    });
    let weston = Weston::start(directory.path()).unwrap();
    wait_until("the compositor's return", || {
        daemon.log().contains("there is a compositor again")
    });

    let mut second = front_end(&daemon);
    show(&mut second, SIZE, 2);
    weston.wait_for_picture(SIZE, 2);
}

#[test]
fn what_the_guest_renders_is_to_be_seen_in_a_window() {
    const SIDE: u32 = 200;
    let directory = tempfile::tempdir().unwrap();
    let Some(weston) = Weston::start(directory.path()) else {
        return;
    };
    let display = format!("--display={}", weston.name());
    let Some(mut daemon) = rendering(&[&display]) else {
        return;
    };
    let mut front_end = FrontEnd::connect(&daemon);
    front_end.draws_in_3d();
    front_end.realize();
    front_end.start_alone();
    scene::prepare(&mut front_end, SIDE);
    let whole = Rect::from_size(SIDE, SIDE);

    // Red, then blue.
    for (colour, seen) in [
        ([1.0, 0.0, 0.0, 1.0], [255, 0, 0]),
        ([0.0, 0.0, 1.0, 1.0], [0, 0, 255]),
    ] {
        let commands = scene::clear(colour);
        scene::succeed(
            &mut front_end,
            &[Command::Submit3d {
                commands: &commands,
            }],
        );
        front_end.succeed(&[
            Command::SetScanout {
                rect: whole,
                scanout: SCREEN,
                resource: Some(scene::PICTURE),
            },
            Command::ResourceFlush {
                rect: whole,
                resource: scene::PICTURE,
            },
        ]);
        weston.wait_for((SIDE, SIDE), "the colour", |_, _| seen);
    }

    let (frames, shared, copied) = summary(&mut daemon, front_end);
    assert_eq!((frames, copied), (shared, 0));
}
