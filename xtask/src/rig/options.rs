//! What a guest is to be booted with.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Whose virtio-gpu the guest gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DeviceKind {
    /// This workspace's daemon.
    Ours,
    /// The device built into QEMU, to compare.
    Qemu,
}

/// Which of QEMU's devices takes our daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrontEnd {
    /// `vhost-user-gpu-pci`, which shows the picture and hides what it does not know.
    Gpu,
    /// The one for any vhost-user device, of QEMU 11: all that is offered reaches the guest, and the
    /// daemon shows the picture.
    AnyDevice,
}

/// Where our daemon shows its scanouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Display {
    /// In the front end: QEMU's window, VNC and screendumps.
    Frontend,
    /// As PNG files in a folder.
    Headless(PathBuf),
    /// In windows: where, in the daemon's own words.
    Windows(String),
}

/// What our daemon renders 3D with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Renderer {
    /// The best that works here.
    Auto,
    /// Nothing: the guest's GPU is 2D only.
    None,
    /// virglrenderer, on a GPU or on software GL.
    Virgl,
}

impl Renderer {
    /// The daemon's word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Virgl => "virgl",
        }
    }
}

/// A window that QEMU can open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// Through GTK.
    Gtk,
    /// Through SDL.
    Sdl,
}

/// Width and height of a screen in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Pixels in a row.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('x')
            .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        match parsed {
            Some((width @ 1..=16384, height @ 1..=16384)) => Ok(Self { width, height }),
            _ => Err("write WIDTHxHEIGHT, each 1 to 16384, such as 1280x800".to_owned()),
        }
    }
}

/// What a guest is to be booted with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Names the logs.
    pub(crate) label: String,
    /// Whose device.
    pub(crate) device: DeviceKind,
    /// What QEMU takes it for.
    pub(crate) front_end: FrontEnd,
    /// Where the daemon shows its scanouts.
    pub(crate) display: Display,
    /// What the daemon renders 3D with.
    pub(crate) renderer: Renderer,
    /// How many scanouts the device has.
    pub(crate) max_outputs: u32,
    /// The first scanout's preferred size.
    pub(crate) size: Size,
    /// Use the host's virtualisation instead of emulation.
    pub(crate) kvm: bool,
    /// QEMU's window; without one, the screens are VNC servers.
    pub(crate) window: Option<Window>,
    /// Record what our daemon tells QEMU to display.
    pub(crate) tap: bool,
    /// How long the guest may take to boot.
    pub(crate) boot_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            label: "guest".to_owned(),
            device: DeviceKind::Ours,
            front_end: FrontEnd::Gpu,
            display: Display::Frontend,
            renderer: Renderer::None,
            max_outputs: 1,
            size: Size {
                width: 1280,
                height: 800,
            },
            kvm: false,
            window: None,
            tap: false,
            boot_limit: Duration::from_secs(120),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(
            "640x480".parse(),
            Ok(Size {
                width: 640,
                height: 480
            })
        );
        for bad in ["", "640", "0x480", "640x", "-1x5", "20000x1", "640x480x2"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }
}
