//! What the user does in the windows, by XTEST.

use gpu_display::InputEvent::{FocusGained, FocusLost, Key, PointerMoved, PointerPushed, Wheel};
use gpu_display::{Input, InputEvent, InputSource, KeyState};
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt, InputFocus, KEY_PRESS_EVENT,
    KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT,
};

use crate::common::{RED, Source};
use crate::desk::{Desk, desk};

/// A window of 200x100 with the pointer at 50,50.
fn pointed_at(mut desk: Desk) -> Desk {
    let surface = desk.surface(0, 200, 100);
    desk.show_all(surface, &mut Source::plain(200, 100, RED));
    desk.fake(MOTION_NOTIFY_EVENT, 0, 50, 50);
    input(&mut desk);
    desk
}

fn input(desk: &mut Desk) -> Vec<InputEvent> {
    desk.settle();
    let input = std::iter::from_fn(|| desk.display.next_input());
    input.map(|Input { event, .. }| event).collect()
}

/// Without what lies between: pushes come besides the places.
fn without_pushes(events: Vec<InputEvent>) -> Vec<InputEvent> {
    let is_push = |event: &InputEvent| matches!(event, PointerPushed { .. });
    events.into_iter().filter(|event| !is_push(event)).collect()
}

fn key(code: u16, state: KeyState) -> InputEvent {
    Key { code, state }
}

fn focus(desk: &Desk, window: u32) {
    let time = x11rb::CURRENT_TIME;
    let focused = desk.eye().set_input_focus(InputFocus::PARENT, window, time);
    focused.unwrap().check().unwrap();
}

#[test]
fn keys_have_the_numbers_of_linux() {
    let mut desk = pointed_at(desk!());
    focus(&desk, desk.window());
    // 8 more than KEY_A, 30.
    desk.fake(KEY_PRESS_EVENT, 38, 0, 0);
    assert_eq!(input(&mut desk), [FocusGained, key(30, KeyState::Pressed)]);

    focus(&desk, desk.root());
    assert_eq!(input(&mut desk), [key(30, KeyState::Released), FocusLost]);
    desk.fake(KEY_RELEASE_EVENT, 38, 0, 0);
    assert_eq!(input(&mut desk), []);
}

#[test]
fn a_key_that_repeats_stays_down() {
    let mut desk = pointed_at(desk!());
    focus(&desk, desk.window());
    desk.fake(KEY_PRESS_EVENT, 38, 0, 0);
    input(&mut desk);

    // Longer than the server waits before it repeats.
    let start = std::time::Instant::now();
    desk.run_until(|_| start.elapsed().as_millis() > 1000);

    assert_eq!(input(&mut desk), []);
    desk.fake(KEY_RELEASE_EVENT, 38, 0, 0);
    assert_eq!(input(&mut desk), [key(30, KeyState::Released)]);
}

#[test]
fn the_pointer_is_told_as_a_part_of_the_picture() {
    let mut desk = pointed_at(desk!());

    desk.fake(MOTION_NOTIFY_EVENT, 0, 100, 25);

    // 65535 halves and quarters, to the nearest.
    let middle = PointerMoved {
        x: 32_768,
        y: 16_384,
    };
    assert_eq!(without_pushes(input(&mut desk)), [middle]);
}

#[test]
fn buttons_and_the_wheel_are_told() {
    let mut desk = pointed_at(desk!());

    for button in [1, 3, 2, 4, 5, 5, 8] {
        desk.fake(BUTTON_PRESS_EVENT, button, 0, 0);
        desk.fake(BUTTON_RELEASE_EVENT, button, 0, 0);
    }

    let events = input(&mut desk);
    let is_place = |event: &&InputEvent| matches!(event, PointerMoved { .. });
    let events: Vec<_> = events.iter().filter(|event| !is_place(event)).collect();
    let click = |code| [key(code, KeyState::Pressed), key(code, KeyState::Released)];
    let wheel = Wheel {
        horizontal: 0,
        vertical: -120,
    };
    let expected = [
        &click(0x110)[..],
        &click(0x111),
        &click(0x112),
        &[wheel],
        &click(0x113),
    ];
    assert_eq!(events, expected.concat().iter().collect::<Vec<_>>());
}

#[test]
fn pushes_are_told_while_the_pointer_is_in_the_window() {
    let mut desk = pointed_at(desk!());

    desk.fake(MOTION_NOTIFY_EVENT, 1, 3, -2);
    let inside = input(&mut desk);
    desk.fake(MOTION_NOTIFY_EVENT, 0, 500, 500);
    input(&mut desk);
    desk.fake(MOTION_NOTIFY_EVENT, 1, 3, -2);
    let outside = input(&mut desk);

    assert!(
        inside.contains(&PointerPushed { dx: 768, dy: -512 }),
        "{inside:?}"
    );
    assert_eq!(outside, []);
}
