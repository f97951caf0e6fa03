//! Input: what the user does with the windows of a display.
//!
//! Codes are Linux's (`linux/input-event-codes.h`), as the kernel of the host tells them: no keymap is
//! applied, since the guest has its own.

mod device;
mod queue;

pub use device::{AbsoluteAxes, EventDevice, EventDeviceKind, EventDevices};
pub use queue::InputQueue;

/// Something that the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Number of the output in whose window it was done.
    pub output: u32,
    /// What was done.
    pub event: InputEvent,
}

/// What the user did. A place is given in 65535ths of the width and height of the picture in the window,
/// from its top-left corner, however large it is drawn. A place outside is the nearest one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputEvent {
    /// A key of the keyboard or a button of the pointer went down or up. Each goes up once for each
    /// time that it went down, also when the window loses the keyboard meanwhile.
    Key {
        /// `KEY_*` or `BTN_*`.
        code: u16,
        /// Whether it is down now.
        state: KeyState,
    },
    /// The pointer is here now.
    PointerMoved {
        /// 65535ths of the width.
        x: u16,
        /// 65535ths of the height.
        y: u16,
    },
    /// The pointer was pushed, before any acceleration; also where it cannot move on.
    PointerPushed {
        /// 256ths of a unit to the right.
        dx: i32,
        /// 256ths of a unit down.
        dy: i32,
    },
    /// The wheel was turned.
    Wheel {
        /// 120ths of a detent to the right.
        horizontal: i32,
        /// 120ths of a detent away from the user.
        vertical: i32,
    },
    /// A finger touched the window.
    TouchDown {
        /// Names the finger until it is lifted.
        id: u32,
        /// 65535ths of the width.
        x: u16,
        /// 65535ths of the height.
        y: u16,
    },
    /// A finger is here now.
    TouchMoved {
        /// The finger.
        id: u32,
        /// 65535ths of the width.
        x: u16,
        /// 65535ths of the height.
        y: u16,
    },
    /// A finger was lifted.
    TouchUp {
        /// The finger.
        id: u32,
    },
    /// The window has the keyboard.
    FocusGained,
    /// The window has the keyboard no more.
    FocusLost,
}

/// Whether a key is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is down.
    Pressed,
    /// It is up.
    Released,
}

/// A display whose windows take input.
pub trait InputSource {
    /// Has a device of the guest told what is done in the windows. Once there is one, nothing waits
    /// for [`InputSource::next_input`] any more.
    fn attach(&mut self, device: EventDevice);

    /// Takes the oldest event, `None` if there is none. Those that nobody takes become fewer: a newer
    /// place replaces an older one, and when there are too many all are dropped, and what is down goes
    /// up.
    fn next_input(&mut self) -> Option<Input>;
}

/// Whether a code is a button's of a pointer (`BTN_MISC` to `BTN_GEAR_UP`).
pub(crate) fn is_button(code: u16) -> bool {
    (0x100..0x160).contains(&code)
}
