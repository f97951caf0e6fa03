//! Viewports, fractional scales, monitors.

use wayland_protocols::wp::fractional_scale::v1::server::wp_fractional_scale_manager_v1::{
    self, WpFractionalScaleManagerV1,
};
use wayland_protocols::wp::fractional_scale::v1::server::wp_fractional_scale_v1::{
    self, WpFractionalScaleV1,
};
use wayland_protocols::wp::viewporter::server::wp_viewport::{self, WpViewport};
use wayland_protocols::wp::viewporter::server::wp_viewporter::{self, WpViewporter};
use wayland_server::protocol::wl_output::{self, WlOutput};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::surface::SurfaceIndex;
use super::{Compositor, World};

impl GlobalDispatch<WpViewporter, ()> for World {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        viewporter: New<WpViewporter>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(viewporter, ());
    }
}

impl Dispatch<WpViewporter, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WpViewporter,
        request: wp_viewporter::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wp_viewporter::Request::GetViewport { id, surface } = request {
            init.init(id, *surface.data::<SurfaceIndex>().unwrap());
        }
    }
}

impl Dispatch<WpViewport, SurfaceIndex> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WpViewport,
        request: wp_viewport::Request,
        index: &SurfaceIndex,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let pending = &mut world.surfaces[index.0].pending;
        match request {
            wp_viewport::Request::SetSource {
                x,
                y,
                width,
                height,
            } => {
                let whole = (x, y, width, height) == (-1.0, -1.0, -1.0, -1.0);
                pending.source = Some((!whole).then_some((x, y, width, height)));
                if !whole && (x < 0.0 || y < 0.0 || width <= 0.0 || height <= 0.0) {
                    world.violation("an impossible source");
                }
            }
            wp_viewport::Request::SetDestination { width, height } => {
                pending.destination = Some(Some((width, height)));
                if width <= 0 || height <= 0 {
                    world.violation("an impossible destination");
                }
            }
            _ => {}
        }
    }
}

impl GlobalDispatch<WpFractionalScaleManagerV1, ()> for World {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<WpFractionalScaleManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<WpFractionalScaleManagerV1, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WpFractionalScaleManagerV1,
        request: wp_fractional_scale_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wp_fractional_scale_manager_v1::Request::GetFractionalScale { id, .. } = request {
            world.fractional = Some(init.init(id, ()));
        }
    }
}

impl Dispatch<WpFractionalScaleV1, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WpFractionalScaleV1,
        _: wp_fractional_scale_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}

impl GlobalDispatch<WlOutput, i32> for World {
    fn bind(
        world: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        output: New<WlOutput>,
        scale: &i32,
        init: &mut DataInit<'_, Self>,
    ) {
        let output = init.init(output, ());
        output.scale(*scale);
        output.done();
        world.outputs.push(output);
    }
}

impl Dispatch<WlOutput, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlOutput,
        _: wl_output::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}

impl World {
    /// Tells the last window the scale of its screen, in 120ths.
    pub(crate) fn set_scale(&mut self, scale: u32) {
        self.fractional.as_ref().unwrap().preferred_scale(scale);
    }

    /// The only window is on a monitor now.
    pub(crate) fn enter(&mut self, monitor: usize) {
        let output = self.outputs[monitor].clone();
        self.surface().resource.enter(&output);
    }

    /// The only window is on a monitor no more.
    pub(crate) fn leave(&mut self, monitor: usize) {
        let output = self.outputs[monitor].clone();
        self.surface().resource.leave(&output);
    }
}

impl Compositor {
    pub(crate) fn plug_monitor(&mut self, scale: i32) {
        let handle = self.handle();
        let id = handle.create_global::<World, WlOutput, i32>(4, scale);
        self.world.monitors.push(id);
    }

    pub(crate) fn unplug_monitors(&mut self) {
        let handle = self.handle();
        for id in self.world.monitors.drain(..) {
            handle.remove_global::<World>(id);
        }
    }
}
