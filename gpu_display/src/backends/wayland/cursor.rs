//! Cursors: the pointer's own image while a pointer is in the window, an image over it otherwise.

use gpu_buffer::{Layout, Rect, copy};

use super::link::{Link, Stage};
use super::native::side;
use super::overlay::Overlay;
use super::pointer::PointerImage;
use super::shm::{BufferName, CursorPlace, Owner};
use super::sprite::{Image, Sprite, View};
use super::state::State;
use super::window::Window;
use crate::desktop::Size;
use crate::surfaces::{Configured, Surfaces};
use crate::{DisplayError, Frame, Hotspot, Position, Role, SurfaceId, SurfaceRequest};

/// A cursor surface that has had a frame.
#[derive(Debug)]
pub(super) struct Cursor {
    image: Image,
    /// Those that belong to the image: newer ones are seen with a newer image.
    hotspot: Hotspot,
    parent: SurfaceId,
    overlay: Overlay,
    /// The image as a pointer's, while there is a compositor.
    pointer: Option<Sprite>,
}

impl Cursor {
    fn new(surface: SurfaceId, image: Image, hotspot: Hotspot, parent: SurfaceId) -> Self {
        Self {
            image,
            hotspot,
            parent,
            overlay: Overlay::new(surface),
            pointer: None,
        }
    }

    /// The compositor is gone.
    pub(super) fn close(&mut self) {
        self.overlay.close();
        self.pointer = None;
    }

    /// The compositor has done with a buffer.
    pub(super) fn release(&mut self, place: CursorPlace, number: u64) {
        match place {
            CursorPlace::Overlay => self.overlay.release(number),
            CursorPlace::Pointer => {
                if let Some(sprite) = &mut self.pointer {
                    sprite.release(number);
                }
            }
        }
    }

    /// Makes the image a pointer's; `None` if it has to wait for a buffer, or cannot be.
    fn as_pointer(
        &mut self,
        link: &mut Link,
        surface: SurfaceId,
        window: &Window,
    ) -> Option<PointerImage> {
        if self.pointer.is_none() {
            let owner = Owner::Cursor(surface, CursorPlace::Pointer);
            self.pointer = Sprite::new(link, owner);
        }
        let (across, down) = window.geometry.factors();
        let sprite = self.pointer.as_mut()?;
        let view = View {
            part: self.image.bounds(),
            size: Size::new(
                scaled(self.image.width(), across),
                scaled(self.image.height(), down),
            ),
        };
        if !sprite.draw(link, &mut self.image, &view) {
            return None;
        }
        let factors = match sprite.can_scale() {
            true => (across, down),
            false => (1.0, 1.0),
        };
        let x = self.hotspot.x.min(self.image.width().saturating_sub(1));
        let y = self.hotspot.y.min(self.image.height().saturating_sub(1));
        Some(PointerImage::Shown {
            surface: sprite.surface().clone(),
            hotspot: (side(floored(x, factors.0)), side(floored(y, factors.1))),
        })
    }
}

impl State {
    /// Takes a checked frame of a cursor. Its pixels are copied, and wait here for as long as it takes.
    pub(super) fn present_cursor(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
        frame: &Frame<'_>,
    ) -> Result<(), DisplayError> {
        let Role::Cursor {
            parent, hotspot, ..
        } = request.role
        else {
            return Err(DisplayError::NotACursor { surface });
        };
        let layout = Layout::packed(request.width, request.height, Image::FORMAT)?;
        let bytes = layout.size();
        let out_of_memory = || DisplayError::OutOfMemory { bytes };
        let length = usize::try_from(bytes).map_err(|_| out_of_memory())?;
        let mut pixels = Vec::new();
        pixels
            .try_reserve_exact(length)
            .map_err(|_| out_of_memory())?;
        let memory = frame.pixels.memory();
        copy::read_rect(
            &memory,
            &frame.layout,
            frame.crop,
            Image::FORMAT,
            &mut pixels,
        )?;
        let old = self.cursors.get(&surface).map(|cursor| cursor.parent);
        let image = Image::new(pixels, layout);
        match self.cursors.get_mut(&surface) {
            Some(cursor) => {
                cursor.image.replace(image);
                cursor.hotspot = hotspot;
                cursor.parent = parent;
            }
            None => {
                let cursor = Cursor::new(surface, image, hotspot, parent);
                self.cursors.insert(surface, cursor);
            }
        }
        for parent in old.into_iter().chain([parent]) {
            self.refresh_cursors_over(parent);
        }
        Ok(())
    }

    /// A cursor's request changed. One of another size is hidden until its next frame.
    pub(super) fn cursor_changed(&mut self, surface: SurfaceId, configured: Configured) {
        match (configured, self.cursors.get(&surface)) {
            (_, None) => {}
            (Configured::Resized, Some(_)) => self.forget_cursor(surface),
            (Configured::Placed, Some(cursor)) => self.refresh_cursors_over(cursor.parent),
        }
    }

    /// A cursor's place changed, or it is gone.
    pub(super) fn refresh_cursors_over(&mut self, parent: SurfaceId) {
        if let Some(output) = self.surfaces.output_of(parent) {
            self.refresh_cursors(output);
        }
    }

    /// Moves a cursor.
    pub(super) fn set_position(
        &mut self,
        surface: SurfaceId,
        position: Position,
    ) -> Result<(), DisplayError> {
        self.surfaces.set_position(surface, position)?;
        if let Some(cursor) = self.cursors.get(&surface) {
            self.refresh_cursors_over(cursor.parent);
        }
        Ok(())
    }

    /// Lets go of a cursor.
    pub(super) fn forget_cursor(&mut self, surface: SurfaceId) {
        if let Some(cursor) = self.cursors.remove(&surface) {
            self.refresh_cursors_over(cursor.parent);
        }
    }

    /// Shows the cursors over a window as they are now, at most once for each of its frames: a guest
    /// moves its cursor as often as it likes.
    pub(super) fn refresh_cursors(&mut self, output: u32) {
        let Some(link) = &mut self.link else {
            return;
        };
        let Some(window) = self.windows.get_mut(&output) else {
            return;
        };
        if link.stage != Stage::Online || !window.may_change_cursors() {
            return;
        }
        let scanout = window.scanout;
        let is_pointed_at = link.seats.iter().any(|seat| seat.is_in(output));
        let (mut over, others): (Vec<_>, Vec<_>) = self
            .cursors
            .iter_mut()
            .partition(|(_, cursor)| Some(cursor.parent) == scanout);
        let pointing = match is_pointed_at {
            true => over.pop(),
            false => None,
        };
        let mut changed = false;
        if let Some(native) = window.native() {
            for (_, cursor) in others {
                changed |= cursor.overlay.leave(&native.surface);
            }
        }
        for (surface, cursor) in over {
            let position = position_of(&self.surfaces, *surface);
            changed |= cursor.show_over(link, window, position);
        }
        if is_pointed_at {
            let image = match pointing {
                None => Some(PointerImage::Hidden),
                Some((surface, cursor)) => {
                    changed |= cursor.overlay.hide();
                    cursor.as_pointer(link, *surface, window)
                }
            };
            for seat in &mut link.seats {
                if let (true, Some(image)) = (seat.is_in(output), &image) {
                    changed |= seat.set_image(image);
                }
            }
        }
        if changed {
            window.commit_cursors(link);
        }
    }

    /// The cursors that were changed last are seen.
    pub(super) fn cursors_are_shown(&mut self, output: u32) {
        if let Some(window) = self.windows.get_mut(&output)
            && window.cursors_are_shown()
        {
            self.refresh_cursors(output);
        }
    }

    /// The compositor has done with a buffer of a cursor.
    pub(super) fn release_cursor(
        &mut self,
        surface: SurfaceId,
        place: CursorPlace,
        name: BufferName,
    ) {
        let Some(cursor) = self.cursors.get_mut(&surface) else {
            return;
        };
        cursor.release(place, name.number);
        let parent = cursor.parent;
        // An image may have waited for it.
        self.refresh_cursors_over(parent);
    }
}

impl Cursor {
    /// Shows the image over the window, as far as it is within; whether that changed something.
    fn show_over(&mut self, link: &mut Link, window: &Window, position: Position) -> bool {
        let Some(part) = visible(&self.image, position, window.geometry.picture()) else {
            return self.overlay.hide();
        };
        let Some(native) = window.native() else {
            return false;
        };
        let (across, down) = window.geometry.factors();
        let view = View {
            part,
            size: Size::new(scaled(part.width, across), scaled(part.height, down)),
        };
        let at = |position: i32, factor: f64| {
            let first = u32::try_from(position).unwrap_or(0);
            side(floored(first, factor))
        };
        let place = (at(position.x, across), at(position.y, down));
        self.overlay
            .show(link, &native.surface, &mut self.image, &view, place)
    }
}

fn position_of(surfaces: &Surfaces, cursor: SurfaceId) -> Position {
    match surfaces.get(cursor).map(|request| request.role) {
        Ok(Role::Cursor { position, .. }) => position,
        _ => Position::default(),
    }
}

/// The part of an image at `position` that is within a picture.
fn visible(image: &Image, position: Position, picture: Size) -> Option<Rect> {
    let part = |position: i32, length: u32, limit: u32| {
        let skipped = position.min(0).unsigned_abs();
        let start = u32::try_from(position.max(0)).unwrap_or(0);
        let room = limit.checked_sub(start)?;
        let rest = length.checked_sub(skipped)?.min(room);
        (rest > 0).then_some((skipped, rest))
    };
    let (x, width) = part(position.x, image.width(), picture.width)?;
    let (y, height) = part(position.y, image.height(), picture.height)?;
    Some(Rect::new(x, y, width, height))
}

/// So many pixels in the window's units, at least one.
fn scaled(pixels: u32, factor: f64) -> u32 {
    let units = f64::from(pixels) * factor;
    to_u32(units.round()).max(1)
}

fn floored(pixels: u32, factor: f64) -> u32 {
    to_u32((f64::from(pixels) * factor).floor())
}

fn to_u32(value: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such a cast clamps, and there is no other"
    )]
    let value = value as u32;
    value
}
