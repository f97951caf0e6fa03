//! What is done in the windows arrives at the input sockets.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::wait::{LIMIT, wait_until};
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
    MOTION_NOTIFY_EVENT,
};

use crate::screen::{SIZE, Seen, daemon, draw, front_end, show};
use crate::xvfb::Xvfb;

/// Types and codes of `linux/input-event-codes.h`.
const SYN: (u16, u16, u32) = (0, 0, 0);
const KEY_A: u16 = 30;
const BTN_LEFT: u16 = 0x110;

/// A window on a server, and the sockets beside it.
struct Desk {
    server: Xvfb,
    daemon: Daemon,
    front_end: FrontEnd,
    directory: tempfile::TempDir,
}

impl Desk {
    fn new(kinds: &[&str]) -> Option<Self> {
        let server = Xvfb::start(None)?;
        let directory = tempfile::tempdir().unwrap();
        let mut arguments = vec!["--scanout".to_owned(), "320x240".to_owned()];
        for kind in kinds {
            let path = directory.path().join(kind);
            arguments.push(format!("--input-{kind}={}", path.display()));
        }
        arguments.push("--input-axes=1000x500".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let daemon = daemon(&server.name(), &arguments);
        let mut front_end = front_end(&daemon);
        show(&mut front_end, SIZE, 1);
        server.wait_for_picture(SIZE, 1);
        server.focus(server.windows()[0]);
        Some(Self {
            server,
            daemon,
            front_end,
            directory,
        })
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.directory.path().join(kind)
    }

    /// A device that the daemon knows of.
    fn device(&self, kind: &str) -> UnixStream {
        let line = format!("an input device has connected: {kind}");
        let known = self.daemon.log().matches(&line).count();
        let device = UnixStream::connect(self.path(kind)).unwrap();
        device.set_read_timeout(Some(LIMIT)).unwrap();
        wait_until("the device to be known", || {
            self.daemon.log().matches(&line).count() > known
        });
        device
    }
}

/// The next event: type, code and value (VIRTIO 1.4 §5.8.6).
fn event(device: &mut UnixStream) -> (u16, u16, u32) {
    let mut bytes = [0; 8];
    device.read_exact(&mut bytes).unwrap();
    let half = |place: usize| u16::from_le_bytes([bytes[place], bytes[place + 1]]);
    let value = u32::from_le_bytes(bytes[4..].try_into().unwrap());
    (half(0), half(2), value)
}

fn events<const COUNT: usize>(device: &mut UnixStream) -> [(u16, u16, u32); COUNT] {
    [(); COUNT].map(|()| event(device))
}

#[test]
fn keys_and_places_go_to_the_devices_that_have_them() {
    let Some(desk) = Desk::new(&["keyboard", "tablet"]) else {
        return;
    };
    let mut keyboard = desk.device("keyboard");
    let mut tablet = desk.device("tablet");

    // Xvfb's keycodes are 8 more than Linux's.
    desk.server.fake(KEY_PRESS_EVENT, 38, 0, 0);
    desk.server.fake(KEY_RELEASE_EVENT, 38, 0, 0);
    desk.server.fake(MOTION_NOTIFY_EVENT, 0, 160, 60);

    let pressed = events::<4>(&mut keyboard);
    assert_eq!(pressed, [(1, KEY_A, 1), SYN, (1, KEY_A, 0), SYN]);
    // A half of 1000 and a quarter of 500.
    let moved = events::<3>(&mut tablet);
    assert_eq!(moved, [(3, 0, 500), (3, 1, 125), SYN]);
    desk.server.fake(BUTTON_PRESS_EVENT, 1, 0, 0);
    desk.server.fake(BUTTON_RELEASE_EVENT, 1, 0, 0);
    // The server tells the place along with each.
    let mut clicked = std::iter::repeat_with(|| event(&mut tablet)).filter(|event| event.0 == 1);
    assert_eq!(clicked.next(), Some((1, BTN_LEFT, 1)));
    assert_eq!(clicked.next(), Some((1, BTN_LEFT, 0)));
}

#[test]
fn a_device_that_comes_again_takes_the_place_of_the_one_before() {
    let Some(desk) = Desk::new(&["keyboard"]) else {
        return;
    };
    let mut first = desk.device("keyboard");
    let mut second = desk.device("keyboard");

    desk.server.fake(KEY_PRESS_EVENT, 38, 0, 0);

    assert_eq!(events::<2>(&mut second), [(1, KEY_A, 1), SYN]);
    assert_eq!(first.read(&mut [0]).unwrap(), 0, "it is still connected");
    drop(second);
    wait_until("the loss", || {
        desk.daemon
            .log()
            .contains("an input device has gone: keyboard")
    });
    let mut third = desk.device("keyboard");
    desk.server.fake(KEY_RELEASE_EVENT, 38, 0, 0);
    desk.server.fake(KEY_PRESS_EVENT, 38, 0, 0);
    let mut seen = event(&mut third);
    while seen != (1, KEY_A, 1) {
        seen = event(&mut third);
    }
}

#[test]
fn a_device_that_does_not_read_stops_nobody() {
    let Some(mut desk) = Desk::new(&["mouse", "keyboard"]) else {
        return;
    };
    let mut mouse = desk.device("mouse");
    // What it says of LEDs is of no interest.
    mouse.write_all(&[0; 8]).unwrap();
    let mut keyboard = desk.device("keyboard");
    for step in 0..20_000_u32 {
        let kind = if step % 2 == 0 {
            BUTTON_PRESS_EVENT
        } else {
            BUTTON_RELEASE_EVENT
        };
        desk.server.fake(kind, 1, 0, 0);
    }

    desk.server.fake(KEY_PRESS_EVENT, 38, 0, 0);
    assert_eq!(events::<2>(&mut keyboard), [(1, KEY_A, 1), SYN]);
    draw(&mut desk.front_end, SIZE, 2);
    desk.server.wait_for_picture(SIZE, 2);

    // When it reads again, all that it believes to be down goes up.
    let mut down = false;
    mouse
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut bytes = [0; 8];
    while mouse.read_exact(&mut bytes).is_ok() {
        if bytes[..4] == [1, 0, 0x10, 0x01] {
            down = bytes[4] == 1;
        }
    }
    assert!(!down);
}

#[test]
fn the_sockets_go_with_the_daemon() {
    let Some(mut desk) = Desk::new(&["keyboard", "touchscreen"]) else {
        return;
    };
    drop(desk.front_end);

    assert!(desk.daemon.wait().0.success());
    assert!(!desk.directory.path().join("keyboard").exists());
    assert!(!desk.directory.path().join("touchscreen").exists());
}
