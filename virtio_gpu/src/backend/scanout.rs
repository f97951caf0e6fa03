//! SET_SCANOUT, RESOURCE_FLUSH, and presenting what changed.

use gpu_buffer::Rect;
use gpu_display::{
    Damage, Display, Frame, PixelSource, Presented, Role, SurfaceId, SurfaceRequest,
};

use super::{Backend, Use, refused};
use crate::error::CommandError;
use crate::protocol::{ResourceId, ScanoutId, Success};
use crate::scanout::{ImageState, Pace, Shown};

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
        let layout = *self.resources.get(id)?.layout();
        if rect.is_empty() || !layout.bounds().contains(&rect) {
            return Err(CommandError::RectangleOutside {
                rect,
                width: layout.width(),
                height: layout.height(),
            });
        }
        let shown = Shown { resource: id, rect };
        if self.scanouts.get(index).and_then(|s| s.shown) == Some(shown) {
            return Ok(Success::NoData);
        }
        self.check_shown_bytes(index, rect)?;
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
        scanout.damage = Damage::default();
        scanout.damage_all();
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
        let surfaces = [scanout.cursor.surface.take(), scanout.surface.take()];
        for surface in surfaces.into_iter().flatten() {
            self.display.destroy_surface(surface);
        }
        if let Some(shown) = shown {
            self.unlink(shown.resource, Self::scanout_id(index), Use::Scanout);
        }
    }

    pub(super) fn flush(&mut self, id: ResourceId, rect: Rect) -> Result<Success, CommandError> {
        let resource = self.resources.get(id)?;
        let bounds = resource.layout().bounds();
        if !bounds.contains(&rect) {
            return Err(CommandError::RectangleOutside {
                rect,
                width: bounds.width,
                height: bounds.height,
            });
        }
        let (scanouts, cursors) = (resource.scanouts, resource.cursors);
        for id in scanouts.iter() {
            let index = self.scanout_index(id)?;
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            let Some(shown) = scanout.shown else {
                continue;
            };
            if let Some(damage) = rect
                .intersection(&shown.rect)
                .and_then(|visible| visible.relative_to(shown.rect.x, shown.rect.y))
            {
                scanout.damage.add(damage);
            }
        }
        for id in cursors.iter() {
            let index = self.scanout_index(id)?;
            if let Some(scanout) = self.scanouts.get_mut(index) {
                scanout.cursor.state = ImageState::Changed;
            }
        }
        Ok(Success::NoData)
    }

    /// Hands the damaged part of a scanout to the display. If the display is
    /// busy the damage stays, and grows, until it is ready: then the newest
    /// picture is shown.
    pub(super) fn present_scanout(&mut self, index: usize) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let (Some(shown), Some(surface)) = (scanout.shown, scanout.surface) else {
            return;
        };
        if scanout.damage.is_empty() || scanout.pace == Pace::Busy {
            return;
        }
        let Ok(resource) = self.resources.get(shown.resource) else {
            return;
        };
        let layout = *resource.layout();
        let pixels = match resource.pixels(&mut *self.allocator) {
            Ok(pixels) => pixels,
            Err(error) => {
                refused(&mut self.throttle, "no picture", index, &error);
                scanout.damage = Damage::default();
                return;
            }
        };
        let presented = self.display.present(
            surface,
            &Frame {
                pixels: PixelSource::Memory(pixels.memory()),
                layout,
                crop: shown.rect,
                damage: scanout.damage.rects(),
            },
        );
        match presented {
            Ok(Presented::Taken) => scanout.damage = Damage::default(),
            Ok(Presented::Busy) => scanout.pace = Pace::Busy,
            Err(error) => {
                refused(&mut self.throttle, "no picture", index, &error);
                scanout.damage = Damage::default();
            }
        }
    }

    /// The display has lost what a surface showed.
    pub(super) fn redraw(&mut self, surface: SurfaceId) {
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
