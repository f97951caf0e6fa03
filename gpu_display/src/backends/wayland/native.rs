//! The protocol objects of a window.

use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_protocols::wp::fractional_scale::v1::client::wp_fractional_scale_v1::WpFractionalScaleV1;
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;
use wayland_protocols::xdg::decoration::zv1::client::zxdg_toplevel_decoration_v1::{
    Mode, ZxdgToplevelDecorationV1,
};
use wayland_protocols::xdg::shell::client::xdg_surface::XdgSurface;
use wayland_protocols::xdg::shell::client::xdg_toplevel::XdgToplevel;

use gpu_buffer::Rect;

use super::link::Link;
use super::surface::SurfaceUse;
use crate::desktop::Size;

/// The smallest window that a user can make: there is something to take hold of.
const MIN_SIZE: (i32, i32) = (128, 96);

/// The most characters of a name: four bytes each fit a message.
const MAX_CHARS: usize = 512;

/// How a window introduces itself.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) title: String,
    pub(super) app_id: String,
}

impl Names {
    /// Text is cut to what fits a message, and to its first zero.
    pub(super) fn new(title: &str, app_id: &str) -> Self {
        let fit = |text: &str| -> String {
            let text = text.split('\0').next().unwrap_or("");
            text.chars().take(MAX_CHARS).collect()
        };
        Self {
            title: fit(title),
            app_id: fit(app_id),
        }
    }

    /// The names of an output's window.
    pub(super) fn of_output(&self, output: u32, outputs: u32) -> Self {
        let number = output.saturating_add(1);
        match outputs {
            0 | 1 => self.clone(),
            _ => Self {
                title: format!("{} ({number})", self.title),
                app_id: self.app_id.clone(),
            },
        }
    }
}

/// A window's objects, in the state that the compositor was told.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) surface: WlSurface,
    xdg_surface: XdgSurface,
    toplevel: XdgToplevel,
    decoration: Option<ZxdgToplevelDecorationV1>,
    viewport: Option<WpViewport>,
    fractional: Option<WpFractionalScaleV1>,
    /// A configuration that the next commit keeps to.
    pub(super) ack: Option<u32>,
    size: Option<Size>,
    source: Option<Rect>,
    buffer_scale: i32,
}

impl Native {
    /// Makes a window without a picture. `None` if the compositor has not told of what it needs.
    pub(super) fn new(link: &Link, output: u32, names: &Names) -> Option<Self> {
        let (queue, globals) = (&link.queue, &link.globals);
        let compositor = globals.compositor.as_ref()?;
        let surface = compositor.create_surface(queue, SurfaceUse::Window(output));
        let wm_base = globals.wm_base.as_ref()?;
        let xdg_surface = wm_base.get_xdg_surface(&surface, queue, output);
        let toplevel = xdg_surface.get_toplevel(queue, output);
        toplevel.set_title(names.title.clone());
        toplevel.set_app_id(names.app_id.clone());
        let decoration = globals.decoration.as_ref().map(|manager| {
            let decoration = manager.get_toplevel_decoration(&toplevel, queue, ());
            decoration.set_mode(Mode::ServerSide);
            decoration
        });
        let viewport = globals.viewporter.as_ref();
        let viewport = viewport.map(|viewporter| viewporter.get_viewport(&surface, queue, ()));
        // Without a viewport a window cannot be of another size than its picture.
        let fractional = globals.fractional.as_ref().filter(|_| viewport.is_some());
        let fractional =
            fractional.map(|manager| manager.get_fractional_scale(&surface, queue, output));
        if viewport.is_some() {
            toplevel.set_min_size(MIN_SIZE.0, MIN_SIZE.1);
        }
        surface.commit();
        Some(Self {
            surface,
            xdg_surface,
            toplevel,
            decoration,
            viewport,
            fractional,
            ack: None,
            size: None,
            source: None,
            buffer_scale: 1,
        })
    }

    /// Whether the window can be of another size than its picture.
    pub(super) fn can_scale(&self) -> bool {
        self.viewport.is_some()
    }

    /// Whether the exact scale is told, so that monitors do not matter.
    pub(super) fn is_told_scale(&self) -> bool {
        self.fractional.is_some()
    }

    /// The size of the window, in the compositor's units. Holds with the next commit.
    pub(super) fn set_size(&mut self, size: Size) {
        if self.size == Some(size) {
            return;
        }
        self.size = Some(size);
        let (width, height) = (side(size.width), side(size.height));
        match &self.viewport {
            Some(viewport) => viewport.set_destination(width, height),
            None => {
                self.toplevel.set_min_size(width, height);
                self.toplevel.set_max_size(width, height);
            }
        }
        self.xdg_surface.set_window_geometry(0, 0, width, height);
    }

    /// How many of the buffer's pixels are one unit where there is no viewport.
    pub(super) fn set_buffer_scale(&mut self, scale: i32) {
        if self.buffer_scale != scale {
            self.buffer_scale = scale;
            self.surface.set_buffer_scale(scale);
        }
    }

    /// Shows a buffer, or a part of it. Holds with the next commit.
    pub(super) fn attach(&mut self, buffer: &WlBuffer, source: Option<Rect>) {
        self.surface.attach(Some(buffer), 0, 0);
        if self.source == source {
            return;
        }
        self.source = source;
        if let Some(viewport) = &self.viewport {
            // All -1: the whole buffer.
            let (x, y, width, height) = match source {
                Some(part) => (
                    f64::from(part.x),
                    f64::from(part.y),
                    f64::from(part.width),
                    f64::from(part.height),
                ),
                None => (-1.0, -1.0, -1.0, -1.0),
            };
            viewport.set_source(x, y, width, height);
        }
    }

    /// All that was said holds now.
    pub(super) fn commit(&mut self) {
        if let Some(serial) = self.ack.take() {
            self.xdg_surface.ack_configure(serial);
        }
        self.surface.commit();
    }
}

impl Drop for Native {
    /// Each before what it was made for.
    fn drop(&mut self) {
        if let Some(decoration) = &self.decoration {
            decoration.destroy();
        }
        if let Some(fractional) = &self.fractional {
            fractional.destroy();
        }
        if let Some(viewport) = &self.viewport {
            viewport.destroy();
        }
        self.toplevel.destroy();
        self.xdg_surface.destroy();
        self.surface.destroy();
    }
}

/// Sizes are bounded far below what the protocol can say.
pub(super) fn side(side: u32) -> i32 {
    i32::try_from(side).unwrap_or(i32::MAX)
}
