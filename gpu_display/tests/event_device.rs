//! Input in virtio-input's format, as the device of a VMM reads it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use gpu_display::KeyState::{Pressed, Released};
use gpu_display::{
    AbsoluteAxes, EventDevice, EventDeviceKind, EventDevices, Input, InputEvent, InputQueue,
    KeyState,
};

const AXES: AbsoluteAxes = AbsoluteAxes { x: 1279, y: 799 };

const KEY_A: u16 = 30;
const BTN_LEFT: u16 = 0x110;

/// An event as the guest sees it: type, code, value.
type Raw = (u16, u16, i32);

const SYN: Raw = (0, 0, 0);

fn device(kind: EventDeviceKind, output: Option<u32>) -> (EventDevice, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (EventDevice::new(ours, kind, output).unwrap(), theirs)
}

/// All that has arrived.
fn read(socket: &mut UnixStream) -> Vec<Raw> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(bytes.len() % 8, 0, "half an event");
    let event = |event: &[u8]| {
        (
            u16::from_le_bytes([event[0], event[1]]),
            u16::from_le_bytes([event[2], event[3]]),
            i32::from_le_bytes([event[4], event[5], event[6], event[7]]),
        )
    };
    bytes.chunks(8).map(event).collect()
}

fn on(output: u32, event: InputEvent) -> Input {
    Input { output, event }
}

fn key(code: u16, state: KeyState) -> InputEvent {
    InputEvent::Key { code, state }
}

/// What a device of this kind makes of these events.
fn encoded(kind: EventDeviceKind, events: &[InputEvent]) -> Vec<Raw> {
    let (mut device, mut socket) = device(kind, None);
    for event in events {
        device.send(&on(0, *event)).unwrap();
    }
    read(&mut socket)
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let (mut device, mut socket) = device(EventDeviceKind::Keyboard, None);

    device.send(&on(0, key(KEY_A, Pressed))).unwrap();

    let mut bytes = [0; 16];
    socket.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [1, 0, 30, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_keyboard_has_keys_and_a_mouse_buttons_steps_and_a_wheel() {
    let events = [
        key(KEY_A, Pressed),
        key(BTN_LEFT, Pressed),
        InputEvent::PointerMoved { x: 1, y: 1 },
        InputEvent::PointerPushed { dx: 512, dy: -768 },
        InputEvent::Wheel {
            horizontal: -240,
            vertical: 120,
        },
        key(KEY_A, Released),
        key(BTN_LEFT, Released),
    ];

    let keyboard = encoded(EventDeviceKind::Keyboard, &events);
    let mouse = encoded(EventDeviceKind::Mouse, &events);

    assert_eq!(keyboard, [(1, 30, 1), SYN, (1, 30, 0), SYN]);
    let expected = [
        (1, 0x110, 1),
        SYN,
        (2, 0, 2),
        (2, 1, -3),
        SYN,
        // REL_WHEEL_HI_RES, REL_WHEEL, REL_HWHEEL_HI_RES, REL_HWHEEL
        (2, 0x0b, 120),
        (2, 8, 1),
        (2, 0x0c, -240),
        (2, 6, -2),
        SYN,
        (1, 0x110, 0),
        SYN,
    ];
    assert_eq!(mouse, expected);
}

#[test]
fn parts_of_a_step_and_of_a_detent_are_kept_for_the_next() {
    let push = InputEvent::PointerPushed { dx: 100, dy: -100 };
    let turn = InputEvent::Wheel {
        horizontal: 0,
        vertical: 50,
    };

    let pushed = encoded(EventDeviceKind::Mouse, &[push; 5]);
    let turned = encoded(EventDeviceKind::Mouse, &[turn; 3]);

    // 300 of 256, then 500.
    assert_eq!(pushed, [(2, 0, 1), (2, 1, -1), SYN]);
    let fine = (2, 0x0b, 50);
    assert_eq!(turned, [fine, SYN, fine, SYN, fine, (2, 8, 1), SYN]);
}

#[test]
fn a_tablet_has_places_within_its_axes() {
    let places = [(0, 0), (65_535, 65_535), (32_768, 16_384)];
    let events = places.map(|(x, y)| InputEvent::PointerMoved { x, y });

    let told = encoded(EventDeviceKind::Tablet(AXES), &events);

    let expected = [
        (3, 0, 0),
        (3, 1, 0),
        SYN,
        (3, 0, 1279),
        (3, 1, 799),
        SYN,
        (3, 0, 639),
        (3, 1, 199),
        SYN,
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_touchscreen_tells_fingers_apart() {
    let (x, y) = (65_535, 0);
    let events = [
        InputEvent::TouchDown { id: 40, x, y },
        InputEvent::TouchDown { id: 41, x: 0, y },
        InputEvent::TouchMoved { id: 41, x, y },
        InputEvent::TouchUp { id: 40 },
        InputEvent::TouchUp { id: 41 },
    ];

    let told = encoded(EventDeviceKind::Touchscreen(AXES), &events);

    // ABS_MT_SLOT 0x2f, ABS_MT_TRACKING_ID 0x39, ABS_MT_POSITION_X 0x35 and _Y 0x36, BTN_TOUCH 0x14a
    let expected = [
        (3, 0x2f, 0),
        (3, 0x39, 1),
        (3, 0x35, 1279),
        (3, 0x36, 0),
        (3, 0, 1279),
        (3, 1, 0),
        (1, 0x14a, 1),
        SYN,
        (3, 0x2f, 1),
        (3, 0x39, 2),
        (3, 0x35, 0),
        (3, 0x36, 0),
        SYN,
        (3, 0x2f, 1),
        (3, 0x35, 1279),
        (3, 0x36, 0),
        SYN,
        (3, 0x2f, 0),
        (3, 0x39, -1),
        SYN,
        (3, 0x2f, 1),
        (3, 0x39, -1),
        (1, 0x14a, 0),
        SYN,
    ];
    assert_eq!(told, expected);
}

#[test]
fn more_fingers_than_slots_are_ignored() {
    let down = |id| InputEvent::TouchDown { id, x: 0, y: 0 };
    let mut events: Vec<_> = (0..12).map(down).collect();
    events.push(InputEvent::TouchMoved { id: 11, x: 1, y: 1 });
    events.push(InputEvent::TouchUp { id: 11 });

    let told = encoded(EventDeviceKind::Touchscreen(AXES), &events);

    let slots = told.iter().filter(|event| event.1 == 0x2f);
    assert_eq!(slots.map(|event| event.2).max(), Some(9));
}

#[test]
fn a_device_of_one_window_hears_nothing_of_others() {
    let (mut device, mut socket) = device(EventDeviceKind::Keyboard, Some(1));

    device.send(&on(0, key(KEY_A, Pressed))).unwrap();
    device.send(&on(1, key(KEY_A, Pressed))).unwrap();

    assert_eq!(read(&mut socket), [(1, 30, 1), SYN]);
}

#[test]
fn a_device_that_does_not_read_is_not_waited_for_and_no_key_stays_down() {
    let (mut device, mut socket) = device(EventDeviceKind::Keyboard, None);
    device.send(&on(0, key(KEY_A, Pressed))).unwrap();

    // More than any socket holds.
    for _ in 0..200_000 {
        device.send(&on(0, key(31, Pressed))).unwrap();
        device.send(&on(0, key(31, Released))).unwrap();
    }
    assert!(device.is_pending());
    let mut told = read(&mut socket);
    while device.is_pending() {
        device.flush().unwrap();
        told.extend(read(&mut socket));
    }

    assert!(told.len() < 100_000, "{} events", told.len());
    let last = told.iter().rev().find(|event| event.1 == KEY_A);
    assert_eq!(last, Some(&(1, KEY_A, 0)));
    assert_eq!(told.last(), Some(&SYN));
    device.send(&on(0, key(KEY_A, Pressed))).unwrap();
    assert_eq!(read(&mut socket), [(1, 30, 1), SYN]);
}

#[test]
fn what_the_device_sends_is_read_and_ignored() {
    let (mut device, mut socket) = device(EventDeviceKind::Keyboard, None);
    let leds = [0x11, 0, 1, 0, 1, 0, 0, 0].repeat(64);

    for _ in 0..10_000 {
        socket.write_all(&leds).unwrap();
        device.flush().unwrap();
    }

    device.send(&on(0, key(KEY_A, Pressed))).unwrap();
    assert_eq!(read(&mut socket), [(1, 30, 1), SYN]);
}

#[test]
fn a_device_that_is_gone_is_forgotten() {
    let (keyboard, socket) = device(EventDeviceKind::Keyboard, None);
    let (mouse, mut mouse_socket) = device(EventDeviceKind::Mouse, None);
    let mut devices = EventDevices::default();
    devices.attach(keyboard);
    devices.attach(mouse);
    let mut queue = InputQueue::new();

    drop(socket);
    queue.key(0, u32::from(KEY_A), Pressed);
    queue.key(0, u32::from(BTN_LEFT), Pressed);
    devices.take_from(&mut queue, Instant::now());

    assert_eq!(read(&mut mouse_socket), [(1, 0x110, 1), SYN]);
    assert!(!devices.is_empty());
    assert_eq!(devices.deadline(), None);
    drop(mouse_socket);
    devices.take_from(&mut queue, Instant::now());
    assert!(devices.is_empty());
}

#[test]
fn a_device_that_does_not_read_is_looked_at_again_a_moment_later() {
    let (keyboard, _socket) = device(EventDeviceKind::Keyboard, None);
    let mut devices = EventDevices::default();
    devices.attach(keyboard);
    let mut queue = InputQueue::new();
    let now = Instant::now();

    while devices.deadline().is_none() {
        queue.key(0, u32::from(KEY_A), Pressed);
        queue.key(0, u32::from(KEY_A), Released);
        devices.take_from(&mut queue, now);
    }

    let moment = Duration::from_millis(20);
    assert_eq!(devices.deadline(), Some(now + moment));
}

#[test]
fn without_devices_input_waits() {
    let mut queue = InputQueue::new();
    queue.key(0, u32::from(KEY_A), Pressed);

    EventDevices::default().take_from(&mut queue, Instant::now());

    assert_eq!(queue.take_next(), Some(on(0, key(KEY_A, Pressed))));
}
