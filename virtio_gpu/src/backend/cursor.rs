//! UPDATE_CURSOR and MOVE_CURSOR.

use gpu_display::{
    Display, Frame, Hotspot, PixelSource, Position, Presented, Role, SurfaceRequest,
};

use super::{Backend, Use, refused};
use crate::error::CommandError;
use crate::protocol::{CursorPosition, CursorUpdate, Success};
use crate::scanout::{ImageState, Pace};

impl<D: Display> Backend<D> {
    pub(super) fn update_cursor(&mut self, update: &CursorUpdate) -> Result<Success, CommandError> {
        let scanout_id = update.position.scanout;
        let index = self.scanout_index(scanout_id)?;
        let Some(id) = update.resource else {
            self.hide_cursor(index);
            self.set_cursor_position(index, &update.position);
            return Ok(Success::NoData);
        };
        let layout = self.resources.cursor_layout(id)?;
        if layout.width() > self.limits.cursor_side || layout.height() > self.limits.cursor_side {
            return Err(CommandError::ImpossibleSize {
                width: layout.width(),
                height: layout.height(),
            });
        }
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Err(CommandError::UnknownScanout(scanout_id, 0));
        };
        let before = scanout.cursor.image.replace(id);
        scanout.cursor.hotspot = Hotspot {
            x: update.hot_x,
            y: update.hot_y,
        };
        scanout.cursor.position = Position {
            x: update.position.x,
            y: update.position.y,
        };
        // What was read of the image before is not this one's.
        scanout.cursor.mirror = None;
        if let Some(before) = before {
            self.unlink(before, scanout_id, Use::Cursor);
        }
        self.resources.get(id)?.cursors.insert(scanout_id);
        self.mirror_cursor(index);
        self.place_cursor(index);
        Ok(Success::NoData)
    }

    pub(super) fn move_cursor(
        &mut self,
        position: &CursorPosition,
    ) -> Result<Success, CommandError> {
        let index = self.scanout_index(position.scanout)?;
        self.set_cursor_position(index, position);
        Ok(Success::NoData)
    }

    fn set_cursor_position(&mut self, index: usize, position: &CursorPosition) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        scanout.cursor.position = Position {
            x: position.x,
            y: position.y,
        };
        if let Some(surface) = scanout.cursor.surface
            && let Err(error) = self.display.set_position(surface, scanout.cursor.position)
        {
            refused(&mut self.throttle, "the cursor stays", index, &error);
        }
    }

    /// Takes the cursor off a scanout.
    pub(super) fn hide_cursor(&mut self, index: usize) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let image = scanout.cursor.image.take();
        scanout.cursor.mirror = None;
        if let Some(surface) = scanout.cursor.surface.take() {
            self.display.destroy_surface(surface);
        }
        if let Some(image) = image {
            self.unlink(image, Self::scanout_id(index), Use::Cursor);
        }
    }

    /// Brings the cursor surface in line with the cursor: its size is that of
    /// the image, its parent the scanout's surface. Without a parent there is
    /// none, and the cursor waits for one.
    pub(super) fn place_cursor(&mut self, index: usize) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let cursor = &mut scanout.cursor;
        let (Some(parent), Some(image)) = (scanout.surface, cursor.image) else {
            return;
        };
        let Ok(layout) = self.resources.cursor_layout(image) else {
            return;
        };
        let request = SurfaceRequest {
            role: Role::Cursor {
                parent,
                hotspot: cursor.hotspot,
                position: cursor.position,
            },
            width: layout.width(),
            height: layout.height(),
        };
        let placed = match cursor.surface {
            Some(surface) => self.display.configure_surface(surface, &request),
            None => self.display.create_surface(&request).map(|surface| {
                cursor.surface = Some(surface);
                cursor.pace = Pace::Free;
            }),
        };
        match placed {
            Ok(()) => cursor.state = ImageState::Changed,
            Err(error) => refused(&mut self.throttle, "no cursor", index, &error),
        }
    }

    /// Hands a changed cursor image to the display.
    pub(super) fn present_cursor(&mut self, index: usize) {
        self.read_cursor(index);
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let cursor = &mut scanout.cursor;
        let (Some(image), Some(surface)) = (cursor.image, cursor.surface) else {
            return;
        };
        if cursor.state == ImageState::Presented || cursor.pace == Pace::Busy {
            return;
        }
        let picture = match &cursor.mirror {
            Some(mirror) => mirror.current().map(|pixels| (pixels, *mirror.layout())),
            None => match self.resources.get(image).map(|r| r.host()) {
                Ok(Some(pixels)) => {
                    // Linux puts cursors with alpha in resources of a format
                    // without.
                    let layout = pixels.layout().with_alpha();
                    match pixels.current(&mut *self.allocator) {
                        Ok(pixels) => Some((pixels, layout)),
                        Err(error) => {
                            refused(&mut self.throttle, "no cursor image", index, &error);
                            None
                        }
                    }
                }
                _ => None,
            },
        };
        let Some((pixels, layout)) = picture else {
            return;
        };
        let whole = layout.bounds();
        let presented = self.display.present(
            surface,
            &Frame {
                pixels: PixelSource::Buffer(pixels),
                layout,
                crop: whole,
                damage: &[whole],
            },
        );
        match presented {
            Ok(Presented::Taken) => cursor.state = ImageState::Presented,
            Ok(Presented::Busy) => cursor.pace = Pace::Busy,
            Err(error) => {
                refused(&mut self.throttle, "no cursor image", index, &error);
                cursor.state = ImageState::Presented;
            }
        }
    }
}
