//! A display device: its screens, its buffers, and how a picture gets into them.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::str::FromStr;

use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::{Device as ControlDevice, Mode, connector, crtc, dumbbuffer, framebuffer};
use kms_probe::Picture;

use crate::error::{Error, Result};

/// An open display device.
#[derive(Debug)]
pub(crate) struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}
impl ControlDevice for Card {}

/// Width and height of a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Pixels in a row.
    pub(crate) width: u16,
    /// Rows.
    pub(crate) height: u16,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        text.split_once('x')
            .and_then(|(width, height)| {
                Some(Self {
                    width: width.parse().ok()?,
                    height: height.parse().ok()?,
                })
            })
            .filter(|size| size.width <= 8192 && size.height <= 8192)
            .ok_or_else(|| "write WIDTHxHEIGHT, such as 1024x768".to_owned())
    }
}

/// A connected screen and the mode to use on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) connector: connector::Handle,
    pub(crate) crtc: crtc::Handle,
    pub(crate) mode: Mode,
}

impl Screen {
    /// Pixels in a row and rows of its mode.
    pub(crate) fn size(&self) -> (u32, u32) {
        let (width, height) = self.mode.size();
        (u32::from(width), u32::from(height))
    }
}

/// A buffer that can be put on a screen.
#[derive(Debug)]
pub(crate) struct Buffer {
    dumb: dumbbuffer::DumbBuffer,
    pub(crate) framebuffer: framebuffer::Handle,
}

impl Card {
    /// Opens a device node.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map(Self)
            .map_err(Error::io("open the display device"))
    }

    /// Leaves the device to who wants to draw: whoever opens it while nobody does is its master.
    pub(crate) fn look_only(&self) {
        use drm::Device as _;
        // Refused when somebody else is the master, which is as good.
        let _ = self.release_master_lock();
    }

    /// All connectors, freshly probed.
    pub(crate) fn connectors(&self) -> Result<Vec<connector::Info>> {
        let resources = self
            .resource_handles()
            .map_err(Error::io("list the device's screens"))?;
        resources
            .connectors()
            .iter()
            .map(|handle| self.get_connector(*handle, true))
            .collect::<std::io::Result<_>>()
            .map_err(Error::io("probe a screen"))
    }

    /// The CRTC that belongs to a screen.
    pub(crate) fn crtc(&self, head: usize) -> Result<crtc::Handle> {
        let resources = self
            .resource_handles()
            .map_err(Error::io("list the device's screens"))?;
        resources
            .crtcs()
            .get(head)
            .copied()
            .ok_or(Error::NoScreen { head })
    }

    /// A connected screen in the wanted size, or in its preferred one.
    pub(crate) fn screen(&self, head: usize, size: Option<Size>) -> Result<Screen> {
        let connectors = self.connectors()?;
        let connector = connectors.get(head).ok_or(Error::NoScreen { head })?;
        let preferred = connector.modes().first().ok_or(Error::NoScreen { head })?;
        let mode = match size {
            None => *preferred,
            Some(size) => connector
                .modes()
                .iter()
                .find(|mode| mode.size() == (size.width, size.height))
                .copied()
                .unwrap_or_else(|| made_up_mode(size)),
        };
        Ok(Screen {
            connector: connector.handle(),
            crtc: self.crtc(head)?,
            mode,
        })
    }

    /// A new buffer with a picture in it.
    pub(crate) fn buffer(&self, picture: &Picture) -> Result<Buffer> {
        let mut dumb = self.dumb(picture, DrmFourcc::Xrgb8888)?;
        self.paint_dumb(&mut dumb, picture)?;
        let framebuffer = self
            .add_framebuffer(&dumb, 24, 32)
            .map_err(Error::io("make a framebuffer"))?;
        Ok(Buffer { dumb, framebuffer })
    }

    /// A new cursor image.
    pub(crate) fn cursor_buffer(&self, picture: &Picture) -> Result<dumbbuffer::DumbBuffer> {
        let mut dumb = self.dumb(picture, DrmFourcc::Argb8888)?;
        self.paint_dumb(&mut dumb, picture)?;
        Ok(dumb)
    }

    /// Paints a picture into a buffer of its size.
    pub(crate) fn paint(&self, buffer: &mut Buffer, picture: &Picture) -> Result<()> {
        self.paint_dumb(&mut buffer.dumb, picture)
    }

    /// Shows a buffer.
    pub(crate) fn show(&self, screen: &Screen, buffer: &Buffer) -> Result<()> {
        self.set_crtc(
            screen.crtc,
            Some(buffer.framebuffer),
            (0, 0),
            &[screen.connector],
            Some(screen.mode),
        )
        .map_err(Error::io("set a mode"))
    }

    /// Shows or hides a cursor. The old interface is the one that carries a hotspot without an
    /// atomic client that declares its plane's.
    #[expect(
        deprecated,
        reason = "atomic clients cannot set a hotspot before Linux 6.6"
    )]
    pub(crate) fn set_cursor_image(
        &self,
        screen: &Screen,
        image: Option<&dumbbuffer::DumbBuffer>,
        hotspot: (i32, i32),
    ) -> Result<()> {
        self.set_cursor2(screen.crtc, image, hotspot)
            .map_err(Error::io("set the cursor"))
    }

    /// Moves the cursor's image.
    #[expect(deprecated, reason = "goes with the old interface that sets the image")]
    pub(crate) fn move_cursor_to(&self, screen: &Screen, position: (i32, i32)) -> Result<()> {
        self.move_cursor(screen.crtc, position)
            .map_err(Error::io("move the cursor"))
    }

    fn dumb(&self, picture: &Picture, format: DrmFourcc) -> Result<dumbbuffer::DumbBuffer> {
        self.create_dumb_buffer((picture.width(), picture.height()), format, 32)
            .map_err(Error::io("make a buffer"))
    }

    fn paint_dumb(&self, dumb: &mut dumbbuffer::DumbBuffer, picture: &Picture) -> Result<()> {
        let pitch = usize::try_from(dumb.pitch()).unwrap_or(usize::MAX);
        let mut mapping = self
            .map_dumb_buffer(dumb)
            .map_err(Error::io("map a buffer"))?;
        for (line, row) in mapping.chunks_mut(pitch.max(4)).zip(picture.rows()) {
            for (bytes, pixel) in line.chunks_exact_mut(4).zip(row) {
                bytes.copy_from_slice(&pixel.to_le_bytes());
            }
        }
        Ok(())
    }

    /// Another descriptor of the device, for a mapping that outlives the borrow.
    pub(crate) fn duplicate(&self) -> Result<File> {
        self.0
            .try_clone()
            .map_err(Error::io("duplicate the device's descriptor"))
    }
}

/// A mode that the screen does not list: blanking is small, 60 frames a second.
fn made_up_mode(size: Size) -> Mode {
    let (htotal, vtotal) = (size.width + 160, size.height + 30);
    drm_ffi::drm_mode_modeinfo {
        clock: u32::from(htotal) * u32::from(vtotal) * 60 / 1000,
        hdisplay: size.width,
        hsync_start: size.width + 48,
        hsync_end: size.width + 80,
        htotal,
        hskew: 0,
        vdisplay: size.height,
        vsync_start: size.height + 3,
        vsync_end: size.height + 9,
        vtotal,
        vscan: 0,
        vrefresh: 60,
        flags: 0,
        type_: 0,
        name: [0; 32],
    }
    .into()
}
