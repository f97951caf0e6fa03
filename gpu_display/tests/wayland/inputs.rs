//! What the user does in the windows.

use std::io::Read;
use std::os::unix::net::UnixStream;

use gpu_display::InputEvent::{
    FocusGained, FocusLost, Key, PointerMoved, PointerPushed, TouchDown, TouchMoved, TouchUp, Wheel,
};
use gpu_display::{
    Display, EventDevice, EventDeviceKind, Input, InputEvent, InputSource, KeyState,
};
use wayland_protocols::xdg::shell::server::xdg_toplevel::XdgToplevel;
use wayland_server::protocol::wl_keyboard;
use wayland_server::protocol::wl_pointer::{Axis, ButtonState};
use wayland_server::protocol::wl_seat::Capability;
use wayland_server::protocol::wl_surface::WlSurface;

use crate::common::{RED, Source};
use crate::compositor::{Offer, World};
use crate::desk::Desk;

const KEY_A: u16 = 30;
const BTN_LEFT: u16 = 0x110;

/// A window of 200x100 in a compositor with a seat of this version.
fn desk(version: u32) -> Desk {
    let mut desk = Desk::new(Offer {
        seats: vec![version],
        ..Offer::default()
    });
    let surface = desk.surface(0, 200, 100);
    desk.show_all(surface, &mut Source::plain(200, 100, RED));
    desk
}

fn input(desk: &mut Desk) -> Vec<InputEvent> {
    desk.settle();
    let input = std::iter::from_fn(|| desk.display.next_input());
    input
        .map(|Input { output, event }| {
            assert_eq!(output, 0);
            event
        })
        .collect()
}

fn pressed(code: u16) -> InputEvent {
    let state = KeyState::Pressed;
    Key { code, state }
}

fn released(code: u16) -> InputEvent {
    let state = KeyState::Released;
    Key { code, state }
}

fn window(world: &World) -> WlSurface {
    world.surface().resource.clone()
}

fn type_key(desk: &mut Desk, key: u32, state: wl_keyboard::KeyState) {
    desk.compositor().world.input.keyboards[0].key(1, 2, key, state);
}

#[test]
fn keys_are_told_while_the_window_has_the_keyboard() {
    let mut desk = desk(8);
    let surface = window(&desk.compositor().world);

    // Somebody else's key, and one that was down before.
    type_key(&mut desk, 31, wl_keyboard::KeyState::Pressed);
    let keyboard = desk.compositor().world.input.keyboards[0].clone();
    keyboard.enter(1, &surface, 28_u32.to_ne_bytes().to_vec());
    type_key(&mut desk, 30, wl_keyboard::KeyState::Pressed);
    type_key(&mut desk, 30, wl_keyboard::KeyState::Pressed);
    type_key(&mut desk, 28, wl_keyboard::KeyState::Released);
    type_key(&mut desk, u32::MAX, wl_keyboard::KeyState::Pressed);
    assert_eq!(input(&mut desk), [FocusGained, pressed(KEY_A)]);

    keyboard.leave(2, &surface);
    type_key(&mut desk, 30, wl_keyboard::KeyState::Released);
    assert_eq!(input(&mut desk), [released(KEY_A), FocusLost]);
}

#[test]
fn a_window_is_told_where_the_pointer_is_whatever_its_size() {
    let mut desk = desk(8);
    desk.compositor().world.point(100.0, 25.0);
    // 65535 halves and quarters, to the nearest.
    let middle = PointerMoved {
        x: 32_768,
        y: 16_384,
    };
    assert_eq!(input(&mut desk), [middle]);

    desk.compositor().configure((400, 200), &[]);
    desk.settle();
    let pointer = desk.compositor().world.input.pointers[0].clone();
    for (x, y) in [(200.0, 50.0), (-5.0, 1e6)] {
        pointer.motion(1, x, y);
        pointer.frame();
        desk.settle();
        pointer.button(1, 1, 0x110, ButtonState::Pressed);
        pointer.button(1, 1, 0x110, ButtonState::Released);
        pointer.frame();
    }

    let click = [pressed(BTN_LEFT), released(BTN_LEFT)];
    let corner = PointerMoved { x: 0, y: 65_535 };
    let expected = [&[middle], &click[..], &[corner], &click[..]].concat();
    assert_eq!(input(&mut desk), expected);
}

#[test]
fn buttons_go_up_when_the_pointer_leaves() {
    let mut desk = desk(8);
    desk.compositor().world.point(0.0, 0.0);
    let pointer = desk.compositor().world.input.pointers[0].clone();
    pointer.button(1, 1, 0x110, ButtonState::Pressed);
    pointer.frame();

    desk.compositor().world.point_away();
    pointer.motion(1, 5.0, 5.0);
    pointer.button(1, 1, 0x110, ButtonState::Released);

    let place = PointerMoved { x: 0, y: 0 };
    let expected = [place, pressed(BTN_LEFT), released(BTN_LEFT)];
    assert_eq!(input(&mut desk), expected);
}

#[test]
fn pushes_are_told_before_acceleration() {
    let mut desk = desk(8);
    desk.compositor().world.point(0.0, 0.0);
    input(&mut desk);

    let relative = desk.compositor().world.input.relative[0].clone();
    relative.relative_motion(0, 1, 9.0, 9.0, 1.5, -2.0);
    relative.relative_motion(0, 1, 9.0, 9.0, 0.25, 0.0);

    assert_eq!(input(&mut desk), [PointerPushed { dx: 448, dy: -512 }]);
}

#[test]
fn the_wheel_is_told_as_finely_as_the_compositor_knows() {
    // Parts of a detent.
    let mut desk = desk(8);
    desk.compositor().world.point(0.0, 0.0);
    input(&mut desk);
    let pointer = desk.compositor().world.input.pointers[0].clone();
    pointer.axis_value120(Axis::VerticalScroll, 30);
    pointer.axis(1, Axis::VerticalScroll, 2.5);
    pointer.axis_value120(Axis::HorizontalScroll, -15);
    pointer.axis(1, Axis::HorizontalScroll, -1.25);
    pointer.frame();
    let turned = |horizontal, vertical| Wheel {
        horizontal,
        vertical,
    };
    assert_eq!(input(&mut desk), [turned(-15, -30)]);

    // Whole detents.
    let mut desk = self::desk(5);
    desk.compositor().world.point(0.0, 0.0);
    input(&mut desk);
    let pointer = desk.compositor().world.input.pointers[0].clone();
    pointer.axis_discrete(Axis::VerticalScroll, -2);
    pointer.axis(1, Axis::VerticalScroll, -20.0);
    pointer.frame();
    assert_eq!(input(&mut desk), [turned(0, 240)]);
    // A finger on a touchpad.
    pointer.axis(1, Axis::VerticalScroll, 0.5);
    pointer.frame();
    assert_eq!(input(&mut desk), [turned(0, -6)]);

    // Before there were frames of events.
    let mut desk = self::desk(1);
    let world = &desk.compositor().world;
    let pointer = world.input.pointers[0].clone();
    pointer.enter(1, &window(world), 0.0, 0.0);
    input(&mut desk);
    pointer.axis(1, Axis::VerticalScroll, 10.0);
    assert_eq!(input(&mut desk), [turned(0, -120)]);
}

#[test]
fn fingers_are_told_apart_and_lifted() {
    let mut desk = desk(8);
    let surface = window(&desk.compositor().world);
    let touch = desk.compositor().world.input.touches[0].clone();

    touch.down(1, 1, &surface, 5, 0.0, 0.0);
    touch.down(2, 1, &surface, 6, 200.0, 100.0);
    touch.motion(1, 5, 200.0, 0.0);
    touch.up(3, 1, 6);
    // Fingers that are not there.
    touch.motion(1, 6, 1.0, 1.0);
    touch.up(3, 1, 77);
    touch.down(2, 1, &surface, 5, 1.0, 1.0);
    touch.cancel();

    let (id, max) = (5, 65_535);
    let expected = [
        TouchDown { id, x: 0, y: 0 },
        TouchDown {
            id: 6,
            x: max,
            y: max,
        },
        TouchMoved { id, x: max, y: 0 },
        TouchUp { id: 6 },
        TouchUp { id: 5 },
    ];
    assert_eq!(input(&mut desk), expected);
}

#[test]
fn a_seat_that_loses_its_devices_holds_nothing_down() {
    let mut desk = desk(8);
    let surface = window(&desk.compositor().world);
    desk.compositor().world.input.keyboards[0].enter(1, &surface, Vec::new());
    type_key(&mut desk, 30, wl_keyboard::KeyState::Pressed);
    desk.compositor().world.point(0.0, 0.0);
    desk.compositor().world.input.pointers[0].button(1, 1, 0x110, ButtonState::Pressed);
    desk.compositor().world.input.touches[0].down(1, 1, &surface, 5, 0.0, 0.0);
    input(&mut desk);

    desk.compositor().world.input.seats[0].capabilities(Capability::empty());

    let expected = [
        released(BTN_LEFT),
        released(KEY_A),
        FocusLost,
        TouchUp { id: 5 },
    ];
    assert_eq!(input(&mut desk), expected);
    let inputs = &desk.compositor().world.input;
    assert!(inputs.pointers.is_empty() && inputs.keyboards.is_empty());
    // And back.
    desk.compositor().world.input.seats[0].capabilities(Capability::Keyboard);
    desk.settle();
    assert_eq!(desk.compositor().world.input.keyboards.len(), 1);
}

#[test]
fn a_compositor_that_dies_holds_nothing_down() {
    let mut desk = desk(8);
    let surface = window(&desk.compositor().world);
    desk.compositor().world.input.keyboards[0].enter(1, &surface, Vec::new());
    type_key(&mut desk, 30, wl_keyboard::KeyState::Pressed);
    input(&mut desk);

    desk.kill_compositor();

    assert_eq!(input(&mut desk), [released(KEY_A)]);
}

#[test]
fn ten_thousand_movements_a_second_are_one() {
    let mut desk = desk(8);
    desk.compositor().world.point(0.0, 0.0);
    let pointer = desk.compositor().world.input.pointers[0].clone();
    let relative = desk.compositor().world.input.relative[0].clone();

    for step in 0..10_000 {
        pointer.motion(step, f64::from(step % 200), 50.0);
        relative.relative_motion(0, 1, 1.0, 0.0, 1.0, 0.0);
        pointer.frame();
        if step % 50 == 0 {
            desk.turn();
        }
    }
    for _ in 0..100 {
        desk.turn();
    }

    let events = input(&mut desk);
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(
        events[1],
        PointerPushed {
            dx: 2_560_000,
            dy: 0
        }
    );
}

#[test]
fn input_that_nobody_takes_is_bounded() {
    let mut desk = desk(8);
    let surface = window(&desk.compositor().world);
    desk.compositor().world.input.keyboards[0].enter(1, &surface, Vec::new());

    for _ in 0..5_000 {
        type_key(&mut desk, 30, wl_keyboard::KeyState::Pressed);
        type_key(&mut desk, 30, wl_keyboard::KeyState::Released);
        desk.turn();
    }

    assert!(input(&mut desk).len() <= 512);
}

#[test]
fn an_attached_device_gets_what_is_typed() {
    let mut desk = desk(8);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let device = EventDevice::new(ours, EventDeviceKind::Keyboard, Some(0));
    desk.display.attach(device.unwrap());
    let surface = window(&desk.compositor().world);

    desk.compositor().world.input.keyboards[0].enter(1, &surface, Vec::new());
    type_key(&mut desk, 30, wl_keyboard::KeyState::Pressed);

    assert_eq!(input(&mut desk), []);
    let mut bytes = [0; 16];
    theirs.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [1, 0, 30, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn an_empty_window_still_takes_keys() {
    let mut desk = Desk::new(Offer {
        seats: vec![8],
        ..Offer::default()
    });
    let surface = desk.surface(0, 200, 100);
    desk.show_all(surface, &mut Source::plain(200, 100, RED));

    // A guest that sleeps has to be woken.
    desk.display.destroy_surface(surface);
    desk.wait(std::time::Duration::from_secs(1));
    let surface = window(&desk.compositor().world);
    desk.compositor().world.input.keyboards[0].enter(1, &surface, Vec::new());
    type_key(&mut desk, 30, wl_keyboard::KeyState::Pressed);

    assert_eq!(input(&mut desk), [FocusGained, pressed(KEY_A)]);
    let toplevel: &XdgToplevel = desk.compositor().world.window().toplevel.as_ref().unwrap();
    toplevel.close();
    desk.settle();
    // There is no surface to close.
    assert_eq!(desk.events(), []);
}
