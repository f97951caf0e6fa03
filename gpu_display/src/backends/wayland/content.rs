//! What a window shows, and in which buffer: the device's own, or a copy.

use gpu_buffer::{DrmFourcc, Layout, Rect};
use wayland_client::protocol::wl_buffer::WlBuffer;

use super::import::Imports;
use super::link::Link;
use super::shm::{BufferName, InFile, Owner, ShmBuffer, Told, create_buffer};
use super::statistics::WaylandStatistics;
use crate::desktop::{Copies, Pixels, SharedBuffers, Size, View, opaque_format, shareable};
use crate::{DisplayError, Frame, PixelSource};

/// Buffers that the compositor may have of one window: one shown, one on its way, one being drawn.
const MAX_IN_FLIGHT: usize = 3;

/// The buffers of a window.
#[derive(Debug)]
pub(super) struct Content {
    owner: Owner,
    copies: Copies<ShmBuffer>,
    shared: SharedBuffers<Told>,
    pub(super) imports: Imports,
    last_number: u64,
    /// What is shown where there is no picture.
    black: Option<(Size, ShmBuffer)>,
}

/// A buffer to show.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) proxy: WlBuffer,
    /// The part of it that is the picture, `None` if that is all of it.
    pub(super) source: Option<Rect>,
}

impl Content {
    pub(super) fn new(owner: Owner) -> Self {
        Self {
            owner,
            copies: Copies::new(),
            shared: SharedBuffers::new(),
            imports: Imports::default(),
            last_number: 0,
            black: None,
        }
    }

    /// Whether the compositor has given back enough buffers for another picture.
    pub(super) fn has_room(&self) -> bool {
        let in_flight = [
            self.copies.in_flight(),
            self.shared.in_flight(),
            self.imports.in_flight(),
        ];
        in_flight.into_iter().fold(0, usize::saturating_add) < MAX_IN_FLIGHT
    }

    /// Puts a checked frame into a buffer. `None` if there is none for it yet.
    ///
    /// # Errors
    /// [`DisplayError::Pixels`], [`DisplayError::OutOfMemory`], [`DisplayError::DmaBufRefused`].
    pub(super) fn take(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        statistics: &mut WaylandStatistics,
    ) -> Result<Option<Attachment>, DisplayError> {
        for rect in frame.damage {
            self.copies.damage(*rect);
        }
        self.last_number = self.last_number.wrapping_add(1);
        let name = BufferName {
            owner: self.owner,
            number: self.last_number,
        };
        if let PixelSource::DmaBuf(buffer) = frame.pixels {
            let whole = frame.crop == Rect::from_size(buffer.width, buffer.height);
            if !whole && link.globals.viewporter.is_none() {
                return Err(DisplayError::DmaBufRefused {
                    format: buffer.format,
                    modifier: buffer.modifier,
                });
            }
            let Some(proxy) = self.imports.lend(link, buffer, name)? else {
                return Ok(None);
            };
            statistics.shared_frames = statistics.shared_frames.saturating_add(1);
            let source = (!whole).then_some(frame.crop);
            return Ok(Some(Attachment { proxy, source }));
        }
        let format = opaque_format(frame.layout.format());
        if link.takes(format)
            && let Some(proxy) = self.share(link, frame, format, name)
        {
            statistics.shared_frames = statistics.shared_frames.saturating_add(1);
            let source = None;
            return Ok(Some(Attachment { proxy, source }));
        }
        let pixels = Pixels {
            memory: frame.pixels.memory(),
            layout: &frame.layout,
        };
        let target = match link.takes(format) {
            true => format,
            false => DrmFourcc::Xrgb8888,
        };
        let make = |layout| ShmBuffer::new(link, layout, name);
        let Some(filled) = self.copies.fill(&pixels, frame.crop, target, make)? else {
            return Ok(None);
        };
        statistics.copied_bytes = statistics.copied_bytes.saturating_add(filled.bytes);
        let buffer = self.copies.lent(filled.number);
        Ok(buffer.map(|buffer| Attachment {
            proxy: buffer.proxy().clone(),
            source: None,
        }))
    }

    /// Makes the frame's own memory the compositor's, if that is worth it and possible.
    fn share(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        format: DrmFourcc,
        name: BufferName,
    ) -> Option<WlBuffer> {
        let buffer = shareable(frame)?;
        let fd = buffer.shared_fd()?;
        let picture = InFile {
            fd,
            layout: &frame.layout,
            crop: frame.crop,
            format,
        };
        let crop = frame.crop;
        let tell = || {
            let proxy = create_buffer(link, &picture, name)?;
            Some((name.number, Told(proxy)))
        };
        let view = View { crop, format };
        let told = self.shared.lend(buffer, view, tell)?;
        Some(told.0.clone())
    }

    /// A black picture.
    ///
    /// # Errors
    /// [`DisplayError::Pixels`], [`DisplayError::OutOfMemory`].
    pub(super) fn black(&mut self, link: &mut Link, size: Size) -> Result<WlBuffer, DisplayError> {
        if let Some((old, buffer)) = &self.black
            && *old == size
        {
            return Ok(buffer.proxy().clone());
        }
        let layout = Layout::packed(size.width, size.height, DrmFourcc::Xrgb8888)?;
        let name = BufferName {
            owner: Owner::Nobody,
            number: 0,
        };
        let (_, buffer) = self
            .black
            .insert((size, ShmBuffer::new(link, layout, name)?));
        Ok(buffer.proxy().clone())
    }

    /// The picture is another one.
    pub(super) fn damage_all(&mut self) {
        self.copies.damage_all();
    }

    /// The compositor has done with a buffer.
    pub(super) fn release(&mut self, proxy: &WlBuffer, number: u64) {
        // Only one of them had it.
        let _ = self.copies.release(number)
            || self.shared.release(number)
            || self.imports.release(proxy);
    }

    /// Tells the compositor of others' buffers that are gone.
    pub(super) fn prune(&mut self) {
        self.shared.prune();
        self.imports.prune();
    }

    /// Lets go of the pictures of a surface that is gone.
    pub(super) fn forget_picture(&mut self) {
        self.shared.clear();
        self.imports.forget();
        self.copies.clear();
    }

    /// Forgets all buffers: there is no compositor that has them.
    pub(super) fn clear(&mut self) {
        self.forget_picture();
        self.imports.clear();
        self.black = None;
    }
}
