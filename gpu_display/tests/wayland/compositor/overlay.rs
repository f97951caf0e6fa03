//! Subsurfaces and regions.

use wayland_server::backend::ClientId;
use wayland_server::protocol::wl_region::{self, WlRegion};
use wayland_server::protocol::wl_subcompositor::{self, WlSubcompositor};
use wayland_server::protocol::wl_subsurface::{self, WlSubsurface};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::surface::{Role, Surface, SurfaceIndex};
use super::{Pair, Picture, World};

impl World {
    /// The images over windows: where, how large, and what.
    pub(crate) fn overlays(&self) -> Vec<(Pair, Pair, &Picture)> {
        let over = |surface: &&Surface| surface.alive && surface.parent.is_some();
        let surfaces = self.surfaces.iter().filter(over);
        surfaces
            .filter_map(|surface| {
                assert!(surface.lets_clicks_through);
                Some((surface.place, surface.size(), surface.screen.as_ref()?))
            })
            .collect()
    }
}

impl GlobalDispatch<WlSubcompositor, ()> for World {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        subcompositor: New<WlSubcompositor>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(subcompositor, ());
    }
}

impl Dispatch<WlSubcompositor, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlSubcompositor,
        request: wl_subcompositor::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_subcompositor::Request::GetSubsurface {
            id,
            surface,
            parent,
        } = request
        {
            let index = *surface.data::<SurfaceIndex>().unwrap();
            let parent = parent.data::<SurfaceIndex>().unwrap().0;
            if world.surfaces[index.0].role != Role::None {
                world.violation("a surface of two roles");
            }
            world.surfaces[index.0].role = Role::Overlay;
            world.surfaces[index.0].parent = Some(parent);
            init.init(id, index);
        }
    }
}

impl Dispatch<WlSubsurface, SurfaceIndex> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlSubsurface,
        request: wl_subsurface::Request,
        index: &SurfaceIndex,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if let wl_subsurface::Request::SetPosition { x, y } = request {
            world.surfaces[index.0].next_place = Some((x, y));
        }
    }

    fn destroyed(world: &mut Self, _: ClientId, _: &WlSubsurface, index: &SurfaceIndex) {
        world.surfaces[index.0].parent = None;
    }
}

impl Dispatch<WlRegion, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlRegion,
        request: wl_region::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if !matches!(request, wl_region::Request::Destroy) {
            world.violation("a region that is not empty");
        }
    }
}
