//! What the X server is like: its screen, its numbers for names, and what its extensions can do.

use std::borrow::Cow;
use std::os::fd::OwnedFd;

use gpu_buffer::DrmFourcc;
use x11rb_protocol::protocol::xproto::{
    self, ImageOrder, InternAtomRequest, QueryExtensionRequest, Setup, VisualClass,
};
use x11rb_protocol::protocol::{dri3, present, render, shm, xfixes, xinput, xkb};
use x11rb_protocol::x11_utils::{ExtensionInformation, TryParse};

use super::address::{Address, Transport};
use super::client::{Client, Expect};
use super::extensions::Extension;
use super::import::Kinds;
use crate::DisplayError;

/// Names that the server has numbers for.
pub(super) const NAMES: [&str; 5] = [
    "WM_PROTOCOLS",
    "WM_DELETE_WINDOW",
    "_NET_WM_PING",
    "_NET_WM_NAME",
    "UTF8_STRING",
];

/// Their numbers, 0 where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Atoms {
    numbers: [u32; NAMES.len()],
}

impl Atoms {
    pub(super) fn get(&self, name: &str) -> u32 {
        let mut numbers = NAMES.iter().zip(self.numbers);
        numbers
            .find(|(other, _)| **other == name)
            .map_or(0, |(_, number)| number)
    }
}

/// How pixels get to the server, the best way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// As pixmaps in shared memory, shown at the right time.
    Present,
    /// From shared memory, at once.
    Shared,
    /// Through the socket.
    Plain,
}

/// The server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) root: u32,
    pub(super) visual: u32,
    pub(super) depth: u8,
    /// How the pixels of windows lie in memory.
    pub(super) format: DrmFourcc,
    /// The longest request, in bytes.
    pub(super) max_request: usize,
    pub(super) atoms: Atoms,
    pub(super) way: Way,
    /// The dma-bufs that it takes.
    pub(super) kinds: Kinds,
    /// The format of pictures with alpha, if cursors can be made of them.
    pub(super) argb: Option<u32>,
    /// How the pixels of such pictures lie in memory.
    pub(super) argb_format: DrmFourcc,
    transport: Transport,
    shm: Shm,
    has_regions: bool,
    has_present: bool,
    pub(super) has_input: bool,
    /// Answers that are awaited.
    waiting: usize,
}

/// What MIT-SHM can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shm {
    Nothing,
    /// It takes descriptors.
    Images,
    /// And makes pixmaps of them.
    Pixmaps,
}

impl Server {
    /// Looks at the screen, and asks for everything else.
    ///
    /// # Errors
    /// [`DisplayError::MissingInterface`] if the screen has no pixels that we could make.
    pub(super) fn new(
        setup: &Setup,
        address: &Address,
        client: &mut Client,
    ) -> Result<Self, DisplayError> {
        let screen = setup.roots.get(address.screen).or(setup.roots.first());
        let missing = || DisplayError::MissingInterface {
            interface: "TrueColor screen of 32 bits a pixel",
        };
        let screen = screen.ok_or_else(missing)?;
        let format = format_of(setup, screen).ok_or_else(missing)?;
        let mut server = Self {
            root: screen.root,
            visual: screen.root_visual,
            depth: screen.root_depth,
            format,
            max_request: usize::from(setup.maximum_request_length).saturating_mul(4),
            atoms: Atoms::default(),
            way: Way::Plain,
            kinds: Kinds::default(),
            argb: None,
            argb_format: match setup.image_byte_order {
                ImageOrder::LSB_FIRST => DrmFourcc::Argb8888,
                _ => DrmFourcc::Bgra8888,
            },
            transport: client.transport(),
            shm: Shm::Nothing,
            has_regions: false,
            has_present: false,
            has_input: false,
            waiting: 0,
        };
        for extension in Extension::ALL {
            let name = extension.name().as_bytes().into();
            let request = QueryExtensionRequest { name }.serialize();
            server.ask(client, request, Expect::Extension(extension));
        }
        for (index, name) in NAMES.iter().enumerate() {
            let name = name.as_bytes().into();
            let only_if_exists = false;
            let request = InternAtomRequest {
                only_if_exists,
                name,
            };
            server.ask(client, request.serialize(), Expect::Atom(index));
        }
        Ok(server)
    }

    fn ask<const N: usize>(
        &mut self,
        client: &mut Client,
        request: ([Cow<'_, [u8]>; N], Vec<OwnedFd>),
        expect: Expect,
    ) {
        client.ask(request, expect);
        self.waiting = self.waiting.saturating_add(1);
    }

    /// Takes in an answer, or that there is none; whether it was the last.
    pub(super) fn learn(
        &mut self,
        expect: Expect,
        reply: Option<&[u8]>,
        client: &mut Client,
    ) -> bool {
        if let Some(reply) = reply {
            self.take_answer(expect, reply, client);
        }
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting > 0 {
            return false;
        }
        self.way = match self.shm {
            Shm::Pixmaps if self.can_present() => Way::Present,
            Shm::Pixmaps | Shm::Images => Way::Shared,
            Shm::Nothing => Way::Plain,
        };
        if !self.can_present() {
            self.kinds.clear();
        }
        true
    }

    /// Whether it shows pixmaps at the right time, and parts of them.
    pub(super) fn can_present(&self) -> bool {
        self.has_present && self.has_regions
    }

    fn take_answer(&mut self, expect: Expect, reply: &[u8], client: &mut Client) {
        match expect {
            Expect::Atom(index) => {
                if let (Ok((reply, _)), Some(number)) = (
                    xproto::InternAtomReply::try_parse(reply),
                    self.atoms.numbers.get_mut(index),
                ) {
                    *number = reply.atom;
                }
            }
            Expect::Extension(extension) => {
                if let Ok((reply, _)) = xproto::QueryExtensionReply::try_parse(reply)
                    && reply.present
                {
                    let information = ExtensionInformation {
                        major_opcode: reply.major_opcode,
                        first_event: reply.first_event,
                        first_error: reply.first_error,
                    };
                    client.extensions.add(extension, information);
                    self.ask_version(extension, reply.major_opcode, client);
                }
            }
            Expect::Version(extension) => self.take_version(extension, reply, client),
            Expect::PictureFormats => {
                if let Ok((reply, _)) = render::QueryPictFormatsReply::try_parse(reply) {
                    self.argb = reply
                        .formats
                        .iter()
                        .find(|format| is_argb(format))
                        .map(|f| f.id);
                }
            }
            Expect::Modifiers => {
                if let Ok((reply, _)) = dri3::GetSupportedModifiersReply::try_parse(reply) {
                    self.kinds.add(reply.screen_modifiers);
                }
            }
            Expect::KeyboardFlags | Expect::Done(_) => {}
        }
    }

    fn ask_version(&mut self, extension: Extension, opcode: u8, client: &mut Client) {
        let expect = Expect::Version(extension);
        match extension {
            Extension::Shm => {
                let request = shm::QueryVersionRequest.serialize(opcode);
                self.ask(client, request, expect);
            }
            Extension::Present => {
                let request = present::QueryVersionRequest {
                    major_version: 1,
                    minor_version: 0,
                };
                self.ask(client, request.serialize(opcode), expect);
            }
            Extension::Dri3 => {
                let request = dri3::QueryVersionRequest {
                    major_version: 1,
                    minor_version: 2,
                };
                self.ask(client, request.serialize(opcode), expect);
            }
            Extension::Fixes => {
                let request = xfixes::QueryVersionRequest {
                    client_major_version: 5,
                    client_minor_version: 0,
                };
                self.ask(client, request.serialize(opcode), expect);
            }
            Extension::Render => {
                let request = render::QueryVersionRequest {
                    client_major_version: 0,
                    client_minor_version: 11,
                };
                self.ask(client, request.serialize(opcode), expect);
            }
            Extension::Input => {
                let request = xinput::XIQueryVersionRequest {
                    major_version: 2,
                    minor_version: 2,
                };
                self.ask(client, request.serialize(opcode), expect);
            }
            Extension::Keyboard => {
                let request = xkb::UseExtensionRequest {
                    wanted_major: 1,
                    wanted_minor: 0,
                };
                self.ask(client, request.serialize(opcode), expect);
            }
        }
    }

    fn take_version(&mut self, extension: Extension, reply: &[u8], client: &mut Client) {
        match extension {
            Extension::Shm => {
                if let Ok((reply, _)) = shm::QueryVersionReply::try_parse(reply)
                    && (reply.major_version, reply.minor_version) >= (1, 2)
                    && self.transport == Transport::Local
                {
                    self.shm = match reply.shared_pixmaps {
                        true => Shm::Pixmaps,
                        false => Shm::Images,
                    };
                }
            }
            Extension::Present => self.has_present = true,
            Extension::Dri3 => self.take_dri3_version(reply, client),
            Extension::Fixes => {
                if let Ok((reply, _)) = xfixes::QueryVersionReply::try_parse(reply) {
                    self.has_regions = reply.major_version >= 2;
                }
            }
            Extension::Render => {
                let version = render::QueryVersionReply::try_parse(reply);
                if let (Ok((reply, _)), Some(opcode)) =
                    (version, client.extensions.opcode(extension))
                    && (reply.major_version, reply.minor_version) >= (0, 5)
                {
                    let request = render::QueryPictFormatsRequest.serialize(opcode);
                    self.ask(client, request, Expect::PictureFormats);
                }
            }
            Extension::Input => {
                if let Ok((reply, _)) = xinput::XIQueryVersionReply::try_parse(reply) {
                    self.has_input = (reply.major_version, reply.minor_version) >= (2, 2);
                }
            }
            Extension::Keyboard => {
                if let Some(opcode) = client.extensions.opcode(extension) {
                    let request = xkb::PerClientFlagsRequest {
                        // The core keyboard.
                        device_spec: 0x100,
                        change: xkb::PerClientFlag::DETECTABLE_AUTO_REPEAT,
                        value: xkb::PerClientFlag::DETECTABLE_AUTO_REPEAT,
                        ctrls_to_change: xkb::BoolCtrl::default(),
                        auto_ctrls: xkb::BoolCtrl::default(),
                        auto_ctrls_values: xkb::BoolCtrl::default(),
                    };
                    self.ask(client, request.serialize(opcode), Expect::KeyboardFlags);
                }
            }
        }
    }
}

impl Server {
    /// dma-bufs go over a socket of this machine only.
    fn take_dri3_version(&mut self, reply: &[u8], client: &mut Client) {
        let (Ok((reply, _)), Transport::Local, Some(opcode)) = (
            dri3::QueryVersionReply::try_parse(reply),
            self.transport,
            client.extensions.opcode(Extension::Dri3),
        ) else {
            return;
        };
        self.kinds.add_implicit();
        if (reply.major_version, reply.minor_version) >= (1, 2) {
            let request = dri3::GetSupportedModifiersRequest {
                window: self.root,
                depth: self.depth,
                bpp: 32,
            };
            self.ask(client, request.serialize(opcode), Expect::Modifiers);
        }
    }
}

/// How the pixels of a screen's windows lie in memory, if that is one of the eight formats.
fn format_of(setup: &Setup, screen: &xproto::Screen) -> Option<DrmFourcc> {
    let is_of_depth = |format: &&xproto::Format| format.depth == screen.root_depth;
    let format = setup.pixmap_formats.iter().find(is_of_depth)?;
    let visuals = screen
        .allowed_depths
        .iter()
        .flat_map(|depth| &depth.visuals);
    let mut visuals = visuals.filter(|visual| visual.visual_id == screen.root_visual);
    let visual = visuals.next()?;
    if format.bits_per_pixel != 32 || visual.class != VisualClass::TRUE_COLOR {
        return None;
    }
    let little = setup.image_byte_order == ImageOrder::LSB_FIRST;
    match (visual.red_mask, visual.green_mask, visual.blue_mask, little) {
        (0xff_0000, 0xff00, 0xff, true) => Some(DrmFourcc::Xrgb8888),
        (0xff_0000, 0xff00, 0xff, false) => Some(DrmFourcc::Bgrx8888),
        (0xff, 0xff00, 0xff_0000, true) => Some(DrmFourcc::Xbgr8888),
        (0xff, 0xff00, 0xff_0000, false) => Some(DrmFourcc::Rgbx8888),
        _ => None,
    }
}

/// Whether a picture's pixels are words of alpha, red, green and blue.
fn is_argb(format: &render::Pictforminfo) -> bool {
    let direct = &format.direct;
    format.type_ == render::PictType::DIRECT
        && format.depth == 32
        && (direct.alpha_shift, direct.alpha_mask) == (24, 0xff)
        && (direct.red_shift, direct.red_mask) == (16, 0xff)
        && (direct.green_shift, direct.green_mask) == (8, 0xff)
        && (direct.blue_shift, direct.blue_mask) == (0, 0xff)
}
