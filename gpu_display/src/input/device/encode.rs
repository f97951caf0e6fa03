//! From what the user did to the events of a device.

use std::collections::BTreeSet;

use super::{AbsoluteAxes, EventDeviceKind};
use crate::input::{Input, InputEvent, KeyState, is_button};

// Types (`linux/input-event-codes.h`).
const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const EV_REL: u16 = 2;
const EV_ABS: u16 = 3;

const SYN_REPORT: u16 = 0;

const REL_X: u16 = 0x00;
const REL_Y: u16 = 0x01;
const REL_HWHEEL: u16 = 0x06;
const REL_WHEEL: u16 = 0x08;
const REL_WHEEL_HI_RES: u16 = 0x0b;
const REL_HWHEEL_HI_RES: u16 = 0x0c;

const ABS_X: u16 = 0x00;
const ABS_Y: u16 = 0x01;
const ABS_MT_SLOT: u16 = 0x2f;
const ABS_MT_POSITION_X: u16 = 0x35;
const ABS_MT_POSITION_Y: u16 = 0x36;
const ABS_MT_TRACKING_ID: u16 = 0x39;

const BTN_TOUCH: u16 = 0x14a;

/// Fingers of a touchscreen.
const SLOTS: usize = 10;

/// The events of one device, and what it believes to be down.
#[derive(Debug)]
pub(super) struct Encoder {
    kind: EventDeviceKind,
    keys: BTreeSet<u16>,
    /// The fingers, and a number that names each of them for the guest.
    slots: [Option<Finger>; SLOTS],
    last_tracking_id: u16,
    /// Parts of a unit that were not told yet: x, y, horizontal and vertical wheel.
    rest: [i32; 4],
}

#[derive(Clone, Copy, Debug)]
struct Finger {
    output: u32,
    id: u32,
}

impl Encoder {
    pub(super) fn new(kind: EventDeviceKind) -> Self {
        Self {
            kind,
            keys: BTreeSet::new(),
            slots: [None; SLOTS],
            last_tracking_id: 0,
            rest: [0; 4],
        }
    }

    /// Appends the events that tell of this one; none if the device has no part in it.
    pub(super) fn encode(&mut self, input: &Input, out: &mut Vec<u8>) {
        let start = out.len();
        match (self.kind, input.event) {
            (EventDeviceKind::Keyboard, InputEvent::Key { code, state }) if !is_button(code) => {
                self.key(code, state, out);
            }
            (
                EventDeviceKind::Mouse | EventDeviceKind::Tablet(_),
                InputEvent::Key { code, state },
            ) if is_button(code) => self.key(code, state, out),
            (EventDeviceKind::Mouse, InputEvent::PointerPushed { dx, dy }) => {
                self.step(0, REL_X, dx, 256, out);
                self.step(1, REL_Y, dy, 256, out);
            }
            (EventDeviceKind::Tablet(axes), InputEvent::PointerMoved { x, y }) => {
                place(axes, [ABS_X, ABS_Y], x, y, out);
            }
            (
                EventDeviceKind::Mouse | EventDeviceKind::Tablet(_),
                InputEvent::Wheel {
                    horizontal,
                    vertical,
                },
            ) => {
                self.wheel([REL_WHEEL_HI_RES, REL_WHEEL], 3, vertical, out);
                self.wheel([REL_HWHEEL_HI_RES, REL_HWHEEL], 2, horizontal, out);
            }
            (EventDeviceKind::Touchscreen(axes), _) => self.touch(axes, input, out),
            _ => {}
        }
        if out.len() > start {
            put(out, EV_SYN, SYN_REPORT, 0);
        }
    }

    /// Appends the events that lift all keys and fingers.
    pub(super) fn release_all(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        for code in std::mem::take(&mut self.keys) {
            put(out, EV_KEY, code, 0);
        }
        for (slot, finger) in (0..).zip(&mut self.slots) {
            if finger.take().is_some() {
                put(out, EV_ABS, ABS_MT_SLOT, slot);
                put(out, EV_ABS, ABS_MT_TRACKING_ID, NO_FINGER);
            }
        }
        if out.len() > start {
            put(out, EV_SYN, SYN_REPORT, 0);
        }
    }

    fn key(&mut self, code: u16, state: KeyState, out: &mut Vec<u8>) {
        let (changed, value) = match state {
            KeyState::Pressed => (self.keys.insert(code), 1),
            KeyState::Released => (self.keys.remove(&code), 0),
        };
        if changed {
            put(out, EV_KEY, code, value);
        }
    }

    /// Tells the whole units of a movement, and keeps the rest for the next.
    fn step(&mut self, rest: usize, code: u16, parts: i32, unit: i32, out: &mut Vec<u8>) {
        let Some(rest) = self.rest.get_mut(rest) else {
            return;
        };
        let sum = rest.saturating_add(parts);
        let whole = sum.checked_div(unit).unwrap_or(0);
        *rest = sum.checked_rem(unit).unwrap_or(0);
        if whole != 0 {
            put(out, EV_REL, code, whole.cast_unsigned());
        }
    }

    /// 120ths of a detent for those who know them, and whole ones for those who do not.
    fn wheel(&mut self, codes: [u16; 2], rest: usize, parts: i32, out: &mut Vec<u8>) {
        let [fine, coarse] = codes;
        if parts != 0 {
            put(out, EV_REL, fine, parts.cast_unsigned());
            self.step(rest, coarse, parts, 120, out);
        }
    }

    fn touch(&mut self, axes: AbsoluteAxes, input: &Input, out: &mut Vec<u8>) {
        let output = input.output;
        match input.event {
            InputEvent::TouchDown { id, x, y } => {
                let was_empty = self.slots.iter().all(Option::is_none);
                let Some((slot, free)) = (0..).zip(&mut self.slots).find(|(_, f)| f.is_none())
                else {
                    return;
                };
                *free = Some(Finger { output, id });
                self.last_tracking_id = self.last_tracking_id.wrapping_add(1);
                put(out, EV_ABS, ABS_MT_SLOT, slot);
                let tracking_id = u32::from(self.last_tracking_id);
                put(out, EV_ABS, ABS_MT_TRACKING_ID, tracking_id);
                self.finger_is_at(axes, slot, x, y, out);
                if was_empty {
                    self.key(BTN_TOUCH, KeyState::Pressed, out);
                }
            }
            InputEvent::TouchMoved { id, x, y } => {
                if let Some(slot) = self.slot_of(output, id) {
                    put(out, EV_ABS, ABS_MT_SLOT, slot);
                    self.finger_is_at(axes, slot, x, y, out);
                }
            }
            InputEvent::TouchUp { id } => {
                let Some(slot) = self.slot_of(output, id) else {
                    return;
                };
                let index = usize::try_from(slot).unwrap_or(SLOTS);
                if let Some(finger) = self.slots.get_mut(index) {
                    *finger = None;
                }
                put(out, EV_ABS, ABS_MT_SLOT, slot);
                put(out, EV_ABS, ABS_MT_TRACKING_ID, NO_FINGER);
                if self.slots.iter().all(Option::is_none) {
                    self.key(BTN_TOUCH, KeyState::Released, out);
                }
            }
            _ => {}
        }
    }

    fn slot_of(&self, output: u32, id: u32) -> Option<u32> {
        let is = |finger: &Option<Finger>| {
            finger.is_some_and(|finger| (finger.output, finger.id) == (output, id))
        };
        (0..)
            .zip(&self.slots)
            .find(|(_, f)| is(f))
            .map(|(slot, _)| slot)
    }

    /// The first finger is also the one of guests that know only one.
    fn finger_is_at(&self, axes: AbsoluteAxes, slot: u32, x: u16, y: u16, out: &mut Vec<u8>) {
        place(axes, [ABS_MT_POSITION_X, ABS_MT_POSITION_Y], x, y, out);
        let first = (0..).zip(&self.slots).find(|(_, f)| f.is_some());
        if first.is_some_and(|(first, _)| first == slot) {
            place(axes, [ABS_X, ABS_Y], x, y, out);
        }
    }
}

/// The tracking id of a slot without a finger: -1.
const NO_FINGER: u32 = u32::MAX;

fn place(axes: AbsoluteAxes, codes: [u16; 2], x: u16, y: u16, out: &mut Vec<u8>) {
    let scale = |at: u16, max: u32| {
        let scaled = u64::from(at).saturating_mul(u64::from(max));
        let scaled = scaled.checked_div(u64::from(u16::MAX)).unwrap_or(0);
        u32::try_from(scaled).unwrap_or(max)
    };
    let [code_x, code_y] = codes;
    put(out, EV_ABS, code_x, scale(x, axes.x));
    put(out, EV_ABS, code_y, scale(y, axes.y));
}

fn put(out: &mut Vec<u8>, event_type: u16, code: u16, value: u32) {
    out.extend_from_slice(&event_type.to_le_bytes());
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&value.to_le_bytes());
}
