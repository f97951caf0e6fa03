//! Frames on a display device: GBM buffers that GL draws and KMS shows.

#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use drm::buffer::{Buffer as _, DrmFourcc, Handle};
use drm::control::{
    Device as ControlDevice, Event, Mode, PageFlipFlags, connector, crtc, dumbbuffer, framebuffer,
};
use gbm::{BufferObject, BufferObjectFlags};
use kms_probe::{CURSOR_SIDE, Picture};

use crate::egl::{Egl, Window};
use crate::error::{Error, Result};

/// The format of the screen's pixels.
pub(crate) const FORMAT: gbm::Format = gbm::Format::Xrgb8888;

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

    /// A descriptor of the same device, for GBM.
    pub(crate) fn gbm(&self) -> Result<gbm::Device<File>> {
        self.0
            .try_clone()
            .and_then(gbm::Device::new)
            .map_err(Error::io("open the device for GBM"))
    }
}

/// A connected screen and the mode it likes best.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    connector: connector::Handle,
    crtc: crtc::Handle,
    mode: Mode,
}

impl Screen {
    /// The first connected one.
    pub(crate) fn find(card: &Card) -> Result<Self> {
        let resources = card
            .resource_handles()
            .map_err(Error::io("list the device's screens"))?;
        let crtcs = resources.crtcs().iter();
        for (connector, crtc) in resources.connectors().iter().zip(crtcs) {
            let info = card
                .get_connector(*connector, true)
                .map_err(Error::io("probe a screen"))?;
            if let Some(mode) = info.modes().first() {
                return Ok(Self {
                    connector: *connector,
                    crtc: *crtc,
                    mode: *mode,
                });
            }
        }
        Err(Error::NoScreen)
    }

    /// Pixels in a row and rows.
    pub(crate) fn size(&self) -> (u32, u32) {
        let (width, height) = self.mode.size();
        (u32::from(width), u32::from(height))
    }

    /// Buffers for frames of its size.
    pub(crate) fn buffers(&self, device: &gbm::Device<File>) -> Result<Buffers> {
        let (width, height) = self.size();
        let usage = BufferObjectFlags::SCANOUT | BufferObjectFlags::RENDERING;
        device
            .create_surface(width, height, FORMAT, usage)
            .map_err(Error::io("make buffers for the screen"))
    }
}

/// Buffers, each with what KMS calls it once it was shown.
pub(crate) type Buffers = gbm::Surface<framebuffer::Handle>;

/// A screen being drawn on.
pub(crate) struct Show<'a> {
    pub(crate) card: &'a Card,
    pub(crate) screen: Screen,
    pub(crate) egl: &'a Egl<'a>,
    pub(crate) buffers: &'a Buffers,
    pub(crate) window: Window<'a>,
    /// What the screen shows: it must not be drawn to.
    pub(crate) shown: Option<BufferObject<framebuffer::Handle>>,
}

impl Show<'_> {
    /// Shows what was drawn and waits until the screen has it.
    pub(crate) fn present(&mut self) -> Result<()> {
        self.egl.swap(&self.window)?;
        // SAFETY: called once after each swap.
        let front = unsafe { self.buffers.lock_front_buffer() };
        let mut front =
            front.map_err(|error| Error::io("lock the drawn buffer")(io::Error::other(error)))?;
        let framebuffer = self.framebuffer(&mut front)?;
        if self.shown.is_none() {
            self.card
                .set_crtc(
                    self.screen.crtc,
                    Some(framebuffer),
                    (0, 0),
                    &[self.screen.connector],
                    Some(self.screen.mode),
                )
                .map_err(Error::io("set a mode"))?;
        } else {
            self.flip(framebuffer)?;
        }
        self.shown = Some(front);
        Ok(())
    }

    fn flip(&self, framebuffer: framebuffer::Handle) -> Result<()> {
        self.card
            .page_flip(self.screen.crtc, framebuffer, PageFlipFlags::EVENT, None)
            .map_err(Error::io("flip"))?;
        loop {
            let mut events = self
                .card
                .receive_events()
                .map_err(Error::io("wait for a flip"))?;
            if events.any(|event| matches!(event, Event::PageFlip(_))) {
                return Ok(());
            }
        }
    }

    fn framebuffer(
        &self,
        buffer: &mut BufferObject<framebuffer::Handle>,
    ) -> Result<framebuffer::Handle> {
        if let Some(framebuffer) = buffer.userdata() {
            return Ok(*framebuffer);
        }
        let handle = buffer.handle();
        // SAFETY: on Linux's DRM every value of the union is this one.
        let number = unsafe { handle.u32_ };
        let described = Described {
            size: (buffer.width(), buffer.height()),
            pitch: buffer.stride(),
            handle: NonZeroU32::new(number)
                .ok_or_else(|| Error::io("name a buffer")(io::ErrorKind::InvalidData.into()))?
                .into(),
        };
        let framebuffer = self
            .card
            .add_framebuffer(&described, 24, 32)
            .map_err(Error::io("make a framebuffer"))?;
        buffer.set_userdata(framebuffer);
        Ok(framebuffer)
    }

    /// Gives the screen a cursor.
    #[expect(
        deprecated,
        reason = "atomic clients cannot set a hotspot before Linux 6.6"
    )]
    pub(crate) fn set_cursor(&self, image: &Picture) -> Result<dumbbuffer::DumbBuffer> {
        let mut dumb = self
            .card
            .create_dumb_buffer((CURSOR_SIDE, CURSOR_SIDE), DrmFourcc::Argb8888, 32)
            .map_err(Error::io("make a cursor"))?;
        let pitch = usize::try_from(dumb.pitch()).unwrap_or(usize::MAX).max(4);
        let mut mapping = self
            .card
            .map_dumb_buffer(&mut dumb)
            .map_err(Error::io("map a cursor"))?;
        for (line, row) in mapping.chunks_mut(pitch).zip(image.rows()) {
            for (bytes, pixel) in line.chunks_exact_mut(4).zip(row) {
                bytes.copy_from_slice(&pixel.to_le_bytes());
            }
        }
        drop(mapping);
        self.card
            .set_cursor2(self.screen.crtc, Some(&dumb), (0, 0))
            .map_err(Error::io("set the cursor"))?;
        Ok(dumb)
    }

    /// Moves the cursor.
    #[expect(deprecated, reason = "goes with the old interface that sets the image")]
    pub(crate) fn move_cursor(&self, (x, y): (u32, u32)) -> Result<()> {
        let pixel = |value: u32| i32::try_from(value).unwrap_or(0);
        self.card
            .move_cursor(self.screen.crtc, (pixel(x), pixel(y)))
            .map_err(Error::io("move the cursor"))
    }
}

/// A buffer in the words of KMS.
struct Described {
    size: (u32, u32),
    pitch: u32,
    handle: Handle,
}

impl drm::buffer::Buffer for Described {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn format(&self) -> DrmFourcc {
        DrmFourcc::Xrgb8888
    }

    fn pitch(&self) -> u32 {
        self.pitch
    }

    fn handle(&self) -> Handle {
        self.handle
    }
}
