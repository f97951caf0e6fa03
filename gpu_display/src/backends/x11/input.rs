//! What the user does, from the events of the X server.

use x11rb_protocol::protocol::Event;
use x11rb_protocol::protocol::xinput::{self, Fp1616, Fp3232};
use x11rb_protocol::protocol::xproto::{FocusInEvent, NotifyDetail, NotifyMode};

use super::state::State;
use crate::input::KeyState;

/// What lies between the numbers of keys of the X server and those of Linux.
const KEYCODE_OFFSET: u32 = 8;

/// Parts of a detent that are told.
const DETENT: i32 = 120;

// `linux/input-event-codes.h`
const BTN_LEFT: u32 = 0x110;
const BTN_RIGHT: u32 = 0x111;
const BTN_MIDDLE: u32 = 0x112;
const BTN_SIDE: u32 = 0x113;
const BTN_EXTRA: u32 = 0x114;

impl State {
    /// Takes in an event that is input; whether it was.
    pub(super) fn take_input(&mut self, event: &Event) -> bool {
        match event {
            Event::KeyPress(event) => self.key(event.event, event.detail, KeyState::Pressed),
            Event::KeyRelease(event) => self.key(event.event, event.detail, KeyState::Released),
            Event::ButtonPress(event) => {
                self.pointer_is_at(event.event, event.event_x, event.event_y);
                self.button(event.event, event.detail, KeyState::Pressed);
            }
            Event::ButtonRelease(event) => {
                self.pointer_is_at(event.event, event.event_x, event.event_y);
                self.button(event.event, event.detail, KeyState::Released);
            }
            Event::MotionNotify(event) => {
                self.pointer_is_at(event.event, event.event_x, event.event_y);
            }
            Event::EnterNotify(event) => {
                self.pointed_at = self.output_of(event.event);
                self.pointer_is_at(event.event, event.event_x, event.event_y);
            }
            Event::LeaveNotify(event) => {
                // A button that is held down takes the pointer along.
                if event.mode != NotifyMode::GRAB
                    && let Some(output) = self.output_of(event.event)
                {
                    self.pointed_at = None;
                    self.input.pointer_left(output);
                }
            }
            Event::FocusIn(event) if !is_pointers(event) => {
                self.focus = self.output_of(event.event);
                if let Some(output) = self.focus {
                    self.input.focus_gained(output);
                }
            }
            Event::FocusOut(event) if !is_pointers(event) => {
                if let Some(output) = self.focus.take() {
                    self.input.focus_lost(output);
                }
            }
            Event::XinputRawMotion(event) => self.pushed(event),
            Event::XinputTouchBegin(event) => {
                if let Some((output, x, y)) = self.touch_place(event) {
                    self.input.touch_down(output, event.detail, x, y);
                }
            }
            Event::XinputTouchUpdate(event) => {
                if let Some((output, x, y)) = self.touch_place(event) {
                    self.input.touch_moved(output, event.detail, x, y);
                }
            }
            Event::XinputTouchEnd(event) => {
                if let Some(output) = self.output_of(event.event) {
                    self.input.touch_up(output, event.detail);
                }
            }
            _ => return false,
        }
        true
    }

    fn key(&mut self, window: u32, keycode: u8, state: KeyState) {
        let code = u32::from(keycode).checked_sub(KEYCODE_OFFSET);
        if let (Some(output), Some(code)) = (self.output_of(window), code) {
            self.input.key(output, code, state);
        }
    }

    fn button(&mut self, window: u32, button: u8, state: KeyState) {
        let Some(output) = self.output_of(window) else {
            return;
        };
        let code = match button {
            1 => BTN_LEFT,
            2 => BTN_MIDDLE,
            3 => BTN_RIGHT,
            8 => BTN_SIDE,
            9 => BTN_EXTRA,
            _ => {
                // Each detent of a wheel is a button that goes down and up.
                let (horizontal, vertical) = match (button, state) {
                    (4, KeyState::Pressed) => (0, DETENT),
                    (5, KeyState::Pressed) => (0, DETENT.saturating_neg()),
                    (6, KeyState::Pressed) => (DETENT.saturating_neg(), 0),
                    (7, KeyState::Pressed) => (DETENT, 0),
                    _ => (0, 0),
                };
                self.input.wheel(output, horizontal, vertical);
                return;
            }
        };
        self.input.key(output, code, state);
    }

    fn pointer_is_at(&mut self, window: u32, x: i16, y: i16) {
        if let Some(output) = self.output_of(window) {
            let (x, y) = self.place(output, f64::from(x), f64::from(y));
            self.input.pointer_moved(output, x, y);
        }
    }

    /// The pointer was pushed, wherever it is: that it is in a window of ours is known from before.
    fn pushed(&mut self, event: &xinput::RawMotionEvent) {
        let Some(output) = self.pointed_at else {
            return;
        };
        let mut values = event.axisvalues_raw.iter();
        let mask = event.valuator_mask.first().copied().unwrap_or(0);
        let mut step = |bit: u32| match mask & bit {
            0 => 0,
            _ => values.next().map_or(0, to_256ths),
        };
        let (dx, dy) = (step(1), step(2));
        self.input.pointer_pushed(output, dx, dy);
    }

    fn touch_place(&self, event: &xinput::TouchBeginEvent) -> Option<(u32, u16, u16)> {
        let output = self.output_of(event.event)?;
        let pixels = |at: Fp1616| f64::from(at) / 65_536.0;
        let (x, y) = self.place(output, pixels(event.event_x), pixels(event.event_y));
        Some((output, x, y))
    }

    /// A place in a window, in 65535ths of the sides of the picture in it.
    fn place(&self, output: u32, x: f64, y: f64) -> (u16, u16) {
        let window = self.windows.get(&output);
        let Some((window, native)) = window.and_then(|w| Some((w, w.native.as_ref()?))) else {
            return (0, 0);
        };
        let (left, top) = native.place(window.picture);
        (
            part(x - f64::from(left), window.picture.width),
            part(y - f64::from(top), window.picture.height),
        )
    }
}

/// Whether this is about where keys go while no window has the keyboard.
fn is_pointers(event: &FocusInEvent) -> bool {
    matches!(
        event.detail,
        NotifyDetail::POINTER | NotifyDetail::POINTER_ROOT | NotifyDetail::NONE
    )
}

/// A place as a part of the whole, which it may be outside of.
fn part(at: f64, whole: u32) -> u16 {
    let part = at / f64::from(whole.max(1)) * f64::from(u16::MAX);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is clamped to the range"
    )]
    let part = part.round().clamp(0.0, f64::from(u16::MAX)) as u16;
    part
}

/// A number with 32 bits behind the point, in 256ths.
fn to_256ths(value: &Fp3232) -> i32 {
    let parts = i64::from(value.integral)
        .saturating_mul(256)
        .saturating_add(i64::from(value.frac >> 24));
    i32::try_from(parts).unwrap_or(match parts > 0 {
        true => i32::MAX,
        false => i32::MIN,
    })
}
