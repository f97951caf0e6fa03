//! Surfaces, and what a commit does.

use wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::WpPresentationFeedback;
use wayland_server::backend::ClientId;
use wayland_server::protocol::wl_buffer::WlBuffer;
use wayland_server::protocol::wl_callback::{self, WlCallback};
use wayland_server::protocol::wl_compositor::{self, WlCompositor};
use wayland_server::protocol::wl_surface::{self, WlSurface};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::{Picture, Releases, World, shm};

/// Number of a surface in [`World::surfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SurfaceIndex(pub(crate) usize);

/// What a surface was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    None,
    /// Number of its window.
    Window(usize),
    Overlay,
    Pointer,
}

/// Rectangles of damage: x, y, width, height.
pub(crate) type Damage = Vec<(i32, i32, i32, i32)>;

/// What a client has said and not committed.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    buffer: Option<Option<WlBuffer>>,
    damage: Damage,
    callbacks: Vec<WlCallback>,
    pub(crate) feedbacks: Vec<WpPresentationFeedback>,
    scale: Option<i32>,
    pub(crate) source: Option<Option<(f64, f64, f64, f64)>>,
    pub(crate) destination: Option<Option<(i32, i32)>>,
}

/// A surface.
#[derive(Debug)]
pub(crate) struct Surface {
    pub(crate) resource: WlSurface,
    pub(crate) role: Role,
    pub(crate) alive: bool,
    pub(crate) pending: Pending,
    pub(crate) buffer: Option<WlBuffer>,
    /// Whether it was not released.
    kept: bool,
    pub(crate) scale: i32,
    /// x, y, width, height of the part of the buffer that is shown.
    pub(crate) source: Option<(f64, f64, f64, f64)>,
    pub(crate) destination: Option<(i32, i32)>,
    /// The pixels, of which only damaged ones were ever looked at.
    pub(crate) screen: Option<Picture>,
    /// The damage of each commit with a buffer.
    /// Number of the surface that it lies over, and where: now, and from that one's next commit on.
    pub(crate) parent: Option<usize>,
    pub(crate) place: (i32, i32),
    pub(crate) next_place: Option<(i32, i32)>,
    /// Whether clicks go to what is below.
    pub(crate) lets_clicks_through: bool,
    pub(crate) damages: Vec<Damage>,
    pub(crate) commits: u32,
}

impl Surface {
    /// The size on the screen.
    pub(crate) fn size(&self) -> (i32, i32) {
        if let Some(destination) = self.destination {
            return destination;
        }
        let (width, height) = self.buffer.as_ref().map_or((0, 0), shm::size);
        (width / self.scale, height / self.scale)
    }

    fn show(&mut self, buffer: &WlBuffer, damage: &Damage) {
        let picture = shm::read(buffer);
        let size = (picture.width, picture.height);
        match &mut self.screen {
            Some(screen) if (screen.width, screen.height) == size => {
                for rect in damage {
                    screen.update(&picture, *rect);
                }
            }
            // As far as was damaged: what was not is black.
            screen => {
                let mut fresh = Picture::new(size.0, size.1);
                for rect in damage {
                    fresh.update(&picture, *rect);
                }
                *screen = Some(fresh);
            }
        }
    }
}

impl World {
    fn commit(&mut self, index: SurfaceIndex) {
        let releases = self.releases;
        let surface = &mut self.surfaces[index.0];
        surface.commits += 1;
        let pending = std::mem::take(&mut surface.pending);
        if let Some(scale) = pending.scale {
            surface.scale = scale;
        }
        if let Some(source) = pending.source {
            surface.source = source;
        }
        if let Some(destination) = pending.destination {
            surface.destination = destination;
        }
        let mut wrong = Vec::new();
        match pending.buffer {
            Some(Some(buffer)) => {
                if !buffer.is_alive() {
                    wrong.push("a buffer that was destroyed");
                }
                let old = surface.buffer.replace(buffer.clone());
                surface.show(&buffer, &pending.damage);
                surface.damages.push(pending.damage);
                let mut releasing = Vec::new();
                let kept = std::mem::take(&mut surface.kept);
                match releases {
                    Releases::Never => surface.kept = kept,
                    _ => releasing.extend(old.filter(|old| kept && *old != buffer)),
                }
                match releases {
                    Releases::AtOnce => releasing.push(buffer),
                    Releases::Twice => releasing.extend([buffer.clone(), buffer]),
                    Releases::OnReplace | Releases::Never => surface.kept = true,
                }
                for buffer in releasing.iter().filter(|buffer| buffer.is_alive()) {
                    buffer.release();
                }
            }
            Some(None) => {
                surface.buffer = None;
                surface.screen = None;
            }
            None => {
                let shown = surface.buffer.as_ref();
                if shown.is_some_and(|buffer| !buffer.is_alive()) {
                    wrong.push("the buffer that is shown was destroyed");
                }
            }
        }
        if let Some(buffer) = &surface.buffer {
            let (width, height) = shm::size(buffer);
            if width % surface.scale != 0 || height % surface.scale != 0 {
                wrong.push("a buffer that the scale does not divide");
            }
            if let Some((x, y, w, h)) = surface.source
                && (x < 0.0 || y < 0.0 || x + w > f64::from(width) || y + h > f64::from(height))
            {
                wrong.push("a source outside of its buffer");
            }
        }
        self.callbacks.extend(pending.callbacks);
        self.feedbacks.extend(pending.feedbacks);
        self.violations.extend(wrong.into_iter().map(String::from));
        for surface in &mut self.surfaces {
            if surface.parent == Some(index.0)
                && let Some(place) = surface.next_place.take()
            {
                surface.place = place;
            }
        }
        if let Role::Window(window) = self.surfaces[index.0].role {
            self.commit_window(window);
        }
    }
}

impl GlobalDispatch<WlCompositor, ()> for World {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        compositor: New<WlCompositor>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(compositor, ());
    }
}

impl Dispatch<WlCompositor, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlCompositor,
        request: wl_compositor::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_compositor::Request::CreateRegion { id } = request {
            init.init(id, ());
        } else if let wl_compositor::Request::CreateSurface { id } = request {
            let index = SurfaceIndex(world.surfaces.len());
            let resource = init.init(id, index);
            world.surfaces.push(Surface {
                resource,
                role: Role::None,
                alive: true,
                pending: Pending::default(),
                buffer: None,
                kept: false,
                scale: 1,
                source: None,
                destination: None,
                screen: None,
                parent: None,
                place: (0, 0),
                next_place: None,
                lets_clicks_through: false,
                damages: Vec::new(),
                commits: 0,
            });
        }
    }
}

impl Dispatch<WlSurface, SurfaceIndex> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlSurface,
        request: wl_surface::Request,
        index: &SurfaceIndex,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let pending = &mut world.surfaces[index.0].pending;
        match request {
            wl_surface::Request::Attach { buffer, .. } => pending.buffer = Some(buffer),
            wl_surface::Request::DamageBuffer {
                x,
                y,
                width,
                height,
            } => pending.damage.push((x, y, width, height)),
            wl_surface::Request::Damage { .. } => world.violation("damage of the surface"),
            wl_surface::Request::Frame { callback } => {
                pending.callbacks.push(init.init(callback, ()));
            }
            wl_surface::Request::SetBufferScale { scale } => pending.scale = Some(scale),
            wl_surface::Request::SetInputRegion { region } => {
                world.surfaces[index.0].lets_clicks_through = region.is_some();
            }
            wl_surface::Request::Commit => world.commit(*index),
            _ => {}
        }
    }

    fn destroyed(world: &mut Self, _: ClientId, _: &WlSurface, index: &SurfaceIndex) {
        world.surfaces[index.0].alive = false;
    }
}

impl Dispatch<WlCallback, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlCallback,
        _: wl_callback::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}
