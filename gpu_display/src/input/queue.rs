//! Input that waits to be taken: bounded, and no key stays down for good.

use std::collections::{BTreeSet, VecDeque};

use super::{Input, InputEvent, KeyState, is_button};

/// Events that wait at most.
const MAX_EVENTS: usize = 512;

/// The largest code that Linux has (`KEY_MAX`).
const MAX_CODE: u32 = 0x2ff;

/// Fingers that are told apart in one window.
const MAX_TOUCHES: usize = 16;

/// A queue of input. Places that nobody took yet are replaced by newer ones, steps are added up.
/// Beyond 512 events all are dropped, and what is down goes up.
#[derive(Debug, Default)]
pub struct InputQueue {
    events: VecDeque<Input>,
    /// By output.
    keys: BTreeSet<(u32, u16)>,
    touches: BTreeSet<(u32, u32)>,
}

impl InputQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the oldest event.
    pub fn take_next(&mut self) -> Option<Input> {
        self.events.pop_front()
    }

    /// A key or button of a window went down or up. Codes that Linux does not have are ignored, and
    /// so is what changes nothing.
    pub fn key(&mut self, output: u32, code: u32, state: KeyState) {
        let Some(code) = u16::try_from(code)
            .ok()
            .filter(|code| u32::from(*code) <= MAX_CODE)
        else {
            return;
        };
        let changed = match state {
            KeyState::Pressed => self.keys.insert((output, code)),
            KeyState::Released => self.keys.remove(&(output, code)),
        };
        if changed {
            self.push(output, InputEvent::Key { code, state });
        }
    }

    /// The pointer moved in a window.
    pub fn pointer_moved(&mut self, output: u32, x: u16, y: u16) {
        self.push(output, InputEvent::PointerMoved { x, y });
    }

    /// The pointer was pushed, by 256ths of a unit.
    pub fn pointer_pushed(&mut self, output: u32, dx: i32, dy: i32) {
        if (dx, dy) != (0, 0) {
            self.push(output, InputEvent::PointerPushed { dx, dy });
        }
    }

    /// The wheel was turned, by 120ths of a detent to the right and away from the user.
    pub fn wheel(&mut self, output: u32, horizontal: i32, vertical: i32) {
        if (horizontal, vertical) != (0, 0) {
            let event = InputEvent::Wheel {
                horizontal,
                vertical,
            };
            self.push(output, event);
        }
    }

    /// The pointer left a window: its buttons go up.
    pub fn pointer_left(&mut self, output: u32) {
        self.release(output, is_button);
    }

    /// A finger touched a window.
    pub fn touch_down(&mut self, output: u32, id: u32, x: u16, y: u16) {
        let in_window = self.touches.range((output, 0)..=(output, u32::MAX));
        if in_window.count() < MAX_TOUCHES && self.touches.insert((output, id)) {
            self.push(output, InputEvent::TouchDown { id, x, y });
        }
    }

    /// A finger moved.
    pub fn touch_moved(&mut self, output: u32, id: u32, x: u16, y: u16) {
        if self.touches.contains(&(output, id)) {
            self.push(output, InputEvent::TouchMoved { id, x, y });
        }
    }

    /// A finger was lifted.
    pub fn touch_up(&mut self, output: u32, id: u32) {
        if self.touches.remove(&(output, id)) {
            self.push(output, InputEvent::TouchUp { id });
        }
    }

    /// A window got the keyboard.
    pub fn focus_gained(&mut self, output: u32) {
        self.push(output, InputEvent::FocusGained);
    }

    /// A window lost the keyboard: its keys go up.
    pub fn focus_lost(&mut self, output: u32) {
        self.release(output, |code| !is_button(code));
        self.push(output, InputEvent::FocusLost);
    }

    /// There is no window any more: all that is down goes up.
    pub fn release_all(&mut self) {
        let outputs: BTreeSet<u32> = self.keys.iter().map(|(output, _)| *output).collect();
        for output in outputs {
            self.release(output, |_| true);
        }
        for (output, id) in std::mem::take(&mut self.touches) {
            self.push(output, InputEvent::TouchUp { id });
        }
    }

    fn release(&mut self, output: u32, which: impl Fn(u16) -> bool) {
        let down = self.keys.range((output, 0)..=(output, u16::MAX));
        let codes: Vec<u16> = down
            .map(|(_, code)| *code)
            .filter(|code| which(*code))
            .collect();
        for code in codes {
            self.key(output, u32::from(code), KeyState::Released);
        }
    }

    fn push(&mut self, output: u32, event: InputEvent) {
        let new = Input { output, event };
        // The order of movements does not matter, that of movements and keys does.
        let recent = self.events.iter_mut().rev();
        for old in recent.take_while(|old| is_movement(&old.event)) {
            if let Some(merged) = merge(old, &new) {
                old.event = merged;
                return;
            }
        }
        if self.events.len() >= MAX_EVENTS {
            self.overflow();
            return;
        }
        self.events.push_back(new);
    }

    /// Starts over, as if the user had let go of everything.
    fn overflow(&mut self) {
        self.events.clear();
        for (output, code) in std::mem::take(&mut self.keys) {
            let state = KeyState::Released;
            let event = InputEvent::Key { code, state };
            self.events.push_back(Input { output, event });
        }
        for (output, id) in std::mem::take(&mut self.touches) {
            let event = InputEvent::TouchUp { id };
            self.events.push_back(Input { output, event });
        }
    }
}

fn is_movement(event: &InputEvent) -> bool {
    matches!(
        event,
        InputEvent::PointerMoved { .. }
            | InputEvent::PointerPushed { .. }
            | InputEvent::Wheel { .. }
            | InputEvent::TouchMoved { .. }
    )
}

/// One event in the place of two.
fn merge(old: &Input, new: &Input) -> Option<InputEvent> {
    if old.output != new.output {
        return None;
    }
    match (old.event, new.event) {
        (InputEvent::PointerMoved { .. }, InputEvent::PointerMoved { .. }) => Some(new.event),
        (
            InputEvent::PointerPushed { dx, dy },
            InputEvent::PointerPushed {
                dx: more_x,
                dy: more_y,
            },
        ) => Some(InputEvent::PointerPushed {
            dx: dx.saturating_add(more_x),
            dy: dy.saturating_add(more_y),
        }),
        (
            InputEvent::Wheel {
                horizontal,
                vertical,
            },
            InputEvent::Wheel {
                horizontal: more_horizontal,
                vertical: more_vertical,
            },
        ) => Some(InputEvent::Wheel {
            horizontal: horizontal.saturating_add(more_horizontal),
            vertical: vertical.saturating_add(more_vertical),
        }),
        (InputEvent::TouchMoved { id: old_id, .. }, InputEvent::TouchMoved { id, .. })
            if old_id == id =>
        {
            Some(new.event)
        }
        _ => None,
    }
}
