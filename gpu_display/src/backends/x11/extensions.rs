//! The extensions of the X protocol that are used where the server has them.

use x11rb_protocol::protocol::{dri3, present, render, shm, xfixes, xinput, xkb};
use x11rb_protocol::x11_utils::{ExtInfoProvider, ExtensionInformation};

/// An extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// Pixels in shared memory.
    Shm,
    /// Pictures at the right time.
    Present,
    /// Pictures in a GPU's memory.
    Dri3,
    /// Regions, for Present.
    Fixes,
    /// Cursors with alpha.
    Render,
    /// Steps of the pointer, and touch.
    Input,
    /// Keys that repeat do not go up.
    Keyboard,
}

impl Extension {
    pub(super) const ALL: [Self; 7] = [
        Self::Shm,
        Self::Present,
        Self::Dri3,
        Self::Fixes,
        Self::Render,
        Self::Input,
        Self::Keyboard,
    ];

    /// What the server knows it as.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Shm => shm::X11_EXTENSION_NAME,
            Self::Present => present::X11_EXTENSION_NAME,
            Self::Dri3 => dri3::X11_EXTENSION_NAME,
            Self::Fixes => xfixes::X11_EXTENSION_NAME,
            Self::Render => render::X11_EXTENSION_NAME,
            Self::Input => xinput::X11_EXTENSION_NAME,
            Self::Keyboard => xkb::X11_EXTENSION_NAME,
        }
    }
}

/// Those that a server has.
#[derive(Debug, Default)]
pub(super) struct Extensions(Vec<(Extension, ExtensionInformation)>);

impl Extensions {
    pub(super) fn add(&mut self, extension: Extension, information: ExtensionInformation) {
        self.0.push((extension, information));
    }

    /// The number that its requests begin with; `None` if the server does not have it.
    pub(super) fn opcode(&self, extension: Extension) -> Option<u8> {
        let found = self.0.iter().find(|(other, _)| *other == extension);
        found.map(|(_, information)| information.major_opcode)
    }

    fn find(
        &self,
        is: impl Fn(&ExtensionInformation) -> bool,
    ) -> Option<(&str, ExtensionInformation)> {
        let found = self.0.iter().find(|(_, information)| is(information));
        found.map(|(extension, information)| (extension.name(), *information))
    }

    /// The one with the largest first number that is not larger than this: which numbers an extension
    /// has besides the first is not said.
    fn find_range(
        &self,
        number: u8,
        first: impl Fn(&ExtensionInformation) -> u8,
    ) -> Option<(&str, ExtensionInformation)> {
        let below = self.0.iter();
        let below = below.filter(|(_, information)| {
            let first = first(information);
            first != 0 && first <= number
        });
        let found = below.max_by_key(|(_, information)| first(information));
        found.map(|(extension, information)| (extension.name(), *information))
    }
}

impl ExtInfoProvider for Extensions {
    fn get_from_major_opcode(&self, major_opcode: u8) -> Option<(&str, ExtensionInformation)> {
        self.find(|information| information.major_opcode == major_opcode)
    }

    fn get_from_event_code(&self, event_code: u8) -> Option<(&str, ExtensionInformation)> {
        self.find_range(event_code, |information| information.first_event)
    }

    fn get_from_error_code(&self, error_code: u8) -> Option<(&str, ExtensionInformation)> {
        self.find_range(error_code, |information| information.first_error)
    }
}
