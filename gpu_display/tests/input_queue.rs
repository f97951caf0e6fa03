//! Input that waits: what is merged, what is dropped, and that nothing stays down.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use std::collections::BTreeSet;

use gpu_display::InputEvent::{
    FocusGained, FocusLost, Key, PointerMoved, PointerPushed, TouchDown, TouchMoved, TouchUp, Wheel,
};
use gpu_display::KeyState::{Pressed, Released};
use gpu_display::{InputEvent, InputQueue, KeyState};
use proptest::prelude::*;

const KEY_A: u32 = 30;
const BTN_LEFT: u32 = 0x110;

fn take(queue: &mut InputQueue) -> Vec<(u32, InputEvent)> {
    std::iter::from_fn(|| queue.take_next())
        .map(|input| (input.output, input.event))
        .collect()
}

fn key(code: u32, state: KeyState) -> InputEvent {
    let code = code as u16;
    Key { code, state }
}

#[test]
fn a_newer_place_replaces_an_older_one_and_steps_add_up() {
    let mut queue = InputQueue::new();
    for step in 1..=1000 {
        queue.pointer_moved(0, step, step);
        queue.pointer_pushed(0, 1, -2);
        queue.wheel(0, 15, -30);
    }

    let events = [
        PointerMoved { x: 1000, y: 1000 },
        PointerPushed {
            dx: 1000,
            dy: -2000,
        },
        Wheel {
            horizontal: 15_000,
            vertical: -30_000,
        },
    ];
    assert_eq!(take(&mut queue), events.map(|event| (0, event)));
}

#[test]
fn movements_are_not_merged_across_a_click_or_between_windows() {
    let mut queue = InputQueue::new();
    queue.pointer_moved(0, 1, 1);
    queue.key(0, BTN_LEFT, Pressed);
    queue.pointer_moved(0, 2, 2);
    queue.pointer_moved(1, 3, 3);
    queue.key(0, BTN_LEFT, Released);

    let expected = [
        (0, PointerMoved { x: 1, y: 1 }),
        (0, key(BTN_LEFT, Pressed)),
        (0, PointerMoved { x: 2, y: 2 }),
        (1, PointerMoved { x: 3, y: 3 }),
        (0, key(BTN_LEFT, Released)),
    ];
    assert_eq!(take(&mut queue), expected);
}

#[test]
fn each_finger_has_its_own_place() {
    let mut queue = InputQueue::new();
    queue.touch_down(0, 7, 1, 1);
    queue.touch_down(0, 8, 2, 2);
    queue.touch_moved(0, 7, 3, 3);
    queue.touch_moved(0, 8, 4, 4);
    queue.touch_moved(0, 7, 5, 5);
    queue.touch_up(0, 7);
    // A finger that is not there.
    queue.touch_moved(0, 7, 6, 6);
    queue.touch_up(0, 7);

    let expected = [
        TouchDown { id: 7, x: 1, y: 1 },
        TouchDown { id: 8, x: 2, y: 2 },
        TouchMoved { id: 7, x: 5, y: 5 },
        TouchMoved { id: 8, x: 4, y: 4 },
        TouchUp { id: 7 },
    ];
    assert_eq!(take(&mut queue), expected.map(|event| (0, event)));
}

#[test]
fn a_window_that_loses_the_keyboard_lets_go_of_its_keys_and_not_of_the_mouse() {
    let mut queue = InputQueue::new();
    queue.focus_gained(0);
    queue.key(0, KEY_A, Pressed);
    queue.key(0, BTN_LEFT, Pressed);
    queue.key(1, KEY_A, Pressed);

    queue.focus_lost(0);
    queue.key(0, KEY_A, Released);
    queue.pointer_left(0);

    let expected = [
        (0, FocusGained),
        (0, key(KEY_A, Pressed)),
        (0, key(BTN_LEFT, Pressed)),
        (1, key(KEY_A, Pressed)),
        (0, key(KEY_A, Released)),
        (0, FocusLost),
        (0, key(BTN_LEFT, Released)),
    ];
    assert_eq!(take(&mut queue), expected);
}

#[test]
fn codes_that_linux_does_not_have_are_ignored() {
    let mut queue = InputQueue::new();

    for code in [0x300, 0xffff, 0x1_001e, u32::MAX] {
        queue.key(0, code, Pressed);
        queue.key(0, code, Released);
    }

    assert_eq!(take(&mut queue), []);
}

#[test]
fn when_nobody_takes_events_all_are_dropped_and_what_is_down_goes_up() {
    let mut queue = InputQueue::new();
    queue.key(0, KEY_A, Pressed);
    queue.touch_down(0, 3, 1, 1);
    assert_eq!(take(&mut queue).len(), 2);

    for _ in 0..300 {
        queue.key(0, BTN_LEFT, Pressed);
        queue.key(0, BTN_LEFT, Released);
    }

    let events = take(&mut queue);
    let released = [
        (0, key(KEY_A, Released)),
        (0, key(BTN_LEFT, Released)),
        (0, TouchUp { id: 3 }),
    ];
    assert_eq!(events[..3], released);
    assert!(events.len() < 512, "{}", events.len());
    // The release that the user makes later is not told twice.
    queue.key(0, KEY_A, Released);
    assert_eq!(take(&mut queue), []);
}

#[test]
fn windows_that_are_gone_hold_nothing_down() {
    let mut queue = InputQueue::new();
    queue.key(1, KEY_A, Pressed);
    queue.touch_down(0, 3, 1, 1);
    take(&mut queue);

    queue.release_all();

    let expected = [(1, key(KEY_A, Released)), (0, TouchUp { id: 3 })];
    assert_eq!(take(&mut queue), expected);
}

/// Something that a user, or a compositor, does.
#[derive(Clone, Debug)]
enum Act {
    Key(u32, u32, KeyState),
    Move(u32),
    TouchDown(u32, u32),
    TouchUp(u32, u32),
    Lose(u32),
    Leave(u32),
    Take(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let code = prop_oneof![Just(KEY_A), Just(BTN_LEFT), 0..0x400_u32];
    let state = prop_oneof![Just(Pressed), Just(Released)];
    prop_oneof![
        8 => (0..2_u32, code, state).prop_map(|(output, code, state)| Act::Key(output, code, state)),
        4 => (0..2_u32).prop_map(Act::Move),
        2 => (0..2_u32, 0..20_u32).prop_map(|(output, id)| Act::TouchDown(output, id)),
        2 => (0..2_u32, 0..20_u32).prop_map(|(output, id)| Act::TouchUp(output, id)),
        1 => (0..2_u32).prop_map(Act::Lose),
        1 => (0..2_u32).prop_map(Act::Leave),
        1 => (0..30_usize).prop_map(Act::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_down_goes_up_once_and_the_queue_is_bounded(
        acts in proptest::collection::vec(act(), 0..2000),
    ) {
        let mut queue = InputQueue::new();
        let mut events = Vec::new();
        for act in acts {
            match act {
                Act::Key(output, code, state) => queue.key(output, code, state),
                Act::Move(output) => queue.pointer_moved(output, 1, 1),
                Act::TouchDown(output, id) => queue.touch_down(output, id, 1, 1),
                Act::TouchUp(output, id) => queue.touch_up(output, id),
                Act::Lose(output) => queue.focus_lost(output),
                Act::Leave(output) => queue.pointer_left(output),
                Act::Take(count) => {
                    events.extend((0..count).map_while(|_| queue.take_next()));
                }
            }
        }
        queue.release_all();
        let rest = take(&mut queue);
        prop_assert!(rest.len() <= 512 + 2 * 0x300 + 32);

        let mut down = BTreeSet::new();
        let taken = events.into_iter().map(|input| (input.output, input.event));
        for (output, event) in taken.chain(rest) {
            match event {
                Key { code, state: Pressed } => {
                    prop_assert!(down.insert((output, u32::from(code))), "down twice");
                }
                Key { code, state: Released } => {
                    // After an overflow, what was never told goes up as well.
                    down.remove(&(output, u32::from(code)));
                }
                TouchDown { id, .. } => {
                    prop_assert!(down.insert((output, 0x1_0000 + id)), "touches twice");
                }
                TouchUp { id } => {
                    down.remove(&(output, 0x1_0000 + id));
                }
                TouchMoved { id, .. } => {
                    prop_assert!(down.contains(&(output, 0x1_0000 + id)));
                }
                _ => {}
            }
        }
        prop_assert_eq!(down, BTreeSet::new());
    }
}
