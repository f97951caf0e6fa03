//! Seats: who may type, point and touch.

use wayland_client::protocol::wl_keyboard::{self, WlKeyboard};
use wayland_client::protocol::wl_seat::{self, Capability, WlSeat};
use wayland_client::protocol::wl_touch::{self, WlTouch};
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, WEnum, delegate_noop};
use wayland_protocols::wp::relative_pointer::zv1::client::zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1;

use super::link::Link;
use super::pointer::{Pointer, PointerImage};
use super::state::State;
use super::surface::output_of;
use crate::input::KeyState;

/// Seats that are listened to.
pub(super) const MAX_SEATS: usize = 8;

/// Fingers of a seat that are followed.
const MAX_FINGERS: usize = 16;

/// A seat.
#[derive(Debug)]
pub(super) struct Seat {
    /// Its name in the registry.
    pub(super) name: u32,
    proxy: WlSeat,
    pub(super) pointer: Option<Pointer>,
    keyboard: Option<Keyboard>,
    touch: Option<Touch>,
}

#[derive(Debug)]
struct Keyboard {
    proxy: WlKeyboard,
    /// The output whose window has it.
    focus: Option<u32>,
}

#[derive(Debug)]
struct Touch {
    proxy: WlTouch,
    /// The compositor's number of each finger, and the output whose window it touched.
    fingers: Vec<(i32, u32)>,
}

impl Seat {
    pub(super) fn new(name: u32, proxy: WlSeat) -> Self {
        Self {
            name,
            proxy,
            pointer: None,
            keyboard: None,
            touch: None,
        }
    }

    /// Whether its pointer is in an output's window.
    pub(super) fn is_in(&self, output: u32) -> bool {
        let focus = self.pointer.as_ref().and_then(|pointer| pointer.focus());
        focus == Some(output)
    }

    /// Gives its pointer this image; whether it had another.
    pub(super) fn set_image(&mut self, image: &PointerImage) -> bool {
        let pointer = self.pointer.as_mut();
        pointer.is_some_and(|pointer| pointer.set_image(image))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.proxy.version() >= 5 {
            self.proxy.release();
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if self.proxy.version() >= 3 {
            self.proxy.release();
        }
    }
}

impl Drop for Touch {
    fn drop(&mut self) {
        if self.proxy.version() >= 3 {
            self.proxy.release();
        }
    }
}

impl Link {
    pub(super) fn seat_mut(&mut self, name: u32) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.name == name)
    }

    fn keyboard_mut(&mut self, seat: u32) -> Option<&mut Keyboard> {
        self.seat_mut(seat)?.keyboard.as_mut()
    }

    fn touch_mut(&mut self, seat: u32) -> Option<&mut Touch> {
        self.seat_mut(seat)?.touch.as_mut()
    }
}

impl State {
    /// A seat is gone, or has no keyboard, pointer or touchscreen any more: what was down goes up.
    pub(super) fn lose_seat(&mut self, name: u32) {
        self.lose_pointer(name);
        self.lose_keyboard(name);
        self.lose_touch(name);
        if let Some(link) = &mut self.link {
            link.seats.retain(|seat| seat.name != name);
        }
    }

    fn lose_keyboard(&mut self, seat: u32) {
        let link = self.link.as_mut();
        let keyboard = link.and_then(|link| link.seat_mut(seat)?.keyboard.take());
        if let Some(output) = keyboard.and_then(|keyboard| keyboard.focus) {
            self.input.focus_lost(output);
        }
    }

    fn lose_touch(&mut self, seat: u32) {
        let link = self.link.as_mut();
        let touch = link.and_then(|link| link.seat_mut(seat)?.touch.take());
        let fingers = touch.map(|mut touch| std::mem::take(&mut touch.fingers));
        for (id, output) in fingers.unwrap_or_default() {
            self.input.touch_up(output, id.cast_unsigned());
        }
    }

    fn set_capabilities(&mut self, name: u32, capabilities: Capability) {
        if !capabilities.contains(Capability::Pointer) {
            self.lose_pointer(name);
        }
        if !capabilities.contains(Capability::Keyboard) {
            self.lose_keyboard(name);
        }
        if !capabilities.contains(Capability::Touch) {
            self.lose_touch(name);
        }
        let Some(link) = &mut self.link else {
            return;
        };
        let queue = link.queue.clone();
        let relative = link.globals.relative_pointer.clone();
        let Some(seat) = link.seat_mut(name) else {
            return;
        };
        if capabilities.contains(Capability::Pointer) && seat.pointer.is_none() {
            let pointer = seat.proxy.get_pointer(&queue, name);
            let relative =
                relative.map(|manager| manager.get_relative_pointer(&pointer, &queue, name));
            seat.pointer = Some(Pointer::new(pointer, relative));
        }
        if capabilities.contains(Capability::Keyboard) && seat.keyboard.is_none() {
            let proxy = seat.proxy.get_keyboard(&queue, name);
            seat.keyboard = Some(Keyboard { proxy, focus: None });
        }
        if capabilities.contains(Capability::Touch) && seat.touch.is_none() {
            let proxy = seat.proxy.get_touch(&queue, name);
            let fingers = Vec::new();
            seat.touch = Some(Touch { proxy, fingers });
        }
    }

    /// A place on a window, in 65535ths of its sides.
    pub(super) fn place(&self, output: u32, x: f64, y: f64) -> (u16, u16) {
        let Some(window) = self.windows.get(&output) else {
            return (0, 0);
        };
        let size = window.geometry.size();
        (part(x, size.width), part(y, size.height))
    }
}

/// A place as a part of the whole, which it may be outside of: a pointer that is held down may leave.
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

impl Dispatch<WlSeat, u32> for State {
    fn event(
        state: &mut Self,
        _: &WlSeat,
        event: wl_seat::Event,
        name: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_seat::Event::Capabilities { capabilities } = event {
            let capabilities = match capabilities {
                WEnum::Value(capabilities) => capabilities,
                WEnum::Unknown(bits) => Capability::from_bits_truncate(bits),
            };
            state.set_capabilities(*name, capabilities);
        }
    }
}

impl Dispatch<WlKeyboard, u32> for State {
    fn event(
        state: &mut Self,
        _: &WlKeyboard,
        event: wl_keyboard::Event,
        seat: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(link) = &mut state.link else {
            return;
        };
        if let wl_keyboard::Event::Keymap { .. } = event {
            // The guest has its own. The file is closed unread.
            link.fds_taken = link.fds_taken.saturating_add(1);
            return;
        }
        let Some(keyboard) = link.keyboard_mut(*seat) else {
            return;
        };
        match event {
            // What is down already was not meant for the guest.
            wl_keyboard::Event::Enter { surface, .. } => {
                let focus = output_of(&surface);
                if let Some(before) = std::mem::replace(&mut keyboard.focus, focus) {
                    state.input.focus_lost(before);
                }
                if let Some(output) = focus {
                    state.input.focus_gained(output);
                }
            }
            wl_keyboard::Event::Leave { .. } => {
                if let Some(output) = keyboard.focus.take() {
                    state.input.focus_lost(output);
                }
            }
            wl_keyboard::Event::Key {
                key,
                state: key_state,
                ..
            } => {
                if let Some(output) = keyboard.focus {
                    let key_state = match key_state {
                        WEnum::Value(wl_keyboard::KeyState::Pressed) => KeyState::Pressed,
                        WEnum::Value(wl_keyboard::KeyState::Released) => KeyState::Released,
                        // The guest repeats keys itself.
                        _ => return,
                    };
                    state.input.key(output, key, key_state);
                }
            }
            _ => {}
        }
    }
}

impl Dispatch<WlTouch, u32> for State {
    fn event(
        state: &mut Self,
        _: &WlTouch,
        event: wl_touch::Event,
        seat: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let link = state.link.as_mut();
        let Some(touch) = link.and_then(|link| link.touch_mut(*seat)) else {
            return;
        };
        let finger = |touch: &Touch, id| touch.fingers.iter().position(|(other, _)| *other == id);
        match event {
            wl_touch::Event::Down {
                surface, id, x, y, ..
            } => {
                if let Some(output) = output_of(&surface)
                    && finger(touch, id).is_none()
                    && touch.fingers.len() < MAX_FINGERS
                {
                    touch.fingers.push((id, output));
                    let (x, y) = state.place(output, x, y);
                    state.input.touch_down(output, id.cast_unsigned(), x, y);
                }
            }
            wl_touch::Event::Motion { id, x, y, .. } => {
                let index = finger(touch, id);
                if let Some((_, output)) = index.and_then(|index| touch.fingers.get(index)) {
                    let output = *output;
                    let (x, y) = state.place(output, x, y);
                    state.input.touch_moved(output, id.cast_unsigned(), x, y);
                }
            }
            wl_touch::Event::Up { id, .. } => {
                if let Some(index) = finger(touch, id) {
                    let (_, output) = touch.fingers.swap_remove(index);
                    state.input.touch_up(output, id.cast_unsigned());
                }
            }
            wl_touch::Event::Cancel => {
                for (id, output) in std::mem::take(&mut touch.fingers) {
                    state.input.touch_up(output, id.cast_unsigned());
                }
            }
            _ => {}
        }
    }
}

delegate_noop!(State: ignore ZwpRelativePointerManagerV1);
