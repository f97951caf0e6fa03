//! A small image on a Wayland surface of its own.

use gpu_buffer::{DrmFourcc, Layout, Rect};
use vm_memory::VolatileSlice;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;

use super::link::Link;
use super::native::side;
use super::shm::{BufferName, Owner, ShmBuffer};
use super::surface::SurfaceUse;
use crate::desktop::{Copies, Pixels, Size};

/// Pixels of which each colour is multiplied by the alpha.
#[derive(Debug)]
pub(super) struct Image {
    pixels: Vec<u8>,
    layout: Layout,
    /// Counts the images of a cursor.
    generation: u64,
}

impl Image {
    /// How the pixels are kept: what every compositor takes.
    pub(super) const FORMAT: DrmFourcc = DrmFourcc::Argb8888;

    /// An image of `layout.size()` bytes.
    pub(super) fn new(pixels: Vec<u8>, layout: Layout) -> Self {
        Self {
            pixels,
            layout,
            generation: 0,
        }
    }

    /// Becomes another image.
    pub(super) fn replace(&mut self, image: Self) {
        *self = Self {
            generation: self.generation.wrapping_add(1),
            ..image
        };
    }

    pub(super) fn width(&self) -> u32 {
        self.layout.width()
    }

    pub(super) fn height(&self) -> u32 {
        self.layout.height()
    }

    pub(super) fn bounds(&self) -> Rect {
        self.layout.bounds()
    }
}

/// How an image is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The part of it that is.
    pub(super) part: Rect,
    /// How large that is, in the compositor's units.
    pub(super) size: Size,
}

/// A surface for an image.
#[derive(Debug)]
pub(super) struct Sprite {
    surface: WlSurface,
    viewport: Option<WpViewport>,
    owner: Owner,
    copies: Copies<ShmBuffer>,
    last_number: u64,
    /// What is on it.
    shown: Option<(u64, View)>,
}

impl Sprite {
    /// A surface without an image; `None` if the compositor has not told of what it needs.
    pub(super) fn new(link: &Link, owner: Owner) -> Option<Self> {
        let compositor = link.globals.compositor.as_ref()?;
        let surface = compositor.create_surface(&link.queue, SurfaceUse::Cursor);
        let viewporter = link.globals.viewporter.as_ref();
        let viewport =
            viewporter.map(|viewporter| viewporter.get_viewport(&surface, &link.queue, ()));
        Some(Self {
            surface,
            viewport,
            owner,
            copies: Copies::new(),
            last_number: 0,
            shown: None,
        })
    }

    pub(super) fn surface(&self) -> &WlSurface {
        &self.surface
    }

    /// Whether the image can be of another size than its pixels.
    pub(super) fn can_scale(&self) -> bool {
        self.viewport.is_some()
    }

    /// Whether the surface shows exactly this.
    pub(super) fn shows(&self, image: &Image, view: &View) -> bool {
        self.shown == Some((image.generation, *view))
    }

    /// Puts an image on the surface; whether it is there now, or was before. If not, the compositor has
    /// all buffers, or there is no memory.
    pub(super) fn draw(&mut self, link: &mut Link, image: &mut Image, view: &View) -> bool {
        if self.shows(image, view) {
            return true;
        }
        self.copies.damage_all();
        let pixels = Pixels {
            memory: VolatileSlice::from(&mut image.pixels[..]),
            layout: &image.layout,
        };
        self.last_number = self.last_number.wrapping_add(1);
        let name = BufferName {
            owner: self.owner,
            number: self.last_number,
        };
        let make = |layout| ShmBuffer::new(link, layout, name);
        let filled = self.copies.fill(&pixels, view.part, Image::FORMAT, make);
        let number = match filled {
            Ok(Some(filled)) => filled.number,
            Ok(None) => return false,
            Err(error) => {
                log::warn!("a cursor cannot be shown: {error}");
                return false;
            }
        };
        let buffer = self.copies.lent(number).map(ShmBuffer::proxy);
        self.surface.attach(buffer, 0, 0);
        self.surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        if let Some(viewport) = &self.viewport {
            viewport.set_destination(side(view.size.width), side(view.size.height));
        }
        self.surface.commit();
        self.shown = Some((image.generation, *view));
        true
    }

    /// Takes the image away; whether there was one.
    pub(super) fn clear(&mut self) -> bool {
        if self.shown.take().is_none() {
            return false;
        }
        self.surface.attach(None, 0, 0);
        self.surface.commit();
        true
    }

    /// The compositor has done with a buffer.
    pub(super) fn release(&mut self, number: u64) {
        self.copies.release(number);
    }
}

impl Drop for Sprite {
    fn drop(&mut self) {
        if let Some(viewport) = &self.viewport {
            viewport.destroy();
        }
        self.surface.destroy();
    }
}
