//! SET_SCANOUT, RESOURCE_FLUSH, and presenting what changed.

use gpu_buffer::Rect;
use gpu_display::{
    Damage, Display, Frame, PixelSource, Presented, Role, SurfaceId, SurfaceRequest,
};

use super::read_back::Read;
use super::{Backend, Outcome, Step, Use, refused};
use crate::error::CommandError;
use crate::protocol::{ResourceId, ScanoutId, Success};
use crate::scanout::{ImageState, Pace, Scanout, Shown, Source, split};

impl<D: Display> Backend<D> {
    pub(super) fn set_scanout(
        &mut self,
        scanout_id: ScanoutId,
        resource: Option<ResourceId>,
        rect: Rect,
    ) -> Result<Success, CommandError> {
        let index = self.scanout_index(scanout_id)?;
        let Some(id) = resource else {
            self.disable(index);
            return Ok(Success::NoData);
        };
        let layout = self.resources.layout(id)?;
        if rect.is_empty() || !layout.bounds().contains(&rect) {
            return Err(CommandError::RectangleOutside {
                rect,
                width: layout.width(),
                height: layout.height(),
            });
        }
        let shown = Shown {
            resource: id,
            rect,
            framebuffer: None,
        };
        self.show(scanout_id, index, shown)
    }

    /// Has a scanout show what was checked.
    pub(super) fn show(
        &mut self,
        scanout_id: ScanoutId,
        index: usize,
        shown: Shown,
    ) -> Result<Success, CommandError> {
        let Shown {
            resource: id, rect, ..
        } = shown;
        if self.scanouts.get(index).and_then(|s| s.shown) == Some(shown) {
            return Ok(Success::NoData);
        }
        self.check_shown_bytes(index, rect)?;
        self.move_to_file(id, index);
        if let Some(pixels) = self.resources.get(id)?.host() {
            // Now, while the guest can still be told that there is no memory.
            pixels
                .current(&mut *self.allocator)
                .map_err(|source| CommandError::Buffer(id, source))?;
        }
        let request = SurfaceRequest {
            role: Role::Scanout {
                output: scanout_id.0,
            },
            width: rect.width,
            height: rect.height,
        };
        self.put_surface(index, &request)
            .map_err(|source| CommandError::Display(scanout_id, source))?;
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Err(CommandError::UnknownScanout(scanout_id, 0));
        };
        let before = scanout.shown.replace(shown);
        // Whatever was to be presented belongs to the picture before; all of
        // this one is new to the surface.
        self.choose_source(index);
        if let Some(before) = before
            && before.resource != id
        {
            self.unlink(before.resource, scanout_id, Use::Scanout);
        }
        self.resources.get(id)?.scanouts.insert(scanout_id);
        self.place_cursor(index);
        Ok(Success::NoData)
    }

    /// Refuses a scanout that would take the pixels of all of them past the
    /// limit.
    fn check_shown_bytes(&self, index: usize, rect: Rect) -> Result<(), CommandError> {
        let others = self.scanouts.iter().enumerate();
        let area = others
            .filter(|(other, _)| *other != index)
            .filter_map(|(_, scanout)| scanout.shown)
            .fold(rect.area(), |sum, shown| {
                sum.saturating_add(shown.rect.area())
            });
        if area.saturating_mul(4) > self.limits.shown_bytes {
            return Err(CommandError::LimitReached {
                what: "bytes on all scanouts",
                limit: self.limits.shown_bytes,
            });
        }
        Ok(())
    }

    /// Makes the scanout's surface, or gives it a new size.
    fn put_surface(
        &mut self,
        index: usize,
        request: &SurfaceRequest,
    ) -> Result<(), gpu_display::DisplayError> {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Ok(());
        };
        let size = scanout
            .shown
            .map(|shown| (shown.rect.width, shown.rect.height));
        match scanout.surface {
            Some(_) if size == Some((request.width, request.height)) => Ok(()),
            Some(surface) => self.display.configure_surface(surface, request),
            None => {
                scanout.surface = Some(self.display.create_surface(request)?);
                scanout.pace = Pace::Free;
                Ok(())
            }
        }
    }

    /// Switches a scanout off. Its cursor is remembered and comes back with
    /// it.
    pub(super) fn disable(&mut self, index: usize) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let shown = scanout.shown.take();
        scanout.damage = Damage::default();
        scanout.source = Source::Host;
        let surfaces = [scanout.cursor.surface.take(), scanout.surface.take()];
        for surface in surfaces.into_iter().flatten() {
            self.display.destroy_surface(surface);
        }
        if let Some(shown) = shown {
            self.unlink(shown.resource, Self::scanout_id(index), Use::Scanout);
        }
    }

    pub(super) fn flush(&mut self, id: ResourceId, rect: Rect) -> Outcome {
        let resource = match self.resources.get(id) {
            Ok(resource) => resource,
            Err(error) => return Outcome::Done(Err(error)),
        };
        let is_blob = resource.is_blob();
        let bounds = resource.layout().map(gpu_buffer::Layout::bounds);
        match bounds {
            Some(bounds) if bounds.contains(&rect) => {}
            // Each scanout says where in it there is a picture.
            None if is_blob => {}
            Some(Rect { width, height, .. }) => {
                return Outcome::Done(Err(CommandError::RectangleOutside {
                    rect,
                    width,
                    height,
                }));
            }
            None => return Outcome::Done(Err(CommandError::NotAPicture(id))),
        }
        let rendered = resource.is_rendered();
        let (scanouts, cursors) = (resource.scanouts, resource.cursors);
        let shown = scanouts.iter().filter_map(|id| self.scanout_index(id).ok());
        let shown: Vec<usize> = shown.collect();
        for index in &shown {
            self.flush_scanout(*index, rect);
        }
        for id in cursors.iter() {
            if let Ok(index) = self.scanout_index(id) {
                self.mirror_cursor(index);
            }
        }
        match (rendered, is_blob) {
            (true, _) => self.end_flush(&shown),
            (false, true) => self.end_blob_flush(&shown),
            (false, false) => Outcome::Done(Ok(Success::NoData)),
        }
    }

    /// Notes what a flush changed on one scanout.
    fn flush_scanout(&mut self, index: usize, rect: Rect) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let Some(shown) = scanout.shown else {
            return;
        };
        let damage = rect
            .intersection(&shown.rect)
            .and_then(|visible| visible.relative_to(shown.rect.x, shown.rect.y));
        let Some(damage) = damage else {
            return;
        };
        match &mut scanout.source {
            Source::Host | Source::Pages(_) => scanout.damage.add(damage),
            Source::Copied(copying) => copying.damage(damage),
            Source::Mirror(mirror) => mirror.damage(damage),
            Source::Unread => self.choose_source(index),
            Source::Shared { undrawn } => undrawn.add(damage),
        }
    }

    /// Reads what a flush changed, now: what the guest draws next may go
    /// somewhere else, or into the same picture. The flush is done when all
    /// of it was read; what cannot be read yet is not waited for. A picture
    /// that is shared is not read, but the flush is done when it is drawn.
    fn end_flush(&mut self, scanouts: &[usize]) -> Outcome {
        let mut last = None;
        for index in scanouts {
            if let Read::Begun(job) = self.prepare(*index) {
                last = Some(job);
            }
        }
        let ticket = self.next_ticket();
        match (last, &mut self.rendering) {
            (Some(last), Some(rendering)) => {
                rendering.flush_with(last, ticket);
                Outcome::Pending(ticket)
            }
            _ => Outcome::Done(Ok(Success::NoData)),
        }
    }

    /// Hands the damaged part of a scanout to the display, a large one in
    /// steps. If the display is busy or fails the damage stays, and grows,
    /// until it can be presented: then the newest picture is shown.
    pub(super) fn present_scanout(&mut self, index: usize) -> Step {
        self.prepare(index);
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Step::Done;
        };
        let (Some(shown), Some(surface)) = (scanout.shown, scanout.surface) else {
            return Step::Done;
        };
        if scanout.damage.is_empty() {
            return Step::Done;
        }
        if scanout.pace == Pace::Busy {
            return Step::Refused;
        }
        let (now, later) = split(&scanout.damage, self.limits.present_step_bytes / 4);
        let picture = match &scanout.source {
            Source::Shared { .. } => return self.present_shared(index),
            Source::Pages(_) => return self.present_pages(index),
            Source::Unread => None,
            Source::Mirror(mirror) => mirror
                .current()
                .map(|pixels| (pixels, *mirror.layout(), mirror.layout().bounds())),
            Source::Copied(copying) => copying
                .current()
                .map(|pixels| (pixels, *copying.layout(), copying.layout().bounds())),
            Source::Host => match self.resources.get(shown.resource).map(|r| r.host()) {
                Ok(Some(pixels)) => {
                    let layout = *pixels.layout();
                    match pixels.current(&mut *self.allocator) {
                        Ok(pixels) => Some((pixels, layout, shown.rect)),
                        Err(error) => {
                            refused(&mut self.throttle, "no picture", index, &error);
                            None
                        }
                    }
                }
                _ => None,
            },
        };
        let Some((pixels, layout, crop)) = picture else {
            return Step::Done;
        };
        let presented = self.display.present(
            surface,
            &Frame {
                pixels: PixelSource::Buffer(pixels),
                layout,
                crop,
                damage: &now,
            },
        );
        match presented {
            Ok(Presented::Taken) if !later.is_empty() => {
                scanout.damage = later;
                Step::More
            }
            Ok(presented) => {
                let step = scanout.note(presented);
                if presented == Presented::Taken {
                    let way = match &scanout.source {
                        Source::Mirror(_) => &mut self.frames.textures_read,
                        Source::Copied(_) => &mut self.frames.blobs_copied,
                        _ => &mut self.frames.transferred,
                    };
                    way.take();
                }
                step
            }
            Err(error) => {
                refused(&mut self.throttle, "no picture", index, &error);
                Step::Done
            }
        }
    }

    /// The display has lost what a surface showed. It may be another one now,
    /// with other abilities.
    pub(super) fn redraw(&mut self, surface: SurfaceId) {
        if let Some(rendering) = &mut self.rendering {
            rendering.unshown.clear();
        }
        if let Some(blobs) = &mut self.blobs {
            blobs.display_changed();
        }
        for scanout in &mut self.scanouts {
            if scanout.surface == Some(surface) {
                scanout.pace = Pace::Free;
                scanout.damage_all();
            }
            if scanout.cursor.surface == Some(surface) {
                scanout.cursor.pace = Pace::Free;
                scanout.cursor.state = ImageState::Changed;
            }
        }
    }
}

impl Scanout {
    /// Takes in what became of a frame with all of the damage.
    pub(super) fn note(&mut self, presented: Presented) -> Step {
        match presented {
            Presented::Taken => {
                self.damage = Damage::default();
                Step::Done
            }
            Presented::Busy => {
                self.pace = Pace::Busy;
                Step::Refused
            }
        }
    }
}
