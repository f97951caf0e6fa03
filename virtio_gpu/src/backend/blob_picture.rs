//! Pictures in guest memory on scanouts and cursors: the guest's pages as they
//! are, where somebody makes a dma-buf of them and the display takes that, and
//! copies of what changed elsewhere.

use std::sync::Arc;

use gpu_buffer::{DrmFourcc, GuestPages, Layout, SharePages};
use gpu_display::{Display, DisplayError, DmaBuf, Frame, PixelSource, Presented};

use super::picture_files::ReadBackAllocator;
use super::{Backend, Left, Outcome, Step, refused};
use crate::blob::Framebuffer;
use crate::copying::{Copied, Copying, GuestPicture, cursor_mirror};
use crate::error::chain_of;
use crate::mirror;
use crate::protocol::{ResourceId, Success};
use crate::scanout::{ImageState, Pace, Shown, Source};

/// How guest blobs are brought to displays.
#[derive(Debug)]
pub(super) struct BlobPictures {
    /// Who makes dma-bufs of the guest's pages; `None` where they are copied.
    sharer: Option<Box<dyn SharePages + Send>>,
    /// Formats of which the display has refused a dma-buf.
    unshown: Vec<DrmFourcc>,
    trouble: Trouble,
}

/// Whether it was told that pages cannot be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Untold,
    Told,
}

impl BlobPictures {
    /// The display may be another one now.
    pub(super) fn display_changed(&mut self) {
        self.unshown.clear();
    }

    fn complain(&mut self, error: &dyn std::error::Error) {
        if self.trouble == Trouble::Untold {
            self.trouble = Trouble::Told;
            let reason = chain_of(error);
            log::warn!("a guest's pages are copied, not shown where they are: {reason}");
        }
    }
}

impl<D: Display> Backend<D> {
    /// Has guest blobs offered. `sharer` makes dma-bufs of the guest's pages;
    /// without one they are copied when they are shown.
    pub fn offer_guest_blobs(&mut self, sharer: Option<Box<dyn SharePages + Send>>) {
        self.blobs = Some(BlobPictures {
            sharer,
            unshown: Vec::new(),
            trouble: Trouble::Untold,
        });
    }

    /// Whether guest blobs are offered.
    pub fn has_guest_blobs(&self) -> bool {
        self.blobs.is_some()
    }

    /// Decides how a picture in guest memory is brought to the display. All of
    /// it is to be presented.
    pub(super) fn choose_blob_source(
        &mut self,
        index: usize,
        shown: Shown,
        framebuffer: Framebuffer,
    ) {
        let pages = self.pages_of(shown.resource, framebuffer);
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        match pages {
            Some(pages) => {
                scanout.source = Source::Pages(pages);
                scanout.damage_all();
            }
            None => copied(&mut scanout.source, shown, framebuffer.layout.format()),
        }
    }

    /// The guest's pages as a dma-buf, if they can be had and shown.
    fn pages_of(&mut self, id: ResourceId, framebuffer: Framebuffer) -> Option<Arc<DmaBuf>> {
        let pictures = self.blobs.as_mut()?;
        let sharer = pictures.sharer.as_mut()?;
        if pictures.unshown.contains(&framebuffer.layout.format()) {
            return None;
        }
        let (blob, memory) = self.resources.get(id).ok()?.blob()?;
        if !framebuffer.has_whole_rows_in(memory?.total()) {
            return None;
        }
        // Each holds a descriptor, of which there are only so many.
        if !blob.is_shared() && self.resources.shared() >= self.limits.shared_resources {
            return None;
        }
        let (blob, memory) = self.resources.get(id).ok()?.blob()?;
        let memory = memory?;
        let picture = blob.picture(framebuffer, || {
            sharer.share_pages(&GuestPages::of_list(memory)?.files()?)
        });
        match picture {
            Ok(picture) => picture,
            Err(error) => {
                pictures.complain(&error);
                None
            }
        }
    }

    /// Hands the guest's pages to the display. One that refuses them gets copies
    /// from now on, of all blobs in the format, until it has lost its picture.
    pub(super) fn present_pages(&mut self, index: usize) -> Step {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Step::Done;
        };
        let (Some(shown), Some(surface), Source::Pages(pages)) =
            (scanout.shown, scanout.surface, &scanout.source)
        else {
            return Step::Done;
        };
        let Some(framebuffer) = shown.framebuffer else {
            return Step::Done;
        };
        let frame = Frame {
            pixels: PixelSource::DmaBuf(pages),
            layout: framebuffer.layout,
            crop: shown.rect,
            damage: scanout.damage.rects(),
        };
        match self.display.present(surface, &frame) {
            Ok(presented) => {
                if presented == Presented::Taken {
                    self.frames.blobs_shared.take();
                }
                scanout.note(presented)
            }
            Err(error @ DisplayError::DmaBufRefused { .. }) => {
                refused(&mut self.throttle, "copies are shown", index, &error);
                if let Some(pictures) = &mut self.blobs {
                    pictures.unshown.push(framebuffer.layout.format());
                }
                self.choose_sources(shown.resource);
                self.present_scanout(index)
            }
            Err(error) => {
                refused(&mut self.throttle, "no picture", index, &error);
                Step::Done
            }
        }
    }

    /// A flush of a blob is done when what it changed was copied, so that the
    /// guest does not draw there before. What cannot be shown yet is not waited
    /// for.
    pub(super) fn end_blob_flush(&mut self, scanouts: &[usize]) -> Outcome {
        let is_copied = |index: &usize| {
            let scanout = self.scanouts.get(*index);
            scanout.is_some_and(|scanout| matches!(scanout.source, Source::Copied(_)))
        };
        if !scanouts.iter().any(is_copied) {
            return Outcome::Done(Ok(Success::NoData));
        }
        let ticket = self.next_ticket();
        self.blob_flushes.push(ticket);
        Outcome::Pending(ticket)
    }

    /// Ends the flushes whose changes were copied; whether copies are not whole
    /// yet.
    pub(super) fn end_copied_flushes(&mut self) -> Left {
        let mut sources = self.scanouts.iter().map(|scanout| &scanout.source);
        if sources.any(|source| matches!(source, Source::Copied(copying) if copying.is_begun())) {
            return Left::More;
        }
        let ended = self.blob_flushes.drain(..);
        self.finished
            .extend(ended.map(|ticket| (ticket, Ok(Success::NoData))));
        Left::Nothing
    }

    /// Copies what changed in a scanout's picture, if the display can take it: a
    /// large part in steps.
    pub(super) fn copy_scanout(&mut self, index: usize) {
        let pixels = self.limits.present_step_bytes / 4;
        let Some(scanout) = self.scanouts.get(index) else {
            return;
        };
        let Source::Copied(copying) = &scanout.source else {
            return;
        };
        if scanout.pace == Pace::Free || copying.is_begun() {
            self.copy_pixels(index, pixels);
        }
    }

    fn copy_pixels(&mut self, index: usize, pixels: u64) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let (Some(shown), Source::Copied(copying)) = (scanout.shown, &mut scanout.source) else {
            return;
        };
        let blob = self.resources.get(shown.resource).ok();
        let memory = blob.and_then(|blob| blob.blob()?.1);
        let (Some(memory), Some(framebuffer)) = (memory, shown.framebuffer) else {
            // The memory is gone. What was copied of it is of no use.
            if copying.is_begun() {
                *copying = Copying::new(*copying.layout());
            }
            return;
        };
        let from = GuestPicture {
            memory,
            framebuffer,
            x: shown.rect.x,
            y: shown.rect.y,
        };
        let mut allocator = ReadBackAllocator {
            memory: self.display.picture_memory(),
            otherwise: &mut *self.allocator,
        };
        match copying.advance(&from, &mut allocator, pixels) {
            Ok(Copied { news, bytes }) => {
                self.frames.blobs_copied.copy(bytes);
                for rect in news.rects() {
                    scanout.damage.add(*rect);
                }
            }
            Err(error) => refused(&mut self.throttle, "no picture", index, &error),
        }
    }

    /// Copies a cursor's image, if it changed.
    pub(super) fn copy_cursor(&mut self, index: usize) {
        let Some(cursor) = self.scanouts.get_mut(index).map(|s| &mut s.cursor) else {
            return;
        };
        let (Some(image), Some(mirror)) = (cursor.image, &mut cursor.mirror) else {
            return;
        };
        let blob = self.resources.get(image).ok();
        let Some((blob, Some(memory))) = blob.and_then(|blob| blob.blob()) else {
            return;
        };
        let Some(framebuffer) = Framebuffer::cursor(blob.size()) else {
            return;
        };
        let from = GuestPicture {
            memory,
            framebuffer,
            x: 0,
            y: 0,
        };
        let copied = match mirror.lend(&mut *self.allocator, mirror::Shown::Yes) {
            Ok(Some(reading)) => {
                let target = reading.target();
                let rects = reading.rects();
                let copied = rects.iter().try_for_each(|rect| from.copy(*rect, &target));
                mirror.finish(reading);
                copied
            }
            Ok(None) => return,
            Err(error) => Err(error),
        };
        match copied {
            Ok(()) => cursor.state = ImageState::Changed,
            Err(error) => {
                refused(&mut self.throttle, "no cursor image", index, &error);
                cursor.mirror = Some(cursor_mirror(framebuffer.layout));
            }
        }
    }

    /// What is behind a blob is other memory than before, or memory again.
    pub(super) fn blob_is_back(&mut self, id: ResourceId) {
        if !self.resources.is_blob(id) {
            return;
        }
        self.choose_sources(id);
        let cursors = self.resources.get(id).map(|blob| blob.cursors);
        for scanout in cursors.into_iter().flat_map(|cursors| cursors.iter()) {
            if let Ok(index) = self.scanout_index(scanout) {
                self.mirror_cursor(index);
            }
        }
    }

    /// Nobody is to read a blob's pages any more that are still the guest's to
    /// show: what shows them shows a copy from now on.
    pub(super) fn let_go_of_pages(&mut self, id: ResourceId) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        let scanouts = resource.scanouts;
        let Some((blob, _)) = resource.blob() else {
            return;
        };
        blob.forget_pages();
        for scanout in scanouts.iter() {
            let Ok(index) = self.scanout_index(scanout) else {
                continue;
            };
            if let Some(scanout) = self.scanouts.get_mut(index)
                && let Some(shown) = scanout.shown
                && let Source::Pages(pages) = &scanout.source
            {
                let format = pages.format;
                copied(&mut scanout.source, shown, format);
                self.copy_pixels(index, u64::MAX);
            }
        }
    }
}

/// Has a picture copied, all of it anew.
fn copied(source: &mut Source, shown: Shown, format: DrmFourcc) {
    let Ok(layout) = Layout::packed(shown.rect.width, shown.rect.height, format) else {
        return;
    };
    match source {
        Source::Copied(copying) if *copying.layout() == layout => copying.restart(),
        source => *source = Source::Copied(Copying::new(layout)),
    }
}
