//! Pointers: where they are, and what is pressed and turned.

use wayland_client::protocol::wl_pointer::{self, Axis, ButtonState, WlPointer};
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, WEnum};
use wayland_protocols::wp::relative_pointer::zv1::client::zwp_relative_pointer_v1::{
    self, ZwpRelativePointerV1,
};

use super::state::State;
use super::surface::output_of;
use crate::input::KeyState;

/// What a compositor counts as one detent where it does not say how many there were.
const DETENT: f64 = 10.0;

/// Parts of a detent that are told.
const DETENT_PARTS: i32 = 120;

/// A pointer.
#[derive(Debug)]
pub(super) struct Pointer {
    proxy: WlPointer,
    relative: Option<ZwpRelativePointerV1>,
    focus: Option<Focus>,
    wheel: Wheel,
}

/// The window that a pointer is in.
#[derive(Debug)]
struct Focus {
    output: u32,
    serial: u32,
    /// The image that it was given, and the hotspot.
    image: Option<PointerImage>,
}

/// What a pointer looks like.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PointerImage {
    /// Nothing.
    Hidden,
    /// The image on this surface, which points with this pixel.
    Shown {
        surface: WlSurface,
        hotspot: (i32, i32),
    },
}

/// What a wheel did since the last frame of events.
#[derive(Debug, Default)]
struct Wheel {
    horizontal: Turn,
    vertical: Turn,
}

/// The same turn, as finely as the compositor says it.
#[derive(Debug, Default)]
struct Turn {
    length: f64,
    detents: Option<i32>,
    parts: Option<i32>,
}

impl Turn {
    fn take(&mut self) -> i32 {
        let turn = std::mem::take(self);
        if let Some(parts) = turn.parts {
            return parts;
        }
        if let Some(detents) = turn.detents {
            return detents.saturating_mul(DETENT_PARTS);
        }
        rounded(turn.length / DETENT * f64::from(DETENT_PARTS))
    }
}

impl Wheel {
    fn axis(&mut self, axis: WEnum<Axis>) -> Option<&mut Turn> {
        match axis {
            WEnum::Value(Axis::VerticalScroll) => Some(&mut self.vertical),
            WEnum::Value(Axis::HorizontalScroll) => Some(&mut self.horizontal),
            _ => None,
        }
    }
}

impl Pointer {
    pub(super) fn new(proxy: WlPointer, relative: Option<ZwpRelativePointerV1>) -> Self {
        Self {
            proxy,
            relative,
            focus: None,
            wheel: Wheel::default(),
        }
    }

    /// The output whose window it is in.
    pub(super) fn focus(&self) -> Option<u32> {
        self.focus.as_ref().map(|focus| focus.output)
    }

    /// Gives the pointer this image while it is in a window; whether it had another.
    pub(super) fn set_image(&mut self, image: &PointerImage) -> bool {
        let Some(focus) = &mut self.focus else {
            return false;
        };
        if focus.image.as_ref() == Some(image) {
            return false;
        }
        let (surface, (x, y)) = match image {
            PointerImage::Hidden => (None, (0, 0)),
            PointerImage::Shown { surface, hotspot } => (Some(surface), *hotspot),
        };
        self.proxy.set_cursor(focus.serial, surface, x, y);
        focus.image = Some(image.clone());
        true
    }
}

impl Drop for Pointer {
    fn drop(&mut self) {
        if let Some(relative) = &self.relative {
            relative.destroy();
        }
        if self.proxy.version() >= 3 {
            self.proxy.release();
        }
    }
}

impl State {
    fn pointer_mut(&mut self, seat: u32) -> Option<&mut Pointer> {
        self.link.as_mut()?.seat_mut(seat)?.pointer.as_mut()
    }

    pub(super) fn lose_pointer(&mut self, seat: u32) {
        let link = self.link.as_mut();
        let pointer = link.and_then(|link| link.seat_mut(seat)?.pointer.take());
        if let Some(mut pointer) = pointer {
            self.leave(pointer.focus.take());
        }
    }

    fn leave(&mut self, focus: Option<Focus>) {
        if let Some(Focus { output, .. }) = focus {
            self.input.pointer_left(output);
            self.refresh_cursors(output);
        }
    }

    fn pointer_is_at(&mut self, output: u32, x: f64, y: f64) {
        let (x, y) = self.place(output, x, y);
        self.input.pointer_moved(output, x, y);
    }

    /// Tells what the wheel did.
    fn turn_wheel(&mut self, seat: u32) {
        let Some(pointer) = self.pointer_mut(seat) else {
            return;
        };
        let right = pointer.wheel.horizontal.take();
        let down = pointer.wheel.vertical.take();
        if let Some(output) = pointer.focus() {
            self.input.wheel(output, right, down.saturating_neg());
        }
    }
}

impl Dispatch<WlPointer, u32> for State {
    fn event(
        state: &mut Self,
        proxy: &WlPointer,
        event: wl_pointer::Event,
        seat: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(pointer) = state.pointer_mut(*seat) else {
            return;
        };
        match event {
            wl_pointer::Event::Enter {
                serial,
                surface,
                surface_x,
                surface_y,
            } => {
                let focus = output_of(&surface).map(|output| Focus {
                    output,
                    serial,
                    image: None,
                });
                let entered = focus.as_ref().map(|focus| focus.output);
                let before = std::mem::replace(&mut pointer.focus, focus);
                state.leave(before);
                if let Some(output) = entered {
                    state.pointer_is_at(output, surface_x, surface_y);
                    state.refresh_cursors(output);
                }
            }
            wl_pointer::Event::Leave { .. } => {
                let focus = pointer.focus.take();
                state.leave(focus);
            }
            wl_pointer::Event::Motion {
                surface_x,
                surface_y,
                ..
            } => {
                if let Some(output) = pointer.focus() {
                    state.pointer_is_at(output, surface_x, surface_y);
                }
            }
            wl_pointer::Event::Button {
                button,
                state: button_state,
                ..
            } => {
                if let Some(output) = pointer.focus() {
                    let button_state = match button_state {
                        WEnum::Value(ButtonState::Pressed) => KeyState::Pressed,
                        _ => KeyState::Released,
                    };
                    state.input.key(output, button, button_state);
                }
            }
            wl_pointer::Event::Axis { axis, value, .. } => {
                if let Some(turn) = pointer.wheel.axis(axis) {
                    turn.length += value;
                }
                if proxy.version() < 5 {
                    state.turn_wheel(*seat);
                }
            }
            wl_pointer::Event::AxisDiscrete { axis, discrete } => {
                if let Some(turn) = pointer.wheel.axis(axis) {
                    let detents = turn.detents.unwrap_or(0);
                    turn.detents = Some(detents.saturating_add(discrete));
                }
            }
            wl_pointer::Event::AxisValue120 { axis, value120 } => {
                if let Some(turn) = pointer.wheel.axis(axis) {
                    turn.parts = Some(turn.parts.unwrap_or(0).saturating_add(value120));
                }
            }
            wl_pointer::Event::Frame => state.turn_wheel(*seat),
            _ => {}
        }
    }
}

impl Dispatch<ZwpRelativePointerV1, u32> for State {
    fn event(
        state: &mut Self,
        _: &ZwpRelativePointerV1,
        event: zwp_relative_pointer_v1::Event,
        seat: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let zwp_relative_pointer_v1::Event::RelativeMotion {
            dx_unaccel,
            dy_unaccel,
            ..
        } = event
        else {
            return;
        };
        let pointer = state.pointer_mut(*seat);
        if let Some(output) = pointer.and_then(|pointer| pointer.focus()) {
            let (dx, dy) = (rounded(dx_unaccel * 256.0), rounded(dy_unaccel * 256.0));
            state.input.pointer_pushed(output, dx, dy);
        }
    }
}

/// To the nearest; what is too large is clamped.
fn rounded(value: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "such a cast clamps, and there is no other"
    )]
    let value = value.round() as i32;
    value
}
