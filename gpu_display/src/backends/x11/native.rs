//! A window at the X server.

use std::borrow::Cow;
use std::collections::VecDeque;

use gpu_buffer::Rect;
use x11rb_protocol::protocol::present;
use x11rb_protocol::protocol::xfixes;
use x11rb_protocol::protocol::xinput;
use x11rb_protocol::protocol::xproto::{
    AtomEnum, ChangePropertyRequest, ClearAreaRequest, ConfigureWindowAux, ConfigureWindowRequest,
    CreateGCAux, CreateGCRequest, CreateWindowAux, CreateWindowRequest, DestroyWindowRequest,
    EventMask, FreeGCRequest, MapWindowRequest, PropMode, Rectangle, WindowClass,
};

use super::client::Client;
use super::extensions::Extension;
use super::server::Server;
use crate::desktop::Size;

/// The smallest window that a user can make: there is something to take hold of.
const MIN_SIZE: (u32, u32) = (128, 96);

/// Sizes that a window may be told before the server has done the first.
const MAX_EXPECTED: usize = 16;

/// How a window introduces itself.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) title: String,
    pub(super) class: String,
}

/// The most bytes of a name.
const MAX_NAME: usize = 2048;

impl Names {
    /// Text is cut to what a window manager may be expected to read, and to its first zero.
    pub(super) fn new(title: &str, class: &str) -> Self {
        let fit = |text: &str| -> String {
            let text = text.split('\0').next().unwrap_or("");
            let fits = |(at, _): &(usize, char)| *at < MAX_NAME;
            text.char_indices()
                .take_while(fits)
                .map(|(_, c)| c)
                .collect()
        };
        Self {
            title: fit(title),
            class: fit(class),
        }
    }

    /// The names of an output's window.
    pub(super) fn of_output(&self, output: u32, outputs: u32) -> Self {
        let number = output.saturating_add(1);
        match outputs {
            0 | 1 => self.clone(),
            _ => Self {
                title: format!("{} ({number})", self.title),
                class: self.class.clone(),
            },
        }
    }
}

/// A window's objects, and what the server has said of it.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) window: u32,
    pub(super) gc: u32,
    /// What is damaged, for Present.
    region: Option<u32>,
    pub(super) mapped: bool,
    /// The size that it has.
    pub(super) size: Size,
    /// The sizes that it was told to have and has not had yet, the first one first.
    expected: VecDeque<Size>,
}

impl Native {
    /// Makes a black window. `None` if the server leaves no names for it.
    pub(super) fn new(
        client: &mut Client,
        server: &Server,
        names: &Names,
        size: Size,
    ) -> Option<Self> {
        let window = client.new_id()?;
        let gc = client.new_id()?;
        let events = EventMask::KEY_PRESS
            | EventMask::KEY_RELEASE
            | EventMask::BUTTON_PRESS
            | EventMask::BUTTON_RELEASE
            | EventMask::POINTER_MOTION
            | EventMask::ENTER_WINDOW
            | EventMask::LEAVE_WINDOW
            | EventMask::FOCUS_CHANGE
            | EventMask::STRUCTURE_NOTIFY
            | EventMask::EXPOSURE;
        let attributes = CreateWindowAux::new()
            .background_pixel(0)
            .event_mask(events);
        let request = CreateWindowRequest {
            depth: server.depth,
            wid: window,
            parent: server.root,
            x: 0,
            y: 0,
            width: clamped(size.width),
            height: clamped(size.height),
            border_width: 0,
            class: WindowClass::INPUT_OUTPUT,
            visual: server.visual,
            value_list: Cow::Owned(attributes),
        };
        client.send(request.serialize());
        let request = CreateGCRequest {
            cid: gc,
            drawable: window,
            value_list: Cow::Owned(CreateGCAux::new().graphics_exposures(0)),
        };
        client.send(request.serialize());
        let mut native = Self {
            window,
            gc,
            region: None,
            mapped: false,
            size,
            expected: VecDeque::new(),
        };
        native.introduce(client, server, names);
        native.listen(client, server);
        client.send(MapWindowRequest { window }.serialize());
        Some(native)
    }

    fn introduce(&self, client: &mut Client, server: &Server, names: &Names) {
        let atom = |name| server.atoms.get(name);
        let text = |property, type_, text: &[u8]| Property {
            property,
            type_,
            format: 8,
            data: text.to_vec(),
        };
        let number = |property, type_, numbers: &[u32]| Property {
            property,
            type_,
            format: 32,
            data: numbers.iter().flat_map(|n| n.to_ne_bytes()).collect(),
        };
        let title = names.title.as_bytes();
        // Two strings, each with its end: instance and class.
        let class = [names.class.as_bytes(), b"\0"].concat().repeat(2);
        let protocols = [atom("WM_DELETE_WINDOW"), atom("_NET_WM_PING")];
        // P_MIN_SIZE, unused place and size, smallest size, and what is not said.
        let mut hints = vec![1 << 4, 0, 0, 0, 0, MIN_SIZE.0, MIN_SIZE.1];
        hints.resize(18, 0);
        let properties = [
            text(AtomEnum::WM_NAME.into(), AtomEnum::STRING.into(), title),
            text(atom("_NET_WM_NAME"), atom("UTF8_STRING"), title),
            text(AtomEnum::WM_CLASS.into(), AtomEnum::STRING.into(), &class),
            number(atom("WM_PROTOCOLS"), AtomEnum::ATOM.into(), &protocols),
            number(
                AtomEnum::WM_NORMAL_HINTS.into(),
                AtomEnum::WM_SIZE_HINTS.into(),
                &hints,
            ),
        ];
        for property in properties {
            property.set(client, self.window);
        }
    }

    /// Asks for events of extensions.
    fn listen(&mut self, client: &mut Client, server: &Server) {
        let window = self.window;
        if server.can_present()
            && let Some(present) = client.extensions.opcode(Extension::Present)
            && let Some(fixes) = client.extensions.opcode(Extension::Fixes)
            && let (Some(eid), Some(region)) = (client.new_id(), client.new_id())
        {
            let event_mask = present::EventMask::COMPLETE_NOTIFY | present::EventMask::IDLE_NOTIFY;
            let request = present::SelectInputRequest {
                eid,
                window,
                event_mask,
            };
            client.send(request.serialize(present));
            let rectangles = Cow::Borrowed(&[][..]);
            let request = xfixes::CreateRegionRequest { region, rectangles };
            client.send(request.serialize(fixes));
            self.region = Some(region);
        }
        if server.has_input
            && let Some(opcode) = client.extensions.opcode(Extension::Input)
        {
            let mask = xinput::XIEventMask::TOUCH_BEGIN
                | xinput::XIEventMask::TOUCH_UPDATE
                | xinput::XIEventMask::TOUCH_END;
            select_input(client, opcode, window, mask);
        }
    }

    /// The size that the window has when the server has done all that it was told.
    pub(super) fn next_size(&self) -> Size {
        self.expected.back().copied().unwrap_or(self.size)
    }

    /// The window has this size; whether it was told to have it.
    pub(super) fn take_size(&mut self, size: Size) -> bool {
        self.size = size;
        match self.expected.iter().position(|expected| *expected == size) {
            Some(index) => {
                self.expected.drain(..=index);
                true
            }
            None => {
                self.expected.clear();
                false
            }
        }
    }

    /// Has the window have another size.
    pub(super) fn resize(&mut self, client: &mut Client, size: Size) {
        if self.expected.len() >= MAX_EXPECTED {
            self.expected.pop_front();
        }
        self.expected.push_back(size);
        let values = ConfigureWindowAux::new()
            .width(size.width)
            .height(size.height);
        let request = ConfigureWindowRequest {
            window: self.window,
            value_list: Cow::Owned(values),
        };
        client.send(request.serialize());
    }

    /// Goes black, or a part of it does.
    pub(super) fn clear(&self, client: &mut Client, area: Rect) {
        let request = ClearAreaRequest {
            exposures: false,
            window: self.window,
            x: coordinate(area.x),
            y: coordinate(area.y),
            width: clamped(area.width),
            height: clamped(area.height),
        };
        client.send(request.serialize());
    }

    /// Whether a part of a pixmap can be shown.
    pub(super) fn has_region(&self) -> bool {
        self.region.is_some()
    }

    /// The region of these rectangles, for Present; 0, which is everything, without regions.
    pub(super) fn region_of(&self, client: &mut Client, rects: &[Rect]) -> u32 {
        let opcode = client.extensions.opcode(Extension::Fixes);
        let (Some(region), Some(opcode)) = (self.region, opcode) else {
            return 0;
        };
        let rectangles: Vec<Rectangle> = rects
            .iter()
            .map(|rect| Rectangle {
                x: coordinate(rect.x),
                y: coordinate(rect.y),
                width: clamped(rect.width),
                height: clamped(rect.height),
            })
            .collect();
        let rectangles = Cow::Owned(rectangles);
        let request = xfixes::SetRegionRequest { region, rectangles };
        client.send(request.serialize(opcode));
        region
    }

    /// Where the picture is in the window: in the middle, its top left corner always to be seen.
    pub(super) fn place(&self, picture: Size) -> (u32, u32) {
        let margin = |window: u32, picture: u32| window.saturating_sub(picture) / 2;
        (
            margin(self.size.width, picture.width),
            margin(self.size.height, picture.height),
        )
    }

    /// Takes the window away. Its name is not used again: the server may still speak of it.
    pub(super) fn destroy(self, client: &mut Client) {
        let Self {
            window, gc, region, ..
        } = self;
        client.send(FreeGCRequest { gc }.serialize());
        client.send(DestroyWindowRequest { window }.serialize());
        client.give_back([gc]);
        if let Some(region) = region
            && let Some(opcode) = client.extensions.opcode(Extension::Fixes)
        {
            client.send(xfixes::DestroyRegionRequest { region }.serialize(opcode));
            client.give_back([region]);
        }
    }
}

/// Asks for events of XInput 2 of all pointers and touchscreens.
pub(super) fn select_input(
    client: &mut Client,
    opcode: u8,
    window: u32,
    mask: xinput::XIEventMask,
) {
    let masks = [xinput::EventMask {
        // XIAllMasterDevices
        deviceid: 1,
        mask: vec![mask],
    }];
    let masks = Cow::Borrowed(&masks[..]);
    let request = xinput::XISelectEventsRequest { window, masks };
    client.send(request.serialize(opcode));
}

/// A property of a window.
struct Property {
    property: u32,
    type_: u32,
    /// Bits of an element.
    format: u8,
    data: Vec<u8>,
}

impl Property {
    fn set(&self, client: &mut Client, window: u32) {
        if self.property == 0 || self.type_ == 0 {
            return;
        }
        let bytes = u32::from(self.format) / 8;
        let length = u32::try_from(self.data.len()).unwrap_or(0);
        let request = ChangePropertyRequest {
            mode: PropMode::REPLACE,
            window,
            property: self.property,
            type_: self.type_,
            format: self.format,
            data_len: length.checked_div(bytes).unwrap_or(0),
            data: Cow::Borrowed(&self.data),
        };
        client.send(request.serialize());
    }
}

/// A side or a count, as the protocol has it.
pub(super) fn clamped(side: u32) -> u16 {
    u16::try_from(side).unwrap_or(u16::MAX)
}

/// A place, as the protocol has it.
pub(super) fn coordinate(at: u32) -> i16 {
    i16::try_from(at).unwrap_or(i16::MAX)
}
