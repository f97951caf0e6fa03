//! Windows: xdg-shell and decorations.

use wayland_protocols::xdg::decoration::zv1::server::zxdg_decoration_manager_v1::{
    self, ZxdgDecorationManagerV1,
};
use wayland_protocols::xdg::decoration::zv1::server::zxdg_toplevel_decoration_v1::{
    self, ZxdgToplevelDecorationV1,
};
use wayland_protocols::xdg::shell::server::xdg_surface::{self, XdgSurface};
use wayland_protocols::xdg::shell::server::xdg_toplevel::{self, XdgToplevel};
use wayland_protocols::xdg::shell::server::xdg_wm_base::{self, XdgWmBase};
use wayland_server::backend::ClientId;
use wayland_server::{
    Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
};

use super::surface::{Role, SurfaceIndex};
use super::{Compositor, World};

/// xdg_toplevel.state
pub(crate) const MAXIMIZED: u32 = 1;
pub(crate) const FULLSCREEN: u32 = 2;

/// A window.
#[derive(Debug)]
pub(crate) struct Window {
    /// Number of its surface.
    pub(crate) surface: usize,
    xdg_surface: XdgSurface,
    pub(crate) toplevel: Option<XdgToplevel>,
    pub(crate) open: bool,
    pub(crate) title: String,
    pub(crate) app_id: String,
    pub(crate) min_size: (i32, i32),
    pub(crate) max_size: (i32, i32),
    pub(crate) server_side: bool,
    pub(crate) geometry: Option<(i32, i32, i32, i32)>,
    /// The last configuration that was sent: serial, size, states.
    sent: Option<(u32, (i32, i32), Vec<u32>)>,
    /// The size and states that the client has agreed to.
    acked: Option<((i32, i32), Vec<u32>)>,
    initial: bool,
}

impl World {
    pub(super) fn commit_window(&mut self, index: usize) {
        let window = &mut self.windows[index];
        let surface = &self.surfaces[window.surface];
        if window.initial && window.toplevel.is_some() {
            window.initial = false;
            if surface.buffer.is_some() {
                self.violation("a buffer before the first configuration");
            }
            let (size, states) = (self.first_size, self.first_states.clone());
            self.configure(index, size, &states);
            return;
        }
        let size = surface.size();
        if surface.buffer.is_some() {
            match &window.acked {
                None => self.violation("a buffer before the configuration was acknowledged"),
                Some((asked, states)) if states.contains(&MAXIMIZED) && *asked != size => {
                    let text = format!("{size:?} in a maximized window of {asked:?}");
                    self.violation(text);
                }
                Some(_) => {}
            }
        }
    }

    /// Tells a window how it is to be.
    pub(crate) fn configure(&mut self, window: usize, size: (i32, i32), states: &[u32]) {
        let serial = self.next_serial();
        let window = &mut self.windows[window];
        let bytes = states
            .iter()
            .flat_map(|state| state.to_ne_bytes())
            .collect();
        let toplevel = window.toplevel.as_ref().unwrap();
        toplevel.configure(size.0, size.1, bytes);
        window.xdg_surface.configure(serial);
        window.sent = Some((serial, size, states.to_vec()));
    }
}

impl Compositor {
    /// Tells the only window how it is to be.
    pub(crate) fn configure(&mut self, size: (i32, i32), states: &[u32]) {
        let window = self.world.windows.iter().position(|window| window.open);
        self.world.configure(window.unwrap(), size, states);
        self.listen();
    }
}

impl GlobalDispatch<XdgWmBase, ()> for World {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        wm_base: New<XdgWmBase>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(wm_base, ());
    }
}

impl Dispatch<XdgWmBase, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &XdgWmBase,
        request: xdg_wm_base::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let xdg_wm_base::Request::GetXdgSurface { id, surface } = request {
            let index = world.windows.len();
            let surface = surface.data::<SurfaceIndex>().unwrap().0;
            world.surfaces[surface].role = Role::Window(index);
            world.windows.push(Window {
                surface,
                xdg_surface: init.init(id, index),
                toplevel: None,
                open: true,
                title: String::new(),
                app_id: String::new(),
                min_size: (0, 0),
                max_size: (0, 0),
                server_side: false,
                geometry: None,
                sent: None,
                acked: None,
                initial: true,
            });
        }
    }
}

impl Dispatch<XdgSurface, usize> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &XdgSurface,
        request: xdg_surface::Request,
        index: &usize,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let window = &mut world.windows[*index];
        match request {
            xdg_surface::Request::GetToplevel { id } => {
                window.toplevel = Some(init.init(id, *index));
            }
            xdg_surface::Request::SetWindowGeometry {
                x,
                y,
                width,
                height,
            } => window.geometry = Some((x, y, width, height)),
            xdg_surface::Request::AckConfigure { serial } => match &window.sent {
                Some((sent, size, states)) if *sent == serial => {
                    window.acked = Some((*size, states.clone()));
                }
                // An earlier one: a later acknowledgement follows.
                Some((sent, ..)) if serial < *sent => {}
                _ => world.violation("a configuration that was not sent"),
            },
            _ => {}
        }
    }

    fn destroyed(world: &mut Self, _: ClientId, _: &XdgSurface, index: &usize) {
        world.windows[*index].open = false;
    }
}

impl Dispatch<XdgToplevel, usize> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &XdgToplevel,
        request: xdg_toplevel::Request,
        index: &usize,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let window = &mut world.windows[*index];
        match request {
            xdg_toplevel::Request::SetTitle { title } => window.title = title,
            xdg_toplevel::Request::SetAppId { app_id } => window.app_id = app_id,
            xdg_toplevel::Request::SetMinSize { width, height } => {
                window.min_size = (width, height);
            }
            xdg_toplevel::Request::SetMaxSize { width, height } => {
                window.max_size = (width, height);
            }
            _ => {}
        }
    }
}

impl GlobalDispatch<ZxdgDecorationManagerV1, ()> for World {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZxdgDecorationManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<ZxdgDecorationManagerV1, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZxdgDecorationManagerV1,
        request: zxdg_decoration_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let zxdg_decoration_manager_v1::Request::GetToplevelDecoration { id, toplevel } = request
        {
            init.init(id, *toplevel.data::<usize>().unwrap());
        }
    }
}

impl Dispatch<ZxdgToplevelDecorationV1, usize> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &ZxdgToplevelDecorationV1,
        request: zxdg_toplevel_decoration_v1::Request,
        window: &usize,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if let zxdg_toplevel_decoration_v1::Request::SetMode { mode } = request {
            let server_side = WEnum::Value(zxdg_toplevel_decoration_v1::Mode::ServerSide);
            world.windows[*window].server_side = mode == server_side;
        }
    }
}
