//! An image over a window: a subsurface.

use wayland_client::delegate_noop;
use wayland_client::protocol::wl_region::WlRegion;
use wayland_client::protocol::wl_subsurface::WlSubsurface;
use wayland_client::protocol::wl_surface::WlSurface;

use super::link::Link;
use super::shm::{CursorPlace, Owner};
use super::sprite::{Image, Sprite, View};
use super::state::State;
use crate::SurfaceId;

/// An image over a window, or nothing.
#[derive(Debug)]
pub(super) struct Overlay {
    owner: Owner,
    over: Option<Over>,
}

/// A subsurface.
#[derive(Debug)]
struct Over {
    subsurface: WlSubsurface,
    sprite: Sprite,
    window: WlSurface,
    place: Option<(i32, i32)>,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.subsurface.destroy();
    }
}

impl Overlay {
    pub(super) fn new(cursor: SurfaceId) -> Self {
        Self {
            owner: Owner::Cursor(cursor, CursorPlace::Overlay),
            over: None,
        }
    }

    /// Shows an image at a place of a window, from the window's next commit on; whether that changed
    /// something.
    pub(super) fn show(
        &mut self,
        link: &mut Link,
        window: &WlSurface,
        image: &mut Image,
        view: &View,
        place: (i32, i32),
    ) -> bool {
        if self
            .over
            .as_ref()
            .is_some_and(|over| over.window != *window)
        {
            self.over = None;
        }
        if self.over.is_none() {
            self.over = Over::new(link, window, self.owner);
        }
        let Some(over) = &mut self.over else {
            return false;
        };
        let mut changed = false;
        if !over.sprite.shows(image, view) {
            changed |= over.sprite.draw(link, image, view);
        }
        if over.place != Some(place) {
            over.place = Some(place);
            over.subsurface.set_position(place.0, place.1);
            changed = true;
        }
        changed
    }

    /// Takes the image away; whether there was one.
    pub(super) fn hide(&mut self) -> bool {
        self.over.as_mut().is_some_and(|over| over.sprite.clear())
    }

    /// Takes the image away if it is over this window; whether it was.
    pub(super) fn leave(&mut self, window: &WlSurface) -> bool {
        let is_over = self
            .over
            .as_ref()
            .is_some_and(|over| over.window == *window);
        is_over && self.hide()
    }

    /// The compositor is gone.
    pub(super) fn close(&mut self) {
        self.over = None;
    }

    /// The compositor has done with a buffer.
    pub(super) fn release(&mut self, number: u64) {
        if let Some(over) = &mut self.over {
            over.sprite.release(number);
        }
    }
}

impl Over {
    /// A subsurface without an image, that no pointer notices; `None` if the compositor has none.
    fn new(link: &Link, window: &WlSurface, owner: Owner) -> Option<Self> {
        let subcompositor = link.globals.subcompositor.as_ref()?;
        let compositor = link.globals.compositor.as_ref()?;
        let sprite = Sprite::new(link, owner)?;
        let surface = sprite.surface();
        let subsurface = subcompositor.get_subsurface(surface, window, &link.queue, ());
        subsurface.set_desync();
        let nothing = compositor.create_region(&link.queue, ());
        surface.set_input_region(Some(&nothing));
        nothing.destroy();
        Some(Self {
            subsurface,
            sprite,
            window: window.clone(),
            place: None,
        })
    }
}

delegate_noop!(State: ignore WlRegion);
delegate_noop!(State: ignore WlSubsurface);
